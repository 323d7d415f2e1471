"""What the notebook does to the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo import ReturnDocument

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymongo.asynchronous.client_session import AsyncClientSession
    from pymongo.asynchronous.database import AsyncDatabase

Document = dict[str, Any]


class NotesError(Exception):
    """The notebook refused."""


class UnknownNoteError(NotesError):
    """No note has this id."""


class UnknownAuthorError(NotesError):
    """No author has this id."""


class EditConflictError(NotesError):
    """Somebody else has edited the note since it was read."""


class Notes:
    """Notes, how many have each tag, and an archive. Each call is done in full, or not at all."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self.database = database

    async def find(self, tag: str | None = None) -> list[Document]:
        wanted = {} if tag is None else {"tags": tag}
        return await self.database.notes.find(wanted).sort("created_at").to_list()

    async def create(self, author: str, title: str, body: str, tags: Iterable[str]) -> Document:
        now = datetime.now(UTC)
        note: Document = {
            "_id": ObjectId(),
            "author": author,
            "title": title,
            "body": body,
            "tags": sorted(set(tags)),
            "revision": 1,
            "created_at": now,
            "updated_at": now,
        }

        async def write(session: AsyncClientSession) -> None:
            if await self.database.authors.find_one({"_id": author}, session=session) is None:
                raise UnknownAuthorError(f"there is no author {author}")
            await self.database.notes.insert_one(note, session=session)
            await self._count(note["tags"], 1, session)

        await self._in_transaction(write)
        return note

    async def edit(self, note_id: ObjectId, revision: int, body: str) -> Document:
        """Replace the body of a note, if its revision is still the one that was read."""
        notes = self.database.notes
        edited = await notes.find_one_and_update(
            {"_id": note_id, "revision": revision},
            {"$set": {"body": body, "updated_at": datetime.now(UTC)}, "$inc": {"revision": 1}},
            return_document=ReturnDocument.AFTER,
        )
        if edited is None:
            found = await notes.find_one({"_id": note_id})
            if found is None:
                raise UnknownNoteError(f"there is no note {note_id}")
            raise EditConflictError(f"revision {found['revision']} is newer than {revision}")
        return edited

    async def archive(self, note_id: ObjectId) -> None:
        """Move a note to the archive; its tags are then used once less."""

        async def move(session: AsyncClientSession) -> None:
            note = await self.database.notes.find_one_and_delete({"_id": note_id}, session=session)
            if note is None:
                raise UnknownNoteError(f"there is no note {note_id}")
            archived = {**note, "archived_at": datetime.now(UTC)}
            await self.database.archive.insert_one(archived, session=session)
            await self._count(note["tags"], -1, session)

        await self._in_transaction(move)

    async def _count(self, tags: Iterable[str], times: int, session: AsyncClientSession) -> None:
        for tag in tags:
            await self.database.tags.update_one(
                {"_id": tag}, {"$inc": {"notes": times}}, upsert=True, session=session
            )
        await self.database.tags.delete_many({"notes": 0}, session=session)

    async def _in_transaction(self, work: Any) -> None:
        async with self.database.client.start_session() as session:
            await session.with_transaction(work)
