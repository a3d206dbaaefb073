"""Reading the stream of a table.

moto keeps every record, with both images of the item, as long as it lives. Here who reads a stream leaves its last
records only; where the stream begins moves on, as it does in AWS after a day.
"""

from typing import Any

from moto.dynamodb.models import dynamodb_backends

from local.intrinsics import REGION

KEPT = 1_000
"""Records of a stream that can still be read once they have been."""


def read(account: str, table: str, position: int) -> tuple[list[dict[str, Any]], int]:
    """Read the records from a position on. Whoever calls holds the lock of requests to DynamoDB.

    Parameters
    ----------
    account, table : str
        Whose table, and its name.
    position : int
        A sequence number; 0 is where the stream begins.

    Returns
    -------
    list of dict, int
        The records, and the position behind the last one.
    """
    shard = dynamodb_backends[account][REGION].get_table(table).stream_shard
    if shard is None:
        return [], position
    records = [item.to_json() for item in shard.items[max(0, position - shard.starting_sequence_number) :]]
    surplus = max(0, len(shard.items) - KEPT)
    # The number of each record follows from the first one's.
    del shard.items[:surplus]
    shard.starting_sequence_number += surplus
    return records, shard.starting_sequence_number + len(shard.items)
