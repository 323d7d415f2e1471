"""What the collections of a database weigh, as the server knows it without reading them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure

from mongoshot.server.connection import Database, collection_of, translated
from mongoshot.snapshot.model import Definition


@dataclass(frozen=True, slots=True)
class Weight:
    """Hold how many documents a collection has, and their size in bytes as BSON.

    None stands for what this user may not know.
    """

    documents: int | None
    bytes: int | None


def weigh_collections(
    database: Database, definitions: Mapping[str, Definition]
) -> dict[str, Weight]:
    """Ask for the size of each collection but the views; a round trip each.

    The buckets of a time series count as its documents.
    https://www.mongodb.com/docs/manual/reference/operator/aggregation/collStats/
    """
    weights = {}
    for name, definition in definitions.items():
        if definition.data_name is not None:
            with translated(f"weigh {database.name}.{name}"):
                weights[name] = _weigh(database, definition.data_name)
    return weights


def _weigh(database: Database, name: str) -> Weight:
    buckets, size = "$storageStats.timeseries.bucketCount", "$storageStats.size"
    stages: list[dict[str, Any]] = [
        {"$collStats": {"storageStats": {}}},
        # One of each shard.
        {"$project": {"n": {"$ifNull": [buckets, "$storageStats.count"]}, "size": size}},
        {"$group": {"_id": None, "n": {"$sum": "$n"}, "size": {"$sum": "$size"}}},
    ]
    try:
        [found] = collection_of(database, name).aggregate(stages)
    except (OperationFailure, ValueError):  # not allowed to, or dropped meanwhile
        return Weight(None, None)
    return Weight(found["n"], found["size"])
