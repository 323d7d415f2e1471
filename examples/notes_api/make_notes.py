"""Fill an empty database with a notebook: the same documents on every run.

    python make_notes.py --db-url mongodb://127.0.0.1:27017 --db-name notes

Tests can count on these: the authors `ada` and `ben`; the note "Groceries" (tags home and list,
revision 3), which is 65f0c1000000000000000001; `list` is the tag of that note alone.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

SUBJECTS = ("Boiler", "Bicycle", "Budget", "Garden", "Holiday", "Insurance", "Piano", "Roof")
WORDS = ("call", "order", "compare", "measure", "pay", "ask about", "clean", "sell")
TAGS = ("home", "work", "someday", "urgent")
BEGAN = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def make_notes(database: Database[dict[str, Any]], *, seed: int = 7) -> int:
    """Fill the database, and return how many notes it has then."""
    if database.list_collection_names():
        raise ValueError(f"{database.name} is not empty")
    chance = random.Random(seed)
    notes = [_note(1, "ada", "Groceries", "Milk, bread", ["home", "list"], 3, BEGAN)]
    for number in range(2, 31):
        title = f"{chance.choice(SUBJECTS)} {number}"
        body = ", ".join(f"{word} it" for word in chance.sample(WORDS, k=3))
        tags = sorted(chance.sample(TAGS, k=chance.randint(1, 2)))
        at = BEGAN + timedelta(hours=7 * number, minutes=chance.randint(0, 59))
        author = chance.choice(("ada", "ben"))
        notes.append(_note(number, author, title, body, tags, chance.randint(1, 4), at))
    database.create_collection(
        "notes",
        validator={"$jsonSchema": {"required": ["author", "title", "tags", "revision"]}},
    )
    database.notes.create_index("tags")
    database.notes.insert_many(notes)
    database.authors.insert_many([{"_id": "ada", "name": "Ada"}, {"_id": "ben", "name": "Ben"}])
    used = Counter(tag for note in notes for tag in note["tags"])
    database.tags.insert_many([{"_id": tag, "notes": used[tag]} for tag in sorted(used)])
    database.create_collection("archive")
    return len(notes)


def _note(
    number: int, author: str, title: str, body: str, tags: list[str], revision: int, at: datetime
) -> dict[str, Any]:
    return {
        "_id": ObjectId(f"65f0c1{number:018x}"),
        "author": author,
        "title": title,
        "body": body,
        "tags": tags,
        "revision": revision,
        "created_at": at,
        "updated_at": at + timedelta(days=revision - 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Fill an empty database with a notebook.")
    parser.add_argument("--db-url", default="mongodb://127.0.0.1:27017")
    parser.add_argument("--db-name", default="notes")
    options = parser.parse_args()
    with MongoClient[dict[str, Any]](options.db_url) as client:
        try:
            print(make_notes(client[options.db_name]), "notes")
        except ValueError as error:
            sys.exit(f"make_notes: {error}")
