"""The addresses that a cluster gives for its shards."""

from __future__ import annotations

from mongoshot.server.hosts import hosts_of_shards


def test_hosts_of_shards() -> None:
    """As https://www.mongodb.com/docs/manual/reference/command/listShards/ shows a reply."""
    listed = [
        {"_id": "shard01", "host": "shard01/localhost:27018,db.example.com:27019", "state": 1},
        {"_id": "shard02", "host": "127.0.0.1:27020", "state": 1},
    ]
    assert hosts_of_shards(listed) == {
        "localhost:27018",
        "db.example.com:27019",
        "127.0.0.1:27020",
    }
