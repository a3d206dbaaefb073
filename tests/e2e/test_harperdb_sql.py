"""SQL at the HarperDB door: what it reads and writes, what is refused, and what is stopped."""

from functools import partial

import pytest

from jobruns.file_paths import file_key
from local.runner import Runner
from tests.e2e.harper import Harper, csv_rows

NO_STATEMENT = "a statement is SELECT, INSERT, UPDATE or DELETE"
NO_TABLE = "a table has to be named"
NO_SQL = "it is no SQL that is understood here"

REFUSED = {
    "reads a file": ("SELECT * FROM read_csv('/etc/passwd')", NO_TABLE),
    "reads a file by its name": ("SELECT * FROM '/etc/passwd'", NO_SQL),
    "reads an object": ("SELECT * FROM read_parquet('s3://a-bucket/a-key')", NO_TABLE),
    "reads a file as a value": ("SELECT read_text('/etc/passwd') FROM {dogs}", "the function read_text is not allowed"),
    "lists files": ("SELECT * FROM read_blob('*')", NO_TABLE),
    "reads a variable": ("SELECT getenv('AWS_SECRET_ACCESS_KEY') FROM {dogs}", "the function getenv is not allowed"),
    "reads settings": ("SELECT * FROM duckdb_settings()", NO_TABLE),
    "reads a file into an update": (
        "UPDATE {dogs} SET name = (SELECT content FROM read_text('x'))",
        NO_TABLE,
    ),
    "reads a file into a deletion": (
        "DELETE FROM {dogs} WHERE id IN (SELECT 1 FROM read_text('x'))",
        NO_TABLE,
    ),
    "writes a file": ("COPY (SELECT * FROM {dogs}) TO 'x.csv'", NO_SQL),
    "writes an object": ("COPY {dogs} TO 's3://a-bucket/a-key'", NO_SQL),
    "writes a database": ("EXPORT DATABASE 'x'", NO_SQL),
    "attaches": ("ATTACH 'x.db'", NO_SQL),
    "attaches memory": ("ATTACH ':memory:' AS m", NO_SQL),
    "loads an extension": ("INSTALL httpfs", NO_STATEMENT),
    "sets an option": ("SET memory_limit = '1TB'", NO_STATEMENT),
    "resets an option": ("RESET threads", NO_STATEMENT),
    "sets by a pragma": ("PRAGMA enable_external_access", NO_STATEMENT),
    "calls": ("CALL pragma_version()", NO_STATEMENT),
    "makes a table": ("CREATE TABLE {dogs}2 AS SELECT * FROM {dogs}", NO_STATEMENT),
    "drops a table": ("DROP TABLE {dogs}", NO_STATEMENT),
    "drops a table behind a query": ("SELECT 1; DROP TABLE {dogs}", "there has to be one statement"),
    "changes a table": ("ALTER TABLE {dogs} ADD COLUMN x INT", NO_STATEMENT),
    "deletes inside a query": ("WITH x AS (DELETE FROM {dogs} RETURNING *) SELECT * FROM x", NO_SQL),
    "copies itself": ("INSERT INTO {dogs} SELECT * FROM {dogs}", "an INSERT has names of columns and VALUES"),
    "makes rows for ever": (
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
        "WITH with RECURSIVE is not allowed",
    ),
    "makes rows out of nothing": ("SELECT * FROM generate_series(1, 100000000000)", NO_TABLE),
    "sleeps": ("SELECT sleep(1000) FROM {dogs}", "the function sleep is not allowed"),
}
"""What a statement would do, the statement, and what is said of it."""


