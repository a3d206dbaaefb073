"""One database in memory that reaches no file and no network, whose settings nobody can change, for queries in turn.

What may be asked at all is decided before, by the caller; here is what holds whatever is asked. Only a SELECT is run:
what makes, changes, attaches, copies, loads or sets something is another kind of statement to DuckDB's own parser.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

import duckdb
import pyarrow as pa

from jobruns.operation import Condition, Group
from jobruns_sql.errors import SqlError, SqlExhaustedError, SqlRefusedError
from jobruns_sql.narrowing import find_conditions

__all__ = ["SqlSession"]

MEMORY_BYTES: Final = 256 << 20
_BATCH_ROWS: Final = 10_000


class SqlSession:
    """Tables, and queries over them; use as a context manager.

    Parameters
    ----------
    memory_bytes : int
        What the database may take beside the rows that are given to it. Nothing is put on the disk.
    threads : int
    """

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES, threads: int = 2) -> None:
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "enable_external_access": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "allow_community_extensions": "false",
                # Arrow tables are found by name only where they were registered, not among Python's variables.
                "python_enable_replacements": "false",
                "memory_limit": f"{memory_bytes}B",
                "max_temp_directory_size": "0B",
                "threads": str(threads),
            },
        )
        self._names: list[str] = []
        self._locked = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def add_table(self, schema: str, name: str, rows: pa.Table | pa.RecordBatchReader) -> None:
        """Let rows be asked for as ``schema.name``; of a reader once only. Before the first query."""
        given = f"given_{len(self._names)}"
        self._names.append(given)
        self._connection.register(given, rows)
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(schema)}")
        self._connection.execute(f"CREATE VIEW {_quoted(schema)}.{_quoted(name)} AS SELECT * FROM {given}")  # noqa: S608 - both are quoted

    def find_conditions(self, sql: str) -> tuple[str, tuple[Condition | Group, ...]]:
        """Give the table of a query, and conditions that all rows meet which it can need; before the first query."""
        return find_conditions(self._connection, sql)

    def select(self, sql: str, *, seconds: float, of_seconds: float | None = None) -> Iterator[pa.RecordBatch]:
        """Run a query and give its rows as they come; the first part has none, and tells the columns.

        Parameters
        ----------
        sql : str
        seconds : float
            After so long, the reading of the rows included, it is stopped.
        of_seconds : float, optional
            The limit that is told then, of which some may have been used before.

        Raises
        ------
        SqlRefusedError
            It is not one SELECT.
        SqlExhaustedError
            It took too long, or more memory than there is.
        SqlError
            It cannot be run for another reason.
        """
        if not self._locked:
            self._connection.execute("SET lock_configuration = true")
            self._locked = True
        until = time.monotonic() + seconds
        late = f"the query took longer than {seconds if of_seconds is None else of_seconds:g} s"
        timer = threading.Timer(seconds, self._connection.interrupt)
        timer.daemon = True
        timer.start()
        try:
            relation = self._connection.sql(self._only_select(sql))
            reader = relation.to_arrow_reader(_BATCH_ROWS)
            yield pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in reader.schema.types], schema=reader.schema)
            for batch in reader:
                yield batch
                if time.monotonic() > until:
                    raise SqlExhaustedError(late)
        except duckdb.InterruptException as error:
            raise SqlExhaustedError(late) from error
        except duckdb.OutOfMemoryException as error:
            raise SqlExhaustedError("the query needs more memory than there is for it") from error
        except (duckdb.Error, pa.ArrowException) as error:
            if time.monotonic() > until:
                raise SqlExhaustedError(late) from error
            raise SqlError(str(error)) from error
        finally:
            timer.cancel()

    def _only_select(self, sql: str) -> duckdb.Statement:
        statements = self._connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type is not duckdb.StatementType.SELECT:
            raise SqlRefusedError("only one SELECT can be run")
        return statements[0]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
