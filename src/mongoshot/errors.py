"""The errors of mongoshot: one root, drawn here as a tree.

    MongoshotError
    ├── UsageError                 asked in a way that cannot be done: a misspelled mode or option
    │   └── EventLoopError         asked on an event loop that it cannot be done on
    ├── InvalidBSONError           bytes that are not a BSON document
    ├── InvalidExtendedJSONError   text that is not Extended JSON
    ├── NotRepresentableError      a document that Extended JSON cannot hold exactly
    ├── SnapshotError              the files of a snapshot
    │   ├── SnapshotNotFoundError
    │   ├── SnapshotExistsError
    │   ├── SnapshotTooLargeError  a file too large for a repository
    │   ├── SnapshotDamagedError   they are not what their manifest says
    │   ├── FormatVersionError     written by a newer mongoshot
    │   ├── OverlayError           two scenarios that cannot be laid over each other
    │   ├── StepError              a step that a recording does not have
    │   ├── DumpError              what is to be imported is no whole dump, or cannot be exported
    │   └── FixturesError          files of documents that cannot be imported
    ├── TemplateError              templates, and what is to be created from them
    │   ├── TemplatesNotFoundError     also a FileNotFoundError
    │   └── NotDocumentsError          also a TypeError
    ├── ExpectationError           the file of a stored expectation
    ├── ProposalError              what a failing test proposed, and cannot be left or accepted
    ├── ServerError                the other end of the connection
    │   ├── MongodNotFoundError    no mongod to start
    │   ├── MongodFailedError      a mongod that did not start
    │   ├── UnreachableError
    │   ├── UnsupportedServerError  too old, or no MongoDB
    │   ├── AuthenticationError
    │   ├── DatabaseNotFoundError
    │   └── CommandError           the server refused a command
    ├── OwnershipError             a database that is not mongoshot's to overwrite
    │   ├── HostRefusedError
    │   ├── DatabaseRefusedError
    │   │   └── DatabaseChangedError   somebody else uses it, too
    │   └── DatabaseInUseError     another run has it
    ├── CaptureError               a capture that is not exact
    │   └── UnmaskedError          secrets that no rule covers, or fields that none names
    └── RestoreError               a restore that is not exact

Every message is one line that says what failed, what was looked at, and what to type. The command
line prints it and exits with status 2; foreign errors are translated by the one module that owns
the outside world they come from.
"""

from __future__ import annotations


class MongoshotError(Exception):
    """Stand at the root of every error that mongoshot raises on purpose."""


class UsageError(MongoshotError):
    """Report a request that cannot be done as it was asked."""


class EventLoopError(UsageError):
    """Report that an asynchronous client was used on a loop that is not its own."""


class InvalidBSONError(MongoshotError):
    """Report bytes that are not a BSON document, with the offset where they stop being one."""


class InvalidExtendedJSONError(MongoshotError):
    """Report text that is not MongoDB Extended JSON, with what is wrong in it."""


class NotRepresentableError(MongoshotError):
    """Report a document that Extended JSON cannot hold exactly, with the path and the reason."""


class SnapshotError(MongoshotError):
    """Report a problem with the files of a snapshot."""


class SnapshotNotFoundError(SnapshotError):
    """Report a scenario or directory that is not there, with the nearest names."""


class SnapshotExistsError(SnapshotError):
    """Report a snapshot that is already there and was not to be replaced."""


class SnapshotTooLargeError(SnapshotError):
    """Report a file that would be larger than it may be."""


class SnapshotDamagedError(SnapshotError):
    """Report files that are not what the snapshot's manifest says."""


class FormatVersionError(SnapshotError):
    """Report a format version that this mongoshot does not know."""


class OverlayError(SnapshotError):
    """Report scenarios that cannot be laid over each other."""


class StepError(SnapshotError):
    """Report a step that a scenario does not have."""


class DumpError(SnapshotError):
    """Report a dump that cannot be imported, or a snapshot that cannot be exported as one."""


class FixturesError(SnapshotError):
    """Report files of documents, as of pytest-mongodb, that cannot be imported."""


class TemplateError(MongoshotError):
    """Report a template, or a document to be created from one, with the file or the field."""


class TemplatesNotFoundError(TemplateError, FileNotFoundError):
    """Report a directory of templates that is not there: what pytest-scenarios raises is above."""


class NotDocumentsError(TemplateError, TypeError):
    """Report what should be documents and is not: what pytest-scenarios raises is above."""


class ExpectationError(MongoshotError):
    """Report an expectation file that cannot be believed."""


class ProposalError(MongoshotError):
    """Report a proposal that cannot be left, believed or accepted."""


class ServerError(MongoshotError):
    """Report a problem at the other end of the connection."""


class MongodNotFoundError(ServerError):
    """Report that there is no mongod to start, with every place looked at."""


class MongodFailedError(ServerError):
    """Report a mongod that did not start, with the end of its log."""


class UnreachableError(ServerError):
    """Report a server that does not answer, or a connection that was lost."""


class UnsupportedServerError(ServerError):
    """Report a server that is too old, or that is no MongoDB, with what it is."""


class AuthenticationError(ServerError):
    """Report credentials that the server does not accept."""


class DatabaseNotFoundError(ServerError):
    """Report a database that the server does not have, with the nearest names."""


class CommandError(ServerError):
    """Report a command that the server refused."""


class OwnershipError(MongoshotError):
    """Report a database that is not mongoshot's to overwrite."""


class HostRefusedError(OwnershipError):
    """Report a server that is not on this machine and was not allowed by name."""


class DatabaseRefusedError(OwnershipError):
    """Report a database that mongoshot did not create and that nobody adopted."""


class DatabaseChangedError(DatabaseRefusedError):
    """Report a database of mongoshot's that somebody else uses, too, with what they did."""


class DatabaseInUseError(OwnershipError):
    """Report a database that another run writes to at this time, with who that is."""


class CaptureError(MongoshotError):
    """Report a capture that could not be exact."""


class UnmaskedError(CaptureError):
    """Report what no masking rule covers and must not be written, with paths and no values."""


class RestoreError(MongoshotError):
    """Report a restore that could not be exact, with the namespace and the `_id`."""
