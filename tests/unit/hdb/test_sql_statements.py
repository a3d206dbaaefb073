"""Statements of SQL: what is let through, how it is written again, and that nothing else gets to the engine."""

from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hdb.errors import InvalidRequestError, describe_error
from hdb.fields import Target
from hdb.sql_statements import (
    MAX_LENGTH,
    Change,
    Insert,
    Select,
    read_query,
    read_statement,
    relation_name,
)

DOG, CAT = Target("dev", "dog"), Target("dev", "cat")


@pytest.fixture(scope="module")
def engine() -> Any:
    connection = duckdb.connect(config={"enable_external_access": False, "python_enable_replacements": False})
    connection.execute('CREATE TABLE "dev.dog" (id INTEGER, name VARCHAR, age INTEGER, born TIMESTAMP)')
    connection.execute("""INSERT INTO "dev.dog" VALUES (1, 'Penny', 7, TIMESTAMP '2014-05-06'), (2, 'Rex', NULL, NULL),
        (3, 'it''s', 4, TIMESTAMP '2017-01-01')""")
    connection.execute('CREATE TABLE "dev.cat" AS SELECT 1 AS id, 2 AS dog_id')
    connection.execute("SET lock_configuration = true")
    return connection


def run(engine: Any, sql: str) -> Any:
    return engine.execute(sql).fetchall()


def refuse(sql: str) -> str:
    with pytest.raises(InvalidRequestError) as refusal:
        read_statement(sql)
    assert describe_error(refusal.value).status == 400
    return refusal.value.message


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT * FROM dev.dog WHERE id = 1", 1),
        ("select `name`, dev.dog.age, dog.id from dev.`dog` where `name` = 'it''s'", [("it's", 4, 3)]),
        ("SELECT d.* FROM dev.dog d", 3),
        ("SELECT id FROM dev.dog ORDER BY age", [(2,), (3,), (1,)]),
        ("SELECT id FROM dev.dog ORDER BY age DESC", [(1,), (3,), (2,)]),
        ("SELECT id FROM dev.dog ORDER BY age NULLS LAST LIMIT 1 OFFSET 1", [(1,)]),
        (
            "SELECT d.id, c.id FROM dev.dog AS d LEFT JOIN dev.cat AS c ON c.dog_id = d.id WHERE c.id IS NOT NULL",
            [(2, 1)],
        ),
        ("SELECT dog.id FROM dev.dog JOIN dev.cat ON dev.cat.dog_id = dev.dog.id", [(2,)]),
        ("SELECT name FROM dev.dog WHERE id IN (SELECT dog_id FROM dev.cat)", [("Rex",)]),
        ("SELECT name FROM dev.dog d WHERE EXISTS (SELECT 1 FROM dev.cat WHERE dog_id = d.id)", [("Rex",)]),
        ("SELECT age IS NULL AS b, COUNT(*) AS n FROM dev.dog GROUP BY 1 HAVING COUNT(*) > 1", [(False, 2)]),
        ("SELECT DISTINCT LENGTH(name) % 2 AS x FROM dev.dog WHERE name NOT LIKE 'P%'", 2),
        ("SELECT name FROM dev.dog WHERE name ILIKE 'p%' OR (age BETWEEN 1 AND 5 AND NOT id = 1)", 2),
        ("SELECT UPPER(name) || '!' FROM dev.dog WHERE id = 1", [("PENNY!",)]),
        ("SELECT CASE WHEN age > 5 THEN 'old' ELSE COALESCE(NULLIF(name, 'Rex'), '?') END FROM dev.dog", 3),
        ("SELECT CAST(age AS DOUBLE) / 2, age::VARCHAR, ROUND(-age + 0.5, 0), ABS(-1) FROM dev.dog WHERE id = 3", 1),
        ("SELECT EXTRACT(year FROM born), YEAR(born), DATE_TRUNC('month', born) FROM dev.dog WHERE id = 1", 1),
        ("SELECT id, ROW_NUMBER() OVER (PARTITION BY age ORDER BY id) AS n FROM dev.dog", 3),
        (
            "WITH a AS (SELECT * FROM dev.dog), b AS (SELECT id FROM a) SELECT COUNT(*) FROM b JOIN a ON a.id = b.id",
            [(3,)],
        ),
        ("SELECT id FROM dev.dog UNION ALL SELECT id FROM dev.cat ORDER BY id", [(1,), (1,), (2,), (3,)]),
        ("SELECT x.n FROM (SELECT COUNT(*) AS n FROM dev.dog) AS x", [(3,)]),
        ("SELECT MIN(age), MAX(age), AVG(age), SUM(age), STDDEV(age), MEDIAN(age) FROM dev.dog;", 1),
        ("SELECT 1 -- comment\n", [(1,)]),
    ],
)
def test_queries_are_run_as_they_were_meant(engine: Any, sql: str, rows: Any) -> None:
    statement = read_query(sql)
    assert set(statement.tables) <= {DOG, CAT}
    found = run(engine, statement.sql)
    assert len(found) == rows if isinstance(rows, int) else found == rows


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("select count(*) from dev.dog", ["COUNT(*)"]),
        ("select sum(d.age), max(age) as m, name from dev.dog d group by name", ["SUM(d.age)", "m", "name"]),
        ("select 1, 'it''s' from dev.dog union select 2, 'x'", ["1", "'it''s'"]),
        ("select * from dev.dog", ["id", "name", "age", "born"]),
        ('select id as `a"b` from dev.dog', ['a"b']),
    ],
)
def test_columns_without_a_name_are_named_by_their_text(engine: Any, sql: str, names: list[str]) -> None:
    engine.execute(read_query(sql).sql)
    assert [column[0] for column in engine.description] == names


