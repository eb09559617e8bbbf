"""Every error that localreg raises.

Each is a `LocalregError`, and also the built-in class that callers already catch::

    LocalregError
    ├── InvalidValueError              (ValueError)    an argument that cannot be used
    │   ├── TagFilterError                             a malformed list of tags in a query
    │   ├── InvalidURLError                            a weights URL that cannot be used
    │   ├── ConfigTextError                            a configuration that cannot be read
    │   ├── InvalidEventError                          an event from elsewhere that is malformed
    │   ├── NoTaskError                                a task is needed, and none is current
    │   └── EmptyModelError                            InputModel.empty() has nothing stored
    ├── NotFoundError                  (LookupError, ValueError)
    │   ├── ModelNotFoundError
    │   ├── TaskNotFoundError
    │   ├── AliasNotFoundError
    │   └── SourceNotFoundError        (OSError)       no file where a path points
    ├── AmbiguousReferenceError        (LookupError, ValueError)   one reference, several models
    ├── ConflictError                  (ValueError)    what is there already forbids it
    │   ├── PathExistsError            (OSError)       something is where a new file should be
    │   ├── EventConflictError                         two registries disagree about an event
    │   ├── AliasConflictError                         an alias points elsewhere than expected
    │   ├── GateError                                  a model does not pass the gate of an alias
    │   ├── PublishedError                             a published model's weights are fixed
    │   ├── ModelInUseError                            a removal that would break a task
    │   └── UndoError                                  a change that cannot be undone any more
    ├── WeightsError                   (ValueError)    no local file can be given
    │   ├── NoWeightsError                             the model has no URL, or nothing is there
    │   ├── ContestedError                             it was published twice, with other weights
    │   ├── TrustError                                 no trusted key signed the weights
    │   ├── NotAPackageError                           a package was wanted
    │   ├── ArchiveError                               an archive that is broken, or unsafe
    │   ├── DownloadError              (OSError)       a server did not give what was asked for
    │   ├── UploadError                (OSError)       weights did not reach their destination
    │   ├── DigestMismatchError                        bytes differ from the expected digest
    │   └── CorruptBlobError           (OSError)       stored bytes are damaged
    ├── BundleError                    (ValueError)    a bundle that is damaged or forged
    │   └── NewerBundleError                           written by a newer localreg
    ├── SignatureError                 (ValueError)    a signature or key that does not hold
    ├── RemoteError                    (OSError)       a remote that cannot be read or written
    │   ├── RemoteChangedError                         it was replaced, or restored from a copy
    │   └── RemoteBusyError            (TimeoutError)  others write to it all the time
    ├── SourceError                    (ValueError)    records of another program, damaged or forged
    │   └── SessionError                               an offline session of ClearML
    ├── NotSupportedError              (NotImplementedError)   ClearML has it, localreg does not
    ├── NotPicklableError              (TypeError)     a handle belongs to its process
    ├── MissingPackageError            (ImportError)   a package that a call needs is not installed
    ├── TaskEndedError                 (RuntimeError)  a task that was waited for ended otherwise
    ├── QueryError                     (ValueError)    SQL of a user that cannot be run
    │   └── QueryTimeoutError          (TimeoutError)  it took too long
    ├── ExportError                    (RuntimeError)  no image of a figure can be made
    │   └── BrowserNotFoundError                       images need Chrome or Chromium
    └── RegistryError                  (OSError)       the directory or its database
        ├── NoRegistryError            (LookupError)   nothing was made there yet, or not mounted
        ├── NotARegistryError                          a foreign file, or blobs without a database
        ├── DamagedRegistryError                       the database cannot be read
        │   ├── ForeignSchemaError                     its tables are not those of localreg
        │   └── DamagedRowError                        a value in it cannot be what it should be
        ├── NewerFormatError                           written by a newer localreg
        ├── SQLiteTooOldError
        ├── ReadOnlyRegistryError                      a write to a read-only registry
        ├── ClosedRegistryError        (ValueError)
        ├── RegistryReplacedError                      removed or replaced while it was open
        ├── LockTimeoutError           (TimeoutError)  another process held a lock too long
        └── StorageError                               disk full, I/O error, no permission
            └── StorageFullError

The facts (which id, which token, which path) are attributes of the error, named in its class;
the message says what was wanted, what was found, and what to do.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.rare_errors import (
        AliasConflictError,
        AliasNotFoundError,
        AmbiguousReferenceError,
        ArchiveError,
        BrowserNotFoundError,
        BundleError,
        ConfigTextError,
        ConflictError,
        ContestedError,
        CorruptBlobError,
        DigestMismatchError,
        DownloadError,
        EventConflictError,
        ExportError,
        GateError,
        InvalidEventError,
        InvalidURLError,
        ModelInUseError,
        NewerBundleError,
        NoTaskError,
        NotSupportedError,
        PathExistsError,
        PublishedError,
        QueryError,
        QueryTimeoutError,
        RemoteBusyError,
        RemoteChangedError,
        RemoteError,
        SessionError,
        SignatureError,
        SourceError,
        SourceNotFoundError,
        TaskEndedError,
        TaskNotFoundError,
        TrustError,
        UndoError,
        UploadError,
    )

__all__ = [
    "AliasConflictError", "AliasNotFoundError", "AmbiguousReferenceError", "ArchiveError",
    "BrowserNotFoundError", "BundleError", "ClosedRegistryError", "ConfigTextError",
    "ConflictError", "ContestedError", "CorruptBlobError", "DamagedRegistryError",
    "DamagedRowError", "DigestMismatchError", "DownloadError", "EmptyModelError",
    "EventConflictError", "ExportError", "ForeignSchemaError", "GateError", "InvalidEventError",
    "InvalidURLError", "InvalidValueError", "LocalregError", "LockTimeoutError",
    "MissingPackageError", "ModelInUseError", "ModelNotFoundError", "NewerBundleError",
    "NewerFormatError", "NoRegistryError", "NoTaskError", "NoWeightsError", "NotAPackageError",
    "NotARegistryError", "NotFoundError", "NotPicklableError", "NotSupportedError",
    "PathExistsError", "PublishedError", "QueryError", "QueryTimeoutError",
    "ReadOnlyRegistryError", "RegistryError", "RegistryReplacedError", "RemoteBusyError",
    "RemoteChangedError", "RemoteError", "SQLiteTooOldError", "SessionError", "SignatureError",
    "SourceError", "SourceNotFoundError", "StorageError", "StorageFullError", "TagFilterError",
    "TaskEndedError", "TaskNotFoundError", "TrustError", "UndoError", "UploadError",
    "WeightsError",
]  # fmt: skip


class LocalregError(Exception):
    """The root of the tree.

    Args:
        message: what was wanted, what was found, what to do.
        **facts: become attributes of the error.
    """

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        for name, fact in facts.items():
            setattr(self, name, fact)

    def __reduce__(self) -> tuple[object, ...]:
        # The default would lose the facts of an OSError on the way to another process.
        return (type(self), (str(self),), dict(self.__dict__))

    def __str__(self) -> str:
        # KeyError-like bases print repr(); OSError prints errno. The message is enough.
        return str(self.args[0]) if self.args else ""


class InvalidValueError(LocalregError, ValueError):
    """An argument cannot be used; `argument` is its name."""

    argument: str


class TagFilterError(InvalidValueError):
    """A list of tags in a query is malformed; `token` is the first token that is."""

    token: object


class EmptyModelError(InvalidValueError):
    """`InputModel.empty()` stores nothing, so nothing of it can be changed or fetched."""


class NotFoundError(LocalregError, LookupError, ValueError):
    """The registry has nothing of that name or id; `reference` is what was looked for."""

    reference: str


class ModelNotFoundError(NotFoundError):
    """No such model."""


class WeightsError(LocalregError, ValueError):
    """No local file of a model's weights can be given; `model` is its id."""

    model: str


