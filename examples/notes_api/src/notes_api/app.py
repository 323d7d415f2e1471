"""The notebook's HTTP interface."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from bson import ObjectId
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, Field
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from notes_api.settings import Settings
from notes_api.store import (
    EditConflictError,
    Notes,
    NotesError,
    UnknownAuthorError,
    UnknownNoteError,
)

STATUS = {UnknownNoteError: 404, UnknownAuthorError: 422, EditConflictError: 409}


def _checked_id(text: str) -> str:
    if not ObjectId.is_valid(text):
        raise ValueError("24 hexadecimal digits are an id")
    return text


NoteId = Annotated[str, AfterValidator(_checked_id)]


class NewNote(BaseModel):
    author: str
    title: str = Field(min_length=1)
    body: str = ""
    tags: list[str] = []


class Edit(BaseModel):
    revision: int
    body: str


class Note(BaseModel):
    id: str
    author: str
    title: str
    body: str
    tags: list[str]
    revision: int
    updated_at: datetime

    @classmethod
    def of(cls, document: dict[str, Any]) -> Note:
        return cls(id=str(document["_id"]), **document)


def create_app(database: AsyncDatabase[dict[str, Any]] | None = None) -> FastAPI:
    """Make the service on a database, or on the one that the environment names."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings = Settings.from_environment()
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(settings.mongodb_url)
        async with client:
            app.state.notes = Notes(client[settings.mongodb_database])
            yield

    app = FastAPI(title="Notes", lifespan=lifespan if database is None else None)
    if database is not None:
        app.state.notes = Notes(database)
    _add_routes(app)
    return app


def _notes(request: Request) -> Notes:
    notes: Notes = request.app.state.notes
    return notes


InNotebook = Annotated[Notes, Depends(_notes)]


def _add_routes(app: FastAPI) -> None:
    @app.exception_handler(NotesError)
    async def refuse(_: Request, error: NotesError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, STATUS[type(error)])

    @app.get("/notes")
    async def find(notes: InNotebook, tag: str | None = None) -> list[Note]:
        return [Note.of(document) for document in await notes.find(tag)]

    @app.post("/notes", status_code=201)
    async def create(notes: InNotebook, new: NewNote) -> Note:
        return Note.of(await notes.create(new.author, new.title, new.body, new.tags))

    @app.patch("/notes/{note_id}")
    async def edit(notes: InNotebook, note_id: NoteId, change: Edit) -> Note:
        return Note.of(await notes.edit(ObjectId(note_id), change.revision, change.body))

    @app.post("/notes/{note_id}/archive", status_code=204)
    async def archive(notes: InNotebook, note_id: NoteId) -> None:
        await notes.archive(ObjectId(note_id))