def test_tables_are_told_in_the_order_they_are_named_and_without_a_database_are_in_data() -> None:
    statement = read_query("SELECT * FROM dev.b JOIN a ON TRUE JOIN dev.b AS c ON TRUE")
    assert statement.tables == (Target("dev", "b"), Target("data", "a"))
    assert statement == Select(
        'SELECT * FROM "dev.b" AS "b" JOIN "data.a" AS "a" ON TRUE JOIN "dev.b" AS "c" ON TRUE', statement.tables
    )
    assert relation_name(statement.tables[0]) == "dev.b"


def test_insert() -> None:
    sql = "INSERT INTO dev.dog (id, name, age, ok) VALUES (1, 'it''s', -1.5, TRUE), (2, NULL, 3, false)"
    assert read_statement(sql) == Insert(
        DOG, ({"id": 1, "name": "it's", "age": -1.5, "ok": True}, {"id": 2, "name": None, "age": 3, "ok": False})
    )
    assert read_statement("INSERT INTO dog (`a b`) VALUES ('x')") == Insert(Target("data", "dog"), ({"a b": "x"},))


def test_update(engine: Any) -> None:
    change = read_statement("UPDATE dev.dog SET age = age + 1, dev.dog.name = 'x' WHERE id < 3 AND age IS NOT NULL")
    assert isinstance(change, Change)
    assert (change.target, change.tables, change.deletes, change.columns) == (DOG, (DOG,), False, ("age", "name"))
    assert run(engine, change.select("id")) == [(1, 8, "x")]
    with pytest.raises(InvalidRequestError):
        change.select("age")


def test_update_by_another_table(engine: Any) -> None:
    change = read_statement("UPDATE dev.dog AS d SET age = 1 WHERE d.id IN (SELECT dog_id FROM dev.cat)")
    assert isinstance(change, Change)
    assert change.tables == (DOG, CAT)
    assert run(engine, change.select("id")) == [(2, 1)]


