"""Routes of what happened: the activity of projects and tables, and their statistics.

Both tell what the ledger knows, and leave out what it does not: who changed a definition after its creation, what was
there before, and how many bytes a table has by now, which is the catalog's to say. Loads are counted over the newest
runs only, as a table may have any number of them.
"""

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from hydrolix.admission import admit
from hydrolix.happenings import list_project_happenings, list_table_happenings
from hydrolix.pagination import answer_list
from hydrolix.statistics import count_project_loads, count_table_loads
from hydrolix.tables import read_table
from jobruns.ids import canonical_id
from jobruns.service.tables import find_project

router = Router()
_PROJECT = "/config/v1/orgs/<org>/projects/<project_id>"
_TABLE = f"{_PROJECT}/tables/<table_id>"


@router.get(f"{_PROJECT}/activity")
def show_project_activity(org: str, project_id: str) -> Any:
    """List what happened to a project and to the definitions of its tables, newest first."""
    caller = admit(router, org)
    project = find_project(caller.ports, caller.principal, canonical_id(project_id))
    found = list_project_happenings(caller.ports, caller.principal, project)
    return answer_list(caller, found, lambda shown: [one.render() for one in shown], bare=False)


@router.get(f"{_TABLE}/activity")
def show_table_activity(org: str, project_id: str, table_id: str) -> Any:
    """List what happened to a table, its transforms and its loads, newest first."""
    caller = admit(router, org)
    found = list_table_happenings(caller.ports, caller.principal, read_table(caller, project_id, table_id))
    return answer_list(caller, found, lambda shown: [one.render() for one in shown], bare=False)


@router.get(f"{_PROJECT}/stats")
def show_project_stats(org: str, project_id: str) -> dict[str, Any]:
    """Count what was loaded into the tables of a project."""
    caller = admit(router, org)
    project = find_project(caller.ports, caller.principal, canonical_id(project_id))
    return count_project_loads(caller.ports, caller.principal, project)


@router.get(f"{_TABLE}/stats")
def show_table_stats(org: str, project_id: str, table_id: str) -> dict[str, Any]:
    """Count what was loaded into a table."""
    caller = admit(router, org)
    return count_table_loads(caller.ports, caller.principal, read_table(caller, project_id, table_id))
