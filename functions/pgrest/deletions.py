"""DELETE: rows that are over are taken away; the history keeps that they were there."""

from jobruns.access import Permission
from jobruns.service.corrections import check_deletable, delete_runs
from pgrest.answers import answer_write, check_answer
from pgrest.asking import Asked
from pgrest.job_rows import job_row
from pgrest.updates import find_affected
from pgrest.wire import Answer


def delete_rows(asked: Asked) -> Answer:
    """Delete the rows that pass the filters, all of them checked before the first is gone."""
    caller = asked.caller
    caller.principal.require(Permission.STOP)
    runs = find_affected(asked)
    check_answer(asked, [job_row(run) for run in runs])
    check_deletable(caller.principal, runs)
    gone = delete_runs(caller.ports, caller.principal, runs)
    total = str(len(gone)) if asked.preferences.counts else "*"
    return answer_write(asked, gone, status=200, quiet_status=204, headers={"Content-Range": f"*/{total}"})
