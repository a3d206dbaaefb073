"""Whatever goes wrong is one line on standard error: status 2 for a wrong command, 1 for a failure."""

from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError
from click.exceptions import Exit

from jobruns_cli.output import one_line

MAX_REASON_CHARACTERS = 500


class Boundary(click.Group):
    """Turns what commands raise into what people read."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises
        ------
        click.ClickException
            It failed; click prints the message and leaves with the status.
        """
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, Exit, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(explain(error)) from error


def explain(error: BaseException) -> str:
    """Say in one line what went wrong; for what AWS refused, what AWS says."""
    from jobruns.errors import JobrunsError

    if isinstance(error, JobrunsError):
        return one_line(error.message)
    refusal = _aws_error(error)
    if isinstance(refusal, ClientError):
        said = refusal.response.get("Error", {})
        return f"AWS refuses {refusal.operation_name}: {_cut(said.get('Message') or said.get('Code') or str(refusal))}"
    if refusal is not None:
        return f"AWS cannot be asked: {_cut(str(refusal))}"
    return f"{type(error).__name__}: {_cut(str(error))} (--debug shows where)"


def _aws_error(error: BaseException) -> BaseException | None:
    """Find what botocore raised, below what libraries made of it; a chain is short, and no link is met twice."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        if isinstance(link, ClientError | BotoCoreError):
            return link
        seen.add(id(link))
        cause = getattr(link, "cause", None)  # PynamoDB's errors keep it so
        link = cause if isinstance(cause, BaseException) else link.__cause__ or link.__context__
    return None


def _cut(text: str) -> str:
    return one_line(text)[:MAX_REASON_CHARACTERS]
