"""Jobs by the command line: by how much their runs look back."""

import json

from jobruns.access import Principal
from jobruns.run import Executor
from jobruns.service.definitions import find_job
from jobruns.service.ports import Ports

from .conftest import Command


def test_a_job_is_told_by_how_much_its_runs_look_back(
    command: Command, deployed: dict[str, str], ports: Ports, admin: Principal
) -> None:
    missing = command("jobs", "look-back", "detectors", "1h")
    assert (missing.exit_code, missing.stderr) == (1, "Error: no job is named 'detectors'\n")

    defined = command("jobs", "look-back", "detectors", "1h", "--define")
    assert (defined.exit_code, defined.stdout) == (0, "detectors looks back 3600 seconds\n")
    job = find_job(ports, admin, "detectors")
    assert (job.executor, job.look_back_seconds) == (Executor.EXTERNAL, 3600)

    changed = command("jobs", "look-back", "detectors", "90", "--define", "--json")
    assert json.loads(changed.stdout) == {"name": "detectors", "look_back_seconds": 90}
    assert find_job(ports, admin, "detectors").version == job.version + 1
    assert command("jobs", "look-back", "detectors").stdout == "detectors looks back 90 seconds\n"
    assert command("jobs", "look-back", "detectors", "0").exit_code == 0
    assert find_job(ports, admin, "detectors").look_back_seconds == 0

    for wrong, status, said in (("soon", 2, "is no duration"), ("367d", 1, "look_back_seconds")):
        refused = command("jobs", "look-back", "detectors", wrong)
        assert refused.exit_code == status
        assert said in refused.stderr
