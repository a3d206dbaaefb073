"""How keys are spelled: the only module that composes or reads a key of the ledger table.

=====================  ==========================================  =======================================
partition              sort                                        item
=====================  ==========================================  =======================================
``ORG#o#JOB#j``        ``JOB``                                     the job's definition
``ORG#o#JOB#j``        ``SLOTS``                                   unfinished runs of a limited job
``ORG#o#JOB#j``        ``QUEUE#<run>``                             a run waiting for a slot, oldest first
``ORG#o#JOB#j``        ``RUN#<run>``                               a run; ids sort by time
``ORG#o#JOB#j``        ``BOOKMARK``                                the job's bookmark, and which run commits by it
``ORG#o#JOB#j``        ``BOOKMARK#<run>``                          the bookmark as it was at the end of that run
``ORG#o#RUN#r``        ``REF``                                     which job the run belongs to
``ORG#o#RUN#r``        ``ATTEMPT#<number>``                        which run is that automatic retry of the run
``ORG#o#RUN#r``        ``EVENT#<sequence>``                        the run's history
``ORG#o#RUN#r``        ``UNIT#<number>``                           a unit of work of the run
``ORG#o#RUN#r``        ``FILE#<path>``                             a file of the run
``ORG#o#ROOT#scope``   ``<name>#<path>``                           which run has its files there
``ORG#o#SYNC#k``       ``STATE``                                   the state of a tap, by a key of a door's choosing
``ORG#o#DOC#c``        ``<document id>``                           a document of a door
``ORG#o#NAME#scope``   ``<name>``                                  who has the name
``ORG#o#NUMBERS``      ``<number>``                                which run has the number, of 10 digits
``ORG#o#COUNTER``      ``RUN``                                     the last number that was given out
``ORG#o#JOBS``         ``<job>``                                   the org's jobs by name
``ORG#o#TOKEN#t``      ``START``                                   which run a caller's token started, for a while
``ORG#o#TRIGGERS``     ``<trigger>``                               a trigger
``ORG#o#WATCHED#j``    ``<trigger>``                               a trigger that must hear of the job's runs
``ORG#o#HEARD#r``      ``<trigger>``                               the trigger has heard how the run ended
``KEY#k``              ``KEY``                                     an access key
``KEYS``               ``<key id>``                                all access keys
``USER#u``             ``USER``                                    a user; its name is nobody else's in the stack
``ORG#o#USERS``        ``<user>``                                  the org's users by name
``ORG#o#ROLES``        ``<role>``                                  a role of the org's own
``ORG#o#HEADCOUNT``    ``HEADCOUNT``                               how many users and roles the org has
``CLAIM#o#t``          ``<object>``                                which run loads an uploaded object
``SENT#o#e#<shard>``   ``<delivery>``                              something told to an endpoint; ids sort by time
``SENT#o#e``           ``QUIET#<topic>#<job>``                     what was told of a job last, and for how long
=====================  ==========================================  =======================================

Indexes (all project keys only, so that progress and heartbeats never write to one): ``gsi_due`` has the unfinished
runs by the time somebody must look at them, in `DUE_SHARDS` partitions, and in one more the triggers whose schedule has
yet to be written or removed; ``gsi_time`` an org's runs by their start;
``gsi_state`` the same by state.

Two more are local to a job's partition, so that they can be read consistently: ``lsi_start`` and ``lsi_end`` have the
runs with a number by how they ended and by their start or end, with as much of each as a list shows. The price is
DynamoDB's: a partition with local indexes holds 10 GB, which is some five million runs of a job.

The counter has a partition to itself: it is written with every run that begins, and a partition takes 1,000 such
writes a second. The numbers' own partition takes half as many, as they are written in transactions.
"""

import zlib
from datetime import UTC, datetime

DUE_SHARDS = 4
"""A partition takes 1,000 writes a second; four of them leave room for several hundred starts a second."""

DELIVERY_SHARDS = 4
"""For the same reason: each delivery is written three times."""


def job_pk(org: str, job: str) -> str:
    """Partition of a job and its runs."""
    return f"ORG#{org}#JOB#{job}"


def jobs_pk(org: str) -> str:
    """Partition of the org's list of jobs."""
    return f"ORG#{org}#JOBS"


def run_pk(org: str, run_id: str) -> str:
    """Partition of what belongs to one run."""
    return f"ORG#{org}#RUN#{run_id}"


def run_sk(run_id: str) -> str:
    """Sort key of a run in its job's partition."""
    return f"RUN#{run_id}"


def attempt_sk(attempt: int) -> str:
    """Sort key of the name of a run's automatic retry."""
    return f"ATTEMPT#{attempt:04d}"


def token_pk(org: str, digest: str) -> str:
    """Partition of a caller's token."""
    return f"ORG#{org}#TOKEN#{digest}"


def queue_sk(run_id: str) -> str:
    """Sort key of a waiting run's place in the queue."""
    return f"QUEUE#{run_id}"


def bookmark_sk(run_id: str | None = None) -> str:
    """Sort key of a job's bookmark, or of what it was at the end of a run."""
    return "BOOKMARK" if run_id is None else f"BOOKMARK#{run_id}"


def event_sk(sequence: int, ignored: str | None = None) -> str:
    """Sort key of a run event; several ignored ones may share the sequence they met."""
    return f"EVENT#{sequence:08d}" + (f"#{ignored}" if ignored else "")


