"""The rows that are measured: many, and the same every time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobruns.transform import Column, ColumnType, Transform

TRANSFORM = Transform(
    name="readings",
    columns=(
        Column(name="id", type=ColumnType.INT64),
        Column(name="ts", type=ColumnType.TIMESTAMP, primary=True),
        Column(name="device", type=ColumnType.STRING),
        Column(name="region", type=ColumnType.STRING),
        Column(name="status", type=ColumnType.STRING),
        Column(name="temperature", type=ColumnType.DOUBLE),
        Column(name="humidity", type=ColumnType.DOUBLE),
        Column(name="count", type=ColumnType.INT32),
        Column(name="amount_cents", type=ColumnType.INT64),
        Column(name="note", type=ColumnType.STRING),
    ),
)

_START = datetime(2024, 1, 1, tzinfo=UTC)
_REGIONS = ("af-south-1", "ca-central-1", "eu-north-1", "eu-west-3", "sa-east-1", "us-east-2")
_STATES = ("good", "late", "lost", "odd")
_WORDS = ("alder", "basil", "clove", "dill", "elder", "fennel", "ginger", "hazel", "laurel", "mint", "sage", "thyme")


def write_rows(path: Path, rows: int, *, first_id: int = 1, seed: int = 7) -> None:
    """Write a CSV file with a header; a row every seven seconds or so, one note in twenty quoted with a comma."""
    chance = random.Random(f"{seed}/{first_id}")
    with path.open("w", newline="", encoding="utf-8") as out:
        out.write(",".join(column.name for column in TRANSFORM.columns) + "\n")
        for i in range(first_id, first_id + rows):
            moment = (_START + timedelta(seconds=7 * i + chance.randrange(7))).strftime("%Y-%m-%dT%H:%M:%SZ")
            note = f"{chance.choice(_WORDS)} {chance.choice(_WORDS)}"
            if chance.randrange(20) == 0:
                note = f'"{note}, {chance.choice(_WORDS)}"'
            out.write(
                f"{i},{moment},dev-{chance.randrange(1000):04d},{chance.choice(_REGIONS)},{chance.choice(_STATES)},"
                f"{chance.random() * 60 - 10:.3f},{chance.random() * 100:.2f},{chance.randrange(100_000)},"
                f"{chance.randrange(10**9)},{note}\n"
            )
