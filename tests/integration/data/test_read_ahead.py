"""Small files are there before their turn, and nothing comes out differently for it."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

from jobruns_data import ahead
from jobruns_data.ahead import ReadAhead
from jobruns_data.aws import s3_client
from jobruns_data.direct import DirectReader
from jobruns_data.errors import UnreadableFileError
from jobruns_data.source import ObjectStream
from jobruns_data.units import SourceFile, UnitResult
from tests.integration.data.lakes import LANDING, WORK, Faults, Lake

HEADER = "ts,id,note\n"


def some_files(lake: Lake, chance: random.Random) -> list[SourceFile]:
    """Put files of which some are empty, bad in places, large, gone, changed or unreadable."""
    files = []
    for number in range(30):
        rows = "".join(f"2024-0{chance.randint(1, 3)}-01T00:00:00Z,{i},n\n" for i in range(chance.randint(0, 30)))
        bad = chance.choice(["", "", "", "x,1,bad\n", "short\n"])
        head = chance.choice([HEADER, HEADER, "ts,note,id\n", "id,ts,note\n"])
        file = lake.put(f"{chance.random()}/{number} ü+#?&%.csv", chance.choice(["", head + rows + bad, head + bad]))
        files.append(file)
    files.append(lake.put("large", HEADER + "2024-01-01T00:00:00Z,1,nnnnnnnnnnnnnnnnnnnn\n" * 30_000))
    chance.shuffle(files)
    return files


def outcome(lake: Lake, result: UnitResult) -> tuple[Any, ...]:
    """Tell everything of a result but the names of its files, which are random."""
    written = sorted((file.partition, file.record_count, file.lower_bounds[1]) for file in result.data_files)
    rejects = [s3_client().get_object(Bucket=WORK, Key=key)["Body"].read() for key in lake.keys(WORK)]
    return result.model_copy(update={"data_files": ()}), written, rejects


@pytest.mark.parametrize("seed", range(3))
def test_the_result_is_the_same_however_many_files_are_read_ahead(
    lake: Lake, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    files = some_files(lake, chance)
    if seed == 2:
        files[5] = files[5].model_copy(update={"etag": '"changed"'})
        files[9] = files[9].model_copy(update={"key": "gone"})
        files[12] = lake.put("not UTF-8", b"\xff\n")
    streamed = outcome(lake, lake.index(*files, read_ahead=0))
    assert bool(streamed[0].failed) == (seed == 2)
    for read_ahead in (1, 3, 100):
        assert outcome(lake, lake.index(*files, read_ahead=read_ahead)) == streamed
    monkeypatch.setattr(ahead, "HELD_BYTES", 500)
    assert outcome(lake, lake.index(*files, read_ahead=8)) == streamed


def test_several_small_files_are_fetched_at_once_and_a_large_one_is_not(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [lake.put(f"{i}", b"x" * 10) for i in range(4)]
    large = lake.put("large", b"x" * (ahead.SMALL_BYTES + 1))
    together = threading.Barrier(4, timeout=20)
    asked: list[str] = []

    def meet(_: Any, file: SourceFile, limit: int) -> bytes:
        asked.append(file.key)
        together.wait()
        return b"x" * 10

    monkeypatch.setattr(DirectReader, "get", meet)
    with ReadAhead([*files, large], 4) as opened:
        read = {file.key: len(stream.readall() or b"") for file, stream in opened}
    assert read == {"0": 10, "1": 10, "2": 10, "3": 10, "large": ahead.SMALL_BYTES + 1}
    assert sorted(asked) == ["0", "1", "2", "3"]


def test_what_is_held_is_bounded_in_bytes(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[SourceFile] = []
    monkeypatch.setattr(ObjectStream, "fetch", lambda stream, *_: fetched.append(stream._file))
    files = [SourceFile(bucket=LANDING, key=f"{i}", size=ahead.SMALL_BYTES) for i in range(100)]
    with ReadAhead(files, 15) as opened:
        for taken, _ in enumerate(opened, 1):
            held = sum(file.size for file in fetched[taken - 1 :])
            assert held <= ahead.HELD_BYTES
    assert len(fetched) == 100


def test_a_file_that_was_not_asked_for_in_the_end_leaves_nothing_behind(lake: Lake) -> None:
    files = [lake.put(f"{i}", b"x" * 10) for i in range(40)]
    before = threading.active_count()
    with ReadAhead(files, 8) as opened:
        next(iter(opened))
    assert threading.active_count() == before


def test_a_file_larger_than_it_was_listed_is_read_to_its_end(lake: Lake) -> None:
    text = HEADER + "2024-01-01T00:00:00Z,1,nnnnnnnnnnnnnnnnnnnn\n" * 60_000
    file = lake.put("a", text).model_copy(update={"size": 5})
    result = lake.index(file, read_ahead=8)
    assert (result.failed, result.rows_loaded, result.bytes_read) == ((), 60_000, len(text))


# Getting them directly


@pytest.fixture
def file(lake: Lake) -> SourceFile:
    return lake.put("dir//a b+ü?#&=%41.csv", b"content")


def test_an_object_is_got_in_one_request(file: SourceFile) -> None:
    reader = DirectReader(s3_client())
    assert reader.get(file, 100) == b"content"
    assert reader.get(file.model_copy(update={"etag": None}), 100) == b"content"


def test_the_version_that_was_listed_is_got(lake: Lake) -> None:
    s3_client().put_bucket_versioning(Bucket=LANDING, VersioningConfiguration={"Status": "Enabled"})
    versions = [s3_client().put_object(Bucket=LANDING, Key="v", Body=body)["VersionId"] for body in (b"1", b"2")]
    reader = DirectReader(s3_client())
    got = [reader.get(SourceFile(bucket=LANDING, key="v", size=1, version_id=version), 10) for version in versions]
    assert got == [b"1", b"2"]


def test_an_object_that_is_gone_changed_or_too_large_is_left_to_the_client(file: SourceFile) -> None:
    reader = DirectReader(s3_client())
    assert reader.get(file.model_copy(update={"key": "gone"}), 100) is None
    assert reader.get(file.model_copy(update={"etag": '"other"'}), 100) is None
    assert reader.get(file, 6) is None
    assert reader.get(file, 7) == b"content"


@pytest.fixture
def answers() -> Iterator[list[Any]]:
    """Answer what is sent directly with these, in order; moto answers everything else."""
    given: list[Any] = []

    def answer(request: Any, **_: Any) -> Any:
        if given and "User-Agent" not in request.headers:
            made = given.pop(0)
            if isinstance(made, Exception):
                raise made
            return made
        return None

    s3_client().meta.events.register_first("before-send.s3.GetObject", answer)
    yield given
    s3_client().meta.events.unregister("before-send.s3.GetObject", answer)


class Body:
    """What urllib3 gives, as far as it is used."""

    def __init__(self, content: bytes) -> None:
        self.read = lambda: content
        self.close = lambda: None


@pytest.mark.parametrize(
    "refusal",
    [
        AWSResponse("", 403, {"Content-Length": "0"}, Body(b"")),
        AWSResponse("", 503, {}, Body(b"")),
        AWSResponse("", 301, {"Content-Length": "5"}, Body(b"<xml>")),
        EndpointConnectionError(endpoint_url="s3"),
        ConnectTimeoutError(endpoint_url="s3"),
    ],
)
def test_where_the_direct_way_is_barred_the_client_goes_on_alone(
    lake: Lake, answers: list[Any], faults: Faults, refusal: Any
) -> None:
    files = [lake.put(f"{i}", HEADER + f"2024-01-01T00:00:00Z,{i},n\n") for i in range(3)]
    lake.table()
    faults.seen.clear()
    answers.append(refusal)
    result = lake.index(*files, read_ahead=1)
    assert (result.failed, result.rows_loaded) == ((), 3)
    # One reads the table's metadata; and nobody tried the direct way again.
    assert faults.seen.count("GetObject") == 1 + 3


def test_content_that_breaks_off_is_asked_for_again(lake: Lake, answers: list[Any]) -> None:
    file = lake.put("a", HEADER + "2024-01-01T00:00:00Z,1,n\n")
    answers.append(AWSResponse("", 200, {"Content-Length": f"{file.size}"}, Body(HEADER.encode())))
    assert lake.index(file).rows_loaded == 1


def test_reading_anywhere_in_what_was_fetched(file: SourceFile) -> None:
    with ThreadPoolExecutor(1) as threads:
        stream = ObjectStream(file)
        stream.fetch(threads, DirectReader(s3_client()), 100)
        stream.seek(-3, 2)
        assert stream.read(10) == b"ent"
        assert stream.read(10) == b""
        stream.seek(1)
        assert stream.read(2) == b"on"
        assert (stream.tell(), stream.bytes_read) == (3, 5)


def test_what_goes_wrong_ahead_is_told_when_it_is_read(file: SourceFile) -> None:
    with ThreadPoolExecutor(1) as threads:
        stream = ObjectStream(file.model_copy(update={"etag": '"other"'}))
        stream.fetch(threads, DirectReader(s3_client()), 100)
        with pytest.raises(UnreadableFileError, match="was changed"):
            stream.read(1)
