"""Measures the data layer beside the bare libraries: ``python -m tests.bench.data [ROWS]``.

An emulated S3 and Glue run in a process of their own, so that their work and memory are not counted as ours.
"""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

from tests.bench.measure import Measured, run
from tests.bench.rows import write_rows

BUCKET = "bench"
ROUNDS = 3


def main(rows: int = 1_000_000) -> int:
    """Print the measurements side by side; returns 1 when a goal is missed."""
    with tempfile.TemporaryDirectory() as folder, emulated_aws():
        plain = Path(folder, "rows.csv")
        write_rows(plain, rows)
        packed = plain.with_suffix(".csv.gz")
        with plain.open("rb") as source, gzip.open(packed, "wb", compresslevel=6) as out:
            shutil.copyfileobj(source, out, 1 << 20)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        for path in (plain, packed):
            s3.upload_file(str(path), BUCKET, path.name)
        # Turn by turn, so that a busy moment of the machine meets both.
        turns = [
            (run("bare pyarrow -> PyIceberg", "tests.bench.bare", BUCKET, str(plain)),
             run("jobruns index + commit", "tests.bench.engine", BUCKET, plain.name))
            for _ in range(ROUNDS)
        ]  # fmt: skip
        bare, ours = (_fastest([turn[i] for turn in turns]) for i in range(2))
        unpacking = run("jobruns index + commit, gzip", "tests.bench.engine", BUCKET, packed.name, "gzip")
    for measured in (bare, ours, unpacking):
        print(measured)  # noqa: T201 - this is what it is for
    ratio = ours.rows_per_second / bare.rows_per_second
    peak = max(ours.peak_bytes, unpacking.peak_bytes)
    print(f"ours / bare: {ratio:.2f} (goal 0.40)   peak {peak / 1e6:.0f} MB (goal 512)")  # noqa: T201 - as above
    return 0 if ratio >= 0.4 and peak < 512_000_000 else 1


def _fastest(measured: list[Measured]) -> Measured:
    # What disturbs a measurement only ever adds to it.
    return min(measured, key=lambda m: m.seconds)


@contextmanager
def emulated_aws() -> Iterator[str]:
    """Serve an empty AWS and point the environment of this process and its children at it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {
        "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    before = dict(os.environ)
    try:
        os.environ.update(environment)
        _wait_for(port, server)
        yield url
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.terminate()
        server.wait(10)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if server.poll() is not None:
            raise RuntimeError(f"the emulated AWS ended with status {server.returncode}")
        time.sleep(0.1)
    raise RuntimeError("the emulated AWS did not start within 30 s")


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
