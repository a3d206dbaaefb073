"""A load said in options."""

from typing import Any

import pytest

from jobruns.errors import InvalidInputError
from jobruns.load_options import LoadOptions, read_load_options
from jobruns.table import DEFAULT_UNIT_BYTES, LoadSource

SOURCE = {"--source": "s3://drops/in/"}
SPEC = {"table_id": "t", "transform_id": "f", "source": {"bucket": "drops", "path": "in/"}}


def read(**options: Any) -> LoadOptions:
    found = read_load_options({**SOURCE, **{f"--{name.replace('_', '-')}": value for name, value in options.items()}})
    assert found is not None
    return found


def test_all_options() -> None:
    found = read(
        table="website.events",
        transform="clicks",
        pattern=r"\.csv$",
        max_files="7",
        unit_bytes="1000",
        dry_run="true",
        job_bookmark_option="job-bookmark-enable",
    )
    assert (found.table, found.transform, found.pattern) == ("website.events", "clicks", r"\.csv$")
    assert (found.max_files, found.unit_bytes, found.dry_run) == (7, 1000, True)
    assert found.source == LoadSource(bucket="drops", path="in/")


def test_what_is_not_said() -> None:
    found = read()
    assert (found.table, found.transform, found.pattern) == (None, None, "")
    assert (found.max_files, found.unit_bytes, found.dry_run) == (0, DEFAULT_UNIT_BYTES, False)


@pytest.mark.parametrize(
    ("url", "bucket", "path"),
    [
        ("s3://drops", "drops", ""),
        ("s3://drops/", "drops", ""),
        ("s3://drops/in/a.csv", "drops", "in/a.csv"),
        ("s3://drops/day=1/what?/no 1#2.csv", "drops", "day=1/what?/no 1#2.csv"),
        ("s3://drops//twice/", "drops", "/twice/"),
    ],
)
def test_a_source_is_taken_as_it_is_written(url: str, bucket: str, path: str) -> None:
    assert read(source=url).source == LoadSource(bucket=bucket, path=path)


@pytest.mark.parametrize("name", ["--job-language", "--TempDir", "--enable-metrics", "--extra-py-files", "--class"])
def test_what_is_set_for_a_scripts_sake_is_ignored(name: str) -> None:
    assert read_load_options({**SOURCE, name: ""}) == read()


def test_members_of_a_load_are_no_options() -> None:
    assert read_load_options(SPEC) is None
    assert read_load_options({**SPEC, "--job-bookmark-option": "job-bookmark-enable", "--enable-metrics": ""}) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "--source: is missing"),
        ({"--table": "a.b"}, "--source: is missing"),
        ({**SOURCE, "--colour": "red"}, "--colour: is no option of a load; it has --dry-run, --max-file-rows, "),
        # They would change what is loaded, so they are not passed over in silence.
        ({**SOURCE, "--job-bookmark-from": "jr_1"}, "--job-bookmark-from: is no option"),
        ({**SOURCE, "--Source": "s3://b/"}, "--Source: is no option"),
        ({"--source": "https://drops/in/"}, "--source: must be the s3:// URL of an object or of a prefix"),
        ({"--source": "s3:///in/"}, "--source: must be"),
        ({"--source": 7}, "--source: must be"),
        ({"--source": "s3://No_Bucket/in/"}, "--source: its bucket: String should match"),
        ({**SOURCE, "--max-files": "many"}, "--max-files: Input should be a valid integer"),
        ({**SOURCE, "--max-files": "-1"}, "--max-files: Input should be greater than or equal to 0"),
        ({**SOURCE, "--unit-bytes": "0"}, "--unit-bytes: "),
        ({**SOURCE, "--dry-run": "maybe"}, "--dry-run: Input should be a valid boolean"),
        ({**SOURCE, "--pattern": "("}, "--pattern: is no regular expression"),
        ({**SOURCE, "--table": ""}, "--table: "),
        ({**SPEC, "--pattern": "x"}, "--pattern cannot be combined with table_id"),
    ],
)
def test_a_wrong_option_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_load_options(arguments)
    assert refused.value.message.startswith(message)
    assert refused.value.field == message.split(":", maxsplit=1)[0].split(" ", maxsplit=1)[0]
