"""What the outside is told of a run, as far as it decides who is told."""

from pydantic import AwareDatetime, BaseModel, ConfigDict

from jobruns.notices import NoticeKind
from jobruns.run import RunState

_BAD = frozenset({RunState.FAILED, RunState.TIMEOUT})
_ENDS = frozenset({NoticeKind.ENDED, NoticeKind.CORRECTED})
_OVERDUE = frozenset({NoticeKind.DELAYED, NoticeKind.DEADLINE_NEAR})


class Announcement(BaseModel):
    """One thing told of a run.

    Parameters
    ----------
    announcement_id : str
        The same however often it is told.
    org, job, run_id : str
        Whose, and of which run.
    sequence : int
        Its place among all that is told of the run.
    at : datetime
        When it happened.
    notice : NoticeKind
        What happened.
    state : RunState
        Of the run, after it.
    status : str
        What the outside calls that.
    step : bool
        Whether the status is another than the one told before.
    kinds : frozenset of str
        Of what kind of subscription it is.
    formats : frozenset of str
        The formats in which it is told.
    asked_formats : frozenset of str
        Those in which it is told to who asks for it by its topic.
    document : str
        Where all of it is written down, among the files of runs.
    redirect : str, optional
        The endpoint that hears of the run in place of those that may be passed over.
    """

    model_config = ConfigDict(frozen=True)

    announcement_id: str
    org: str
    job: str
    run_id: str
    sequence: int
    at: AwareDatetime
    notice: NoticeKind
    state: RunState
    status: str
    step: bool = True
    kinds: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()
    asked_formats: frozenset[str] = frozenset()
    document: str
    redirect: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it says that the run did not go well. One that somebody stopped did not fail."""
        return self.notice in _ENDS and self.state in _BAD

    @property
    def succeeded(self) -> bool:
        """Whether it says that the run went well."""
        return self.notice in _ENDS and self.state is RunState.SUCCEEDED

    @property
    def overdue(self) -> bool:
        """Whether it says that the run takes long."""
        return self.notice in _OVERDUE

    @property
    def outcome(self) -> str | None:
        """What quiet is kept about: how the run ended, or that it is late; ``None`` for what happens once in a run."""
        if self.overdue:
            return "overdue"
        return str(self.state) if self.notice in _ENDS else None