class NoWeightsError(WeightsError):
    """The model has no URL, or nothing is where its URL points."""


class NotAPackageError(WeightsError):
    """A package of files was wanted, and the model is a single file."""


class NotPicklableError(LocalregError, TypeError):
    """A handle cannot be pickled or deep-copied; `path` is the registry that it reads."""

    path: str


class MissingPackageError(LocalregError, ImportError):
    """A call needs a package that is not installed; `package` is its name."""

    package: str


class RegistryError(LocalregError, OSError):
    """The registry's directory or database cannot be used; `path` says which."""

    path: str


class NoRegistryError(RegistryError, LookupError):
    """There is no registry in the directory, and reading makes none; `path` is the directory."""


class NotARegistryError(RegistryError):
    """The directory or file is not a registry of localreg; nothing in it was changed."""


class DamagedRegistryError(RegistryError):
    """The database cannot be read; it was not changed."""


class ForeignSchemaError(DamagedRegistryError):
    """A table, index or trigger is not as localreg makes it; `name` says which one."""

    name: str


class DamagedRowError(DamagedRegistryError):
    """A value in the database cannot be what it should be: `table`, `row` and `column` say where.

    `row` is the row's key: an id, a digest, a name, or numbers. `problem` says what is wrong.
    """

    table: str
    row: str
    column: str
    problem: str


class NewerFormatError(RegistryError):
    """A newer localreg wrote this registry; it was not changed."""


class SQLiteTooOldError(RegistryError):
    """Python's SQLite is older than localreg needs."""


class ReadOnlyRegistryError(RegistryError):
    """A write to a registry that is open for reading only."""


class ClosedRegistryError(RegistryError, ValueError):
    """The registry was closed."""


class RegistryReplacedError(RegistryError):
    """The registry was removed, or another one took its place, while it was open."""


class LockTimeoutError(RegistryError, TimeoutError):
    """Another process held a lock for longer than the limit of the wait."""


class StorageError(RegistryError):
    """The operating system refused a read or a write."""


class StorageFullError(StorageError):
    """The disk, or the quota, is full."""


if not TYPE_CHECKING:  # else each wrong name would count as one of an object

    def __getattr__(name: str) -> type[LocalregError]:
        """Return a class of `rare_errors`: making them would delay the start of every program."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module("localreg.rare_errors"), name)  # a module above this one
