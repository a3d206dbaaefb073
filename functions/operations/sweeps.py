"""Has tables swept: after a write that says that it is time, in the background, by the function for tables."""

from aws_lambda_powertools import Logger

from jobruns.errors import UnavailableError
from jobruns.service.ports import Ports

logger = Logger(child=True)


def have_swept(ports: Ports, database: str, table: str, location: str) -> None:
    """Have a table swept of the files that it has no more; what was written stays written if that cannot be asked."""
    try:
        ports.lake.sweep(database, table, location)
    except UnavailableError as error:
        logger.warning("the table is swept some other day", extra={"table": table, "reason": error.message})
