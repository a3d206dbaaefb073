"""What a tap and a target are told: the flow's secret, and over it the caller's word."""

from typing import Any

import pytest

from jobruns.errors import InvalidInputError
from jobruns.singer import Side, SyncWork, read_work
from scripts.errors import RunFailedError
from singer.configuration import compose, mask
from singer.packages import folder_names

WORK = SyncWork.model_validate({"tap": {"name": "a"}, "target": {"name": "b"}})
KEPT = {
    "tap": {"site": "x", "api_key": "k-12345678", "url": "https://me:hunter22@host/x"},
    "target": {"password": "p-87654321"},
    "connectors": {"crm": {"target": {"site": "crm"}, "tap": {"site": "crm-tap"}}},
}


def linked(side: Side) -> SyncWork:
    return WORK.model_copy(update={"connector": "crm", "side": side})


def test_the_callers_word_goes_before_the_flows() -> None:
    request = {"override_source_config": {"site": "y"}, "override_target_config": {"extra": 1}}
    told = compose(WORK, KEPT, request)
    assert (told.tap["site"], told.tap["api_key"]) == ("y", "k-12345678")
    assert told.target == {"password": "p-87654321", "extra": 1}


def test_a_connector_takes_the_side_it_is_on() -> None:
    request = {"override_connector_config": {"mine": True}}
    write, read = (compose(linked(side), KEPT, request) for side in (Side.TARGET, Side.TAP))
    assert (write.target["site"], write.target.get("mine"), write.tap.get("mine")) == ("crm", True, None)
    assert (read.tap["site"], read.tap.get("mine"), read.target.get("mine")) == ("crm-tap", True, None)


def test_dates_of_the_callers_own_are_told_and_begin_anew() -> None:
    told = compose(WORK, KEPT, {"override_start_date": "2026-01-01", "override_end_date": "2026-02-01"})
    assert (told.tap["start_date"], told.tap["end_date"], told.restart) == ("2026-01-01", "2026-02-01", True)
    assert not compose(WORK, KEPT, {}).restart


def test_tables_are_named_in_either_form() -> None:
    assert compose(WORK, {}, {"override_selected_tables": ["a"]}).wanted == {"a": True}
    assert compose(WORK, {}, {"override_selected_tables": {"a": False}}).wanted == {"a": False}
    assert compose(WORK, {}, {"override_selected_tables": {}}).wanted is None


def test_no_log_shows_secrets_and_variables() -> None:
    told = compose(WORK, KEPT, {"environment_variables": {"TOKEN": "t-555555", "COUNT": 12345678, "SHORT": "abc"}})
    text = "key k-12345678 of https://me:hunter22@host/x, p-87654321 t-555555 12345678 abc x"
    assert mask(text, told.secrets) == "key *** of ***, *** *** *** abc x"


@pytest.mark.parametrize(
    "name", ["1A", "A-B", "", "LD_PRELOAD", "ld_audit", "PYTHONSTARTUP", "AWS_LAMBDA_X", "A" * 300]
)
def test_variables_that_would_change_what_runs_are_refused(name: str) -> None:
    with pytest.raises(RunFailedError, match="variable"):
        compose(WORK, {}, {"environment_variables": {name: "x"}})


@pytest.mark.parametrize("request_", [{"override_source_config": [1]}, {"state": "x"}, {"environment_variables": [1]}])
def test_what_must_be_an_object_is_one(request_: dict[str, Any]) -> None:
    with pytest.raises(RunFailedError, match="must be an object"):
        compose(WORK, {}, request_)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"tap": {}},
        {"tap": {"name": "a", "executable": "../a"}},
        {"tap": {"name": "a"}, "streaming": True},
        {"tap": {"name": "a"}, "target": {"name": "b"}, "streaming": True, "script": "k"},
        {"tap": {"name": "a", "catalog_option": "--exec"}},
        "x",
    ],
)
def test_arguments_that_say_nothing_that_can_be_done_are_refused(arguments: Any) -> None:
    with pytest.raises(InvalidInputError):
        read_work(arguments)


def test_a_folder_is_named_as_the_requirement_or_as_the_package() -> None:
    assert folder_names("tap-a==1.0") == ("tap-a==1.0", "tap-a")
    assert folder_names("tap-a[s3] >=1, <2") == ("tap-a_s3_=1_2", "tap-a")
    for wrong in ("../tap", "-r x", "", "/etc"):
        with pytest.raises(RunFailedError):
            folder_names(wrong)