def test_delete(engine: Any) -> None:
    change = read_statement("DELETE FROM dev.dog WHERE name = 'Rex'")
    assert isinstance(change, Change)
    assert (change.target, change.deletes, change.columns) == (DOG, True, ())
    assert run(engine, change.select("id")) == [(2,)]
    everything = read_statement("DELETE FROM dev.dog")
    assert isinstance(everything, Change)
    assert len(run(engine, everything.select("id"))) == 3


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH 'x.db' AS y",
        "DETACH y",
        "COPY dev.dog TO 'x.csv'",
        "COPY dev.dog FROM 'x.csv'",
        "EXPORT DATABASE 'x'",
        "IMPORT DATABASE 'x'",
        "PRAGMA database_list",
        "SET memory_limit = '1TB'",
        "SET GLOBAL enable_external_access = true",
        "RESET memory_limit",
        "INSTALL httpfs",
        "LOAD httpfs",
        "CALL pragma_version()",
        "CREATE TABLE dev.x (id INT)",
        "CREATE MACRO f() AS 1",
        "CREATE SECRET x (TYPE s3)",
        "DROP TABLE dev.dog",
        "ALTER TABLE dev.dog ADD COLUMN x INT",
        "TRUNCATE dev.dog",
        "EXPLAIN SELECT 1",
        "DESCRIBE dev.dog",
        "SHOW TABLES",
        "SUMMARIZE dev.dog",
        "BEGIN",
        "COMMIT",
        "CHECKPOINT",
        "VACUUM",
        "USE dev",
        "PREPARE x AS SELECT 1",
        "EXECUTE x",
        "VALUES (1)",
        "MERGE INTO dev.dog USING dev.cat ON TRUE WHEN MATCHED THEN DELETE",
        "GRANT ALL ON dev.dog TO x",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE dev.dog",
        "SELECT",
        "",
        "   ;",
        "nope",
        "SELEC * FROM dev.dog",
        "SELECT * FROM",
        "(" * 5000,
        "SELECT " + "(" * 5000 + "1" + ")" * 5000,
        "SELECT '\0'",
        "SELECT '\ud800'",
        "SELECT 'x" + "x" * MAX_LENGTH + "'",
    ],
)
def test_other_statements_are_refused(sql: str) -> None:
    told = refuse(sql)
    assert told.startswith("Invalid SQL at: ")
    assert len(told) < 250


@pytest.mark.parametrize(
    "part",
    [
        "FROM read_csv('/etc/passwd')",
        "FROM read_csv_auto('x')",
        "FROM read_parquet('s3://b/k')",
        "FROM read_json('x')",
        "FROM read_text('/etc/passwd')",
        "FROM read_blob('/etc/passwd')",
        "FROM glob('/*')",
        "FROM parquet_metadata('x')",
        "FROM duckdb_settings()",
        "FROM duckdb_secrets()",
        "FROM pragma_database_list()",
        "FROM range(1000000000)",
        "FROM generate_series(1, 1000000000)",
        "FROM unnest([1])",
        "FROM query('SELECT 1')",
        "FROM query_table('x')",
        "FROM sniff_csv('x')",
        "FROM a.b.c",
        "FROM (VALUES (1)) AS x(a)",
        "FROM dev.dog TABLESAMPLE 10%",
        "FROM dev.dog PIVOT (SUM(age) FOR name IN ('x'))",
        "FROM dev.dog, LATERAL (SELECT 1)",
        "FROM (WITH x AS (SELECT 1) SELECT * FROM x) AS y",
        "FROM dev.dog, dev.Dog",
        "INTO x FROM dev.dog",
        "FROM dev.dog FOR UPDATE",
        "FROM dev.dog QUALIFY TRUE",
        "FROM dev.dog AS d(a, b)",
    ],
)
def test_nothing_but_named_tables_is_read(part: str) -> None:
    refuse(f"SELECT * {part}")