def test_sql_reads_and_writes_rows(harper: Harper, dogs: dict[str, str]) -> None:
    name = f"{dogs['schema']}.{dogs['table']}"
    sql = partial(harper.do, "sql")
    told = sql(sql=f"INSERT INTO {name} (id, name, age) VALUES (1, 'Penny', 5), (2, 'Kato', 6), (1, 'again', 7)")
    assert (told["message"], told["skipped_hashes"]) == ("inserted 2 of 3 records", [1])
    assert sql(sql=f"UPDATE {name} SET age = age + 1 WHERE name = 'Kato'")["update_hashes"] == [2]
    assert sql(sql=f"SELECT name, age FROM {name} ORDER BY age DESC") == [
        {"name": "Kato", "age": 7},
        {"name": "Penny", "age": 5},
    ]
    assert sql(sql=f"SELECT count(*) FROM {name}") == [{"COUNT(*)": 2}]
    assert sql(sql=f"DELETE FROM {name} WHERE age < 6")["deleted_hashes"] == [1]
    assert sql(sql=f"SELECT id FROM {name}") == [{"id": 2}]


def test_what_sql_may_not_do_is_refused_and_not_done(harper: Harper, dogs: dict[str, str]) -> None:
    name = f"{dogs['schema']}.{dogs['table']}"
    harper.do("insert", **dogs, records=[{"id": 1, "name": "Penny"}])
    for statement, reason in REFUSED.values():
        sql = statement.format(dogs=name)
        assert harper.ask("sql", sql=sql) == (400, {"error": f"Invalid SQL at: {sql}: {reason}"})
    for other in ("information_schema.tables", "pg_catalog.pg_tables", "nowhere.t"):
        database = other.partition(".")[0]
        told = (404, {"error": f"database '{database}' does not exist"})
        assert harper.ask("sql", sql=f"SELECT * FROM {other}") == told
    assert harper.ask("sql", sql=f"SELECT zz FROM {name}") == (500, {"error": "unknown column zz"})
    assert harper.do("sql", sql=f"SELECT id, name FROM {name}") == [{"id": 1, "name": "Penny"}]
    assert set(harper.do("describe_schema", schema=dogs["schema"])) >= {dogs["table"]}


def test_an_export_only_reads(harper: Harper, dogs: dict[str, str]) -> None:
    name = f"{dogs['schema']}.{dogs['table']}"
    harper.do("insert", **dogs, records=[{"id": 1}])
    for statement in (f"DELETE FROM {name}", f"UPDATE {name} SET id = 2", "SELECT * FROM read_csv('/etc/passwd')"):
        search = {"operation": "sql", "sql": statement}
        job = harper.run("export_local", path="out", format="csv", search_operation=search)
        assert (job["status"], job["message"][:15]) == ("ERROR", "Invalid SQL at:")
    assert harper.do("sql", sql=f"SELECT id FROM {name}") == [{"id": 1}]


@pytest.mark.slow
def test_a_query_that_runs_for_ever_is_stopped_and_the_next_one_is_answered(
    harper: Harper, dogs: dict[str, str]
) -> None:
    name = f"{dogs['schema']}.{dogs['table']}"
    harper.run("csv_data_load", **dogs, data=csv_rows(2000))
    status, told = harper.ask("sql", sql=f"SELECT count(*) FROM {name} a, {name} b, {name} c, {name} d")
    assert (status, told["error"][:27]) == (400, "the query took longer than ")
    assert harper.do("sql", sql=f"SELECT count(*) FROM {name}") == [{"COUNT(*)": 2000}]


def test_what_a_query_selects_is_exported(runner: Runner, harper: Harper, dogs: dict[str, str]) -> None:
    harper.do("insert", **dogs, records=[{"id": 1, "name": "Penny"}, {"id": 2, "name": "Kato"}])
    query = f"SELECT name FROM {dogs['schema']}.{dogs['table']} ORDER BY name"
    search = {"operation": "sql", "sql": query}
    job = harper.run("export_local", path="out", filename="names", format="csv", search_operation=search)
    assert job["status"] == "COMPLETE", job
    key = file_key(runner.env["JOBRUNS_ORG"], "out/names.csv")
    written = runner.client("s3").get_object(Bucket=runner.env["JOBRUNS_LANDING_BUCKET"], Key=key)
    assert written["Body"].read() == b'"name"\n"Kato"\n"Penny"'