def file_sk(path: str) -> str:
    """Sort key of a file of a run."""
    return f"FILE#{path}"


def roots_pk(org: str, scope: str) -> str:
    """Partition of the places that the files of a scope's runs lie in."""
    return f"ORG#{org}#ROOT#{scope}"


def root_sk(name: str, path: str = "") -> str:
    """Sort key of a place; without its path the beginning that all of the name have."""
    return f"{name}#{path}"


def sync_state_pk(org: str, key: str) -> str:
    """Partition of the state of a tap."""
    return f"ORG#{org}#SYNC#{key}"


def sync_state_sk() -> str:
    """Sort key of the state of a tap."""
    return "STATE"


def unit_sk(number: int) -> str:
    """Sort key of a unit."""
    return f"UNIT#{number:06d}"


def document_pk(org: str, collection: str) -> str:
    """Partition of a collection."""
    return f"ORG#{org}#DOC#{collection}"


def name_pk(org: str, scope: str) -> str:
    """Partition of the names taken in a scope."""
    return f"ORG#{org}#NAME#{scope}"


def triggers_pk(org: str) -> str:
    """Partition of an org's triggers."""
    return f"ORG#{org}#TRIGGERS"


def watched_pk(org: str, job: str) -> str:
    """Partition of the triggers that must hear of a job's runs."""
    return f"ORG#{org}#WATCHED#{job}"


def heard_pk(org: str, run_id: str) -> str:
    """Partition of the triggers that have heard how a run ended."""
    return f"ORG#{org}#HEARD#{run_id}"


def due_triggers_pk() -> str:
    """Index partition of the triggers somebody must look at."""
    return "DUE#TRIGGERS"


def key_pk(key_id: str) -> str:
    """Partition of an access key."""
    return f"KEY#{key_id}"


def user_pk(name: str) -> str:
    """Partition of a user."""
    return f"USER#{name}"


def users_pk(org: str) -> str:
    """Partition of the list of an org's users."""
    return f"ORG#{org}#USERS"


def roles_pk(org: str) -> str:
    """Partition of an org's own roles."""
    return f"ORG#{org}#ROLES"


def headcount_pk(org: str) -> str:
    """Partition of the number of an org's users and roles."""
    return f"ORG#{org}#HEADCOUNT"


def claim_pk(org: str, table: str) -> str:
    """Partition of the objects claimed for a table."""
    return f"CLAIM#{org}#{table}"


def delivery_pk(org: str, endpoint_id: str, delivery_id: str) -> str:
    """Partition of a delivery."""
    return delivery_shard_pk(org, endpoint_id, zlib.crc32(delivery_id.encode()) % DELIVERY_SHARDS)


def delivery_shard_pk(org: str, endpoint_id: str, shard: int) -> str:
    """Partition number `shard` of the deliveries to an endpoint."""
    return f"SENT#{org}#{endpoint_id}#{shard}"


def endpoint_pk(org: str, endpoint_id: str) -> str:
    """Partition of what is remembered of an endpoint."""
    return f"SENT#{org}#{endpoint_id}"


def quiet_sk(topic: str, job: str) -> str:
    """Sort key of what was told of a job last."""
    return f"QUIET#{topic}#{job}"


def due_pk(run_id: str) -> str:
    """Index partition of an unfinished run."""
    return due_shard_pk(zlib.crc32(run_id.encode()) % DUE_SHARDS)


def due_shard_pk(shard: int) -> str:
    """Index partition number `shard`."""
    return f"DUE#{shard}"


def time_pk(org: str) -> str:
    """Index partition of an org's runs."""
    return f"ORG#{org}#TIME"


def state_pk(org: str, state: str) -> str:
    """Index partition of an org's runs in one state."""
    return f"ORG#{org}#STATE#{state}"


def numbers_pk(org: str) -> str:
    """Partition of the numbers of an org's runs."""
    return f"ORG#{org}#NUMBERS"


def counter_pk(org: str) -> str:
    """Partition of the counter that gives the numbers out."""
    return f"ORG#{org}#COUNTER"


def number_sk(number: int) -> str:
    """Spell a number so that text order is the order of numbers."""
    return f"{number:010d}"


def instant(at: datetime) -> str:
    """Spell a time so that text order is time order: UTC, microseconds, always the same width."""
    # isoformat pads years before 1000, which strftime does not everywhere.
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment_sk(at: datetime, number: int | None, run_id: str) -> str:
    """Sort key of an org's run by a time, among those of the same time by number; made unique by the run id."""
    return f"{instant(at)}#{number_sk(number or 0)}#{run_id}"


NEVER = "~"
"""Stands for the end of what has none yet: after all dates, and so the other way round before all."""


def course(outcome: str, *, counts: bool) -> str:
    """Say under which word a job's indexes keep a run: that of its outcome, apart for runs that do not count."""
    return outcome if counts else f"aside-{outcome}"


def course_sk(course: str, at: datetime | None, number: int) -> str:
    """Sort key of a job's run by what became of it and a time, among those of the same time by number."""
    return f"{course}#{point(at, number)}"


def point(at: datetime | None, number: int) -> str:
    """Say where a run is among others by a time."""
    return f"{instant(at) if at else NEVER}#{number_sk(number)}"
