"""What a caller says of a job it wants to have run."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from hotglue.bodies import check_document
from hotglue.names import read_connector
from jobruns.errors import InvalidInputError

MAX_VARIABLES = 100
SECRET_MEMBERS = frozenset(
    {"override_source_config", "override_target_config", "override_connector_config", "environment_variables"}
)
"""Members in which there may be secrets, whatever they are called there."""

PAYLOAD = (
    "state",
    "override_start_date",
    "override_end_date",
    "override_selected_tables",
    "override_field_map",
    "override_source_config",
    "override_target_config",
    "override_connector_config",
    "environment_variables",
)
"""Members that are for the work itself."""


def _moment(text: str) -> str:
    for read in (date.fromisoformat, datetime.fromisoformat):
        try:
            read(text)
        except ValueError:
            continue
        return text
    raise ValueError("must be a date or a date and time in ISO 8601")


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _by_name(value: Any) -> Any:
    """Read a list of names as the object that has them all: some callers send the one, some the other."""
    return dict.fromkeys(value, True) if isinstance(value, list) and all(isinstance(n, str) for n in value) else value


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of text")
    return text


Moment = Annotated[str, Field(max_length=40), AfterValidator(_moment)]


class WebhookOverride(BaseModel):
    """Where this job is told of in place of where the others are; signed by the endpoint that `secret_ref` names."""

    model_config = ConfigDict(frozen=True)

    url: str = Field(max_length=2048)
    secret_ref: str | None = Field(default=None, max_length=256)


class JobRequest(BaseModel):
    """A request for a job. Members that are not known are dropped."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    connector_id: str | None = None
    job_type: Annotated[Literal["read", "write"] | None, BeforeValidator(_lower)] = None
    tap: str | None = None
    target: str | None = None
    state: dict[str, Any] | None = Field(default=None, repr=False)
    job_name: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_line)] | None = None
    override_start_date: Moment | None = None
    override_end_date: Moment | None = None
    reset_source_state: bool | None = None
    streaming_job: bool | None = None
    override_selected_tables: Annotated[dict[str, Any] | None, BeforeValidator(_by_name)] = None
    override_field_map: dict[str, Any] | None = None
    override_source_config: dict[str, Any] | None = Field(default=None, repr=False)
    override_target_config: dict[str, Any] | None = Field(default=None, repr=False)
    override_connector_config: dict[str, Any] | None = Field(default=None, repr=False)
    override_lifecycle_webhook: str | WebhookOverride | None = None
    environment_variables: dict[str, str] | None = Field(default=None, max_length=MAX_VARIABLES, repr=False)
    ignore_parallel_jobs: bool | None = None
    queue_if_active_job: bool | None = None

    @property
    def payload(self) -> dict[str, Any]:
        """What of it is for the work, as it was sent."""
        members = {name: getattr(self, name) for name in PAYLOAD}
        return {name: value for name, value in members.items() if value not in (None, {})}

    @property
    def webhook(self) -> WebhookOverride | None:
        """Where this job is told of, if elsewhere."""
        said = self.override_lifecycle_webhook
        return WebhookOverride(url=said) if isinstance(said, str) else said


def read_job_request(body: dict[str, Any], version: int) -> JobRequest:
    """Read the body of a request for a job of a flow of that version.

    Raises
    ------
    InvalidInputError
        A member is wrong, or one is missing that a flow of version 2 needs.
    """
    request = check_document(JobRequest.model_validate, body)
    for name in ("connector_id", "tap", "target"):
        if (value := getattr(request, name)) is not None:
            read_connector(value, name)
    if version == 1:
        return request.model_copy(update={"connector_id": None, "job_type": None, "override_connector_config": None})
    for name in ("connector_id", "job_type"):
        if getattr(request, name) is None:
            raise InvalidInputError(f"{name}: a job of a flow of version 2 needs it", field=name)
    return request.model_copy(update={"tap": None, "target": None})