@pytest.mark.parametrize(
    "expression",
    [
        "getenv('HOME')",
        "current_setting('memory_limit')",
        "set_config('a', 'b')",
        "getvariable('x')",
        "current_user()",
        "current_schemas(true)",
        "version()",
        "txid_current()",
        "nextval('x')",
        "repeat('x', 1000000000)",
        "rpad('x', 1000000000, 'y')",
        "range(1000000000)",
        "list_value(1)",
        "read_text('x')",
        "sleep(10)",
        "sql_auto_complete('x')",
        "json_extract(name, '$')",
        "[x FOR x IN [1]]",
        "{'a': 1}",
        "COLUMNS('a.*')",
        "* EXCLUDE (id)",
        "* REPLACE (1 AS id)",
        "name[1]",
        "a.b.c.d",
        "$1",
        "?",
        "CAST(1 AS REGCLASS)",
        "CAST(id AS STRUCT(a INT))",
        "x -> x + 1",
    ],
)
def test_only_listed_functions_and_types_are_called(expression: str) -> None:
    try:
        sql = read_query(f"SELECT {expression} FROM dev.dog").sql
    except InvalidRequestError:
        return
    assert expression == "$1"
    assert '"$1"' in sql  # older versions of the parser read it as a name


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO dev.dog VALUES (1)",
        "INSERT INTO dev.dog (id) SELECT 1",
        "INSERT INTO dev.dog (id, id) VALUES (1, 2)",
        "INSERT INTO dev.dog (id) VALUES (1, 2)",
        "INSERT INTO dev.dog (id) VALUES (random())",
        "INSERT INTO dev.dog (id) VALUES ((SELECT 1))",
        "INSERT INTO dev.dog (id) VALUES (1) RETURNING *",
        "INSERT OR REPLACE INTO dev.dog (id) VALUES (1)",
        "INSERT INTO dev.dog (id) VALUES (1) ON CONFLICT DO NOTHING",
        "UPDATE dev.dog SET age = 1 FROM dev.cat",
        "UPDATE dev.dog SET age = 1 RETURNING *",
        "UPDATE dev.dog SET age = 1, age = 2",
        "UPDATE dev.dog SET age = getenv('x')",
        "DELETE FROM dev.dog USING dev.cat WHERE TRUE",
        "DELETE FROM dev.dog RETURNING *",
        "WITH a AS (SELECT 1) DELETE FROM dev.dog",
        "WITH a AS (DELETE FROM dev.dog) SELECT * FROM a",
        "WITH a AS (INSERT INTO dev.dog (id) VALUES (1)) SELECT * FROM a",
        "SELECT * FROM (UPDATE dev.dog SET age = 1) AS x",
        "DELETE FROM dev.dog WHERE id IN (DELETE FROM dev.cat)",
        "SELECT * FROM (VALUES (1)) AS x",
    ],
)
def test_writes_are_the_plain_ones(sql: str) -> None:
    refuse(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT * FROM a) SELECT * FROM a",
        "WITH a AS (SELECT * FROM a) SELECT * FROM a",
        "WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a",
        "WITH a AS (SELECT 1), a AS (SELECT 2) SELECT * FROM a",
        "WITH `dev.dog` AS (SELECT 1) SELECT * FROM `dev.dog`",
    ],
)
def test_common_tables_are_those_before(sql: str) -> None:
    refuse(sql)


@pytest.mark.parametrize(
    "sql", ["DELETE FROM dev.dog", "UPDATE dev.dog SET a = 1", "INSERT INTO dev.dog (a) VALUES (1)"]
)
def test_an_export_only_reads(sql: str) -> None:
    with pytest.raises(InvalidRequestError, match="only SELECT can be exported"):
        read_query(sql)


_odd = st.text(st.sampled_from("\"'`\\ab;-/*\n$é() "), max_size=10)


@given(_odd.filter(lambda text: "`" not in text and text), _odd)
@example('a" FROM "dev.dog"; ATTACH \'x\' AS "y', "'; ATTACH 'x' AS y --")
@example('"', "\\'")
@example("\n --", "\n --")
@settings(max_examples=150)
def test_names_and_texts_stay_what_they_are(name: str, text: str) -> None:
    quoted = text.replace("'", "''")
    comment = text.replace("\n", " ")
    try:
        statement = read_query(f"SELECT '{quoted}' AS `{name}` -- */ {comment}")
    except InvalidRequestError:
        # A parser may not know a spelling; what matters is that nothing is misread.
        return
    result = duckdb.execute(statement.sql)
    assert result.fetchall() == [(text,)]
    assert [column[0] for column in result.description or ()] == [name]


_WORDS = """SELECT FROM WHERE dev . dog id name , ( ) * = + - ' '' " ` ; -- /* */ AS IN NOT NULL 1 2.5 'x' COUNT UNION
    WITH JOIN ON ORDER BY LIMIT GROUP CASE WHEN END UPDATE SET DELETE INSERT INTO VALUES ATTACH COPY PRAGMA getenv
    read_csv CAST :: INT [ ] { } $1 ? OVER DISTINCT EXISTS BETWEEN LIKE INTERVAL TRUE"""
_words = st.sampled_from(_WORDS.split())


@given(st.lists(_words, max_size=14).map(" ".join) | st.text(max_size=30))
@settings(max_examples=250)
def test_any_text_is_a_statement_of_three_kinds_or_refused(text: str) -> None:
    try:
        statement = read_statement(text)
    except InvalidRequestError as error:
        told = error.message
        assert told.startswith("Invalid SQL at: ")
        return
    if isinstance(statement, Select):
        (parsed,) = duckdb.extract_statements(statement.sql)
        assert parsed.type == duckdb.StatementType.SELECT
