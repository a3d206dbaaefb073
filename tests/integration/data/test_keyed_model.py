"""Random operations on a table with a primary key, beside a dict that knows nothing of files."""

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.integration.data.keyed_tables import START, KeyedTable, Model
from tests.integration.data.lakes import Lake

KEYS = st.one_of(st.integers(0, 12), st.sampled_from(["a", "b", "1", "", '"', "1.5", "true", 1.5, True, -(2**60), "ä"]))
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)),
    st.sampled_from(["", "12", "null", '"quoted"', "2024-01-01T00:00:00Z"]),
    st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(st.sampled_from("xy"), st.integers(0, 3), max_size=2),
)
RECORDS = st.lists(
    st.builds(
        lambda key, rest: {"id": key, **rest},
        KEYS,
        st.dictionaries(st.sampled_from(["a", "b", "B", "a__any", "with blank"]), VALUES, max_size=3),
    ),
    min_size=1,
    max_size=12,
)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["insert", "update", "upsert"]), RECORDS),
        st.tuples(st.just("delete"), st.lists(KEYS, min_size=1, max_size=5, unique_by=lambda k: (type(k), k))),
        st.tuples(st.just("before"), st.integers(0, 6)),
    ),
    min_size=1,
    max_size=6,
)


@given(operations=OPERATIONS, lot_bytes=st.sampled_from([1, 400, 1 << 20]))
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes; what fails is small already
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_table_holds_what_a_dict_would(
    lake: Lake, small_files: None, operations: list[tuple[str, Any]], lot_bytes: int
) -> None:
    table, model = KeyedTable(lake.catalog), Model()
    for what, argument in operations:
        if what == "delete":
            gone = table.delete(*argument)
            deleted, missing = model.delete(argument)
            assert (gone.deleted, list(gone.deleted_keys or ())) == (len(deleted), deleted)
            assert len(gone.missing_keys or ()) == len(missing)
        elif what == "before":
            moment = START + timedelta(seconds=argument)
            assert table.delete_before(moment).deleted == model.delete_before(moment)
        else:
            size = len(model.rows)
            outcome = table.write(what, argument, lot_bytes=lot_bytes)
            written, skipped = model.write(what, argument, table.now)
            assert (outcome.total, outcome.written) == (len(argument), len(written))
            assert (list(outcome.written_keys or ()), list(outcome.skipped_keys or ())) == (written, skipped)
            assert outcome.inserted == len(model.rows) - size
        assert table.rows() == model.rows
