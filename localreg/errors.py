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


class InvalidURLError(InvalidValueError):
    """A weights URL is neither a path nor a URL that can be used."""


class ConfigTextError(InvalidValueError):
    """A configuration cannot be read as a dict, or a dict cannot be stored as text."""


class InvalidEventError(InvalidValueError):
    """An event that came from another registry is malformed; `event_id` is its id."""

    event_id: str


class NoTaskError(InvalidValueError):
    """An output model belongs to a task; none was given, and none is current."""


class EmptyModelError(InvalidValueError):
    """`InputModel.empty()` stores nothing, so nothing of it can be changed or fetched."""


class NotFoundError(LocalregError, LookupError, ValueError):
    """The registry has nothing of that name or id; `reference` is what was looked for."""

    reference: str


class ModelNotFoundError(NotFoundError):
    """No such model."""


class TaskNotFoundError(NotFoundError):
    """No such task."""


class AliasNotFoundError(NotFoundError):
    """No such alias."""


class SourceNotFoundError(NotFoundError, OSError):
    """There is no file at the given path."""


class AmbiguousReferenceError(LocalregError, LookupError, ValueError):
    """A reference names several models; `hits` are their ids."""

    reference: str
    hits: tuple[str, ...]


class ConflictError(LocalregError, ValueError):
    """What is there already, mostly in the registry, forbids the change."""


class UndoError(ConflictError):
    """A change cannot be undone, or was replaced since; `event` is the id of its event."""

    event: str


class PathExistsError(ConflictError, OSError):
    """Something exists where a new file or folder should be written; `path` says where."""

    path: str


class EventConflictError(ConflictError):
    """An event that came is here with other content, or in another order; `event_id` is its id."""

    event_id: str


class AliasConflictError(ConflictError):
    """An alias does not point where `expect` said; `found` is the id it points to, or None."""

    alias: str
    found: str | None


class GateError(ConflictError):
    """A model does not pass the gate of an alias; `missing` says what it lacks."""

    alias: str
    missing: tuple[str, ...]


class PublishedError(ConflictError):
    """Weights, configuration and labels of a published model are fixed; `model` is its id."""

    model: str


class ModelInUseError(ConflictError):
    """A model is not removed while a task needs it; `model` is its id."""

    model: str


class WeightsError(LocalregError, ValueError):
    """No local file of a model's weights can be given; `model` is its id."""

    model: str


class NoWeightsError(WeightsError):
    """The model has no URL, or nothing is where its URL points."""


class ContestedError(WeightsError):
    """A model was published twice, with different content, in registries that did not meet.

    `publications` are the ids of these events.
    """

    publications: tuple[str, ...]


class TrustError(WeightsError):
    """The registry gives out signed weights only, and no trusted key signed these."""


class NotAPackageError(WeightsError):
    """A package of files was wanted, and the model is a single file."""


class ArchiveError(WeightsError):
    """An archive is broken, unsafe or beyond the limits; `path` and `member` say where."""

    path: str
    member: str | None


class DownloadError(WeightsError, OSError):
    """A download failed; `url` is shown without its secrets, `status` is that of HTTP or None."""

    url: str
    status: int | None


class UploadError(WeightsError, OSError):
    """Weights did not reach their destination; `urls` are where they should have gone."""

    urls: tuple[str, ...]


class DigestMismatchError(WeightsError):
    """Bytes differ from the digest that was given or recorded; `wanted` and `found` are sha256."""

    wanted: str
    found: str


class CorruptBlobError(WeightsError, OSError):
    """Stored bytes are damaged: they differ from their digest; `digest` and `path` say which."""

    digest: str
    path: str


class BundleError(LocalregError, ValueError):
    """A bundle, or a part of one, is damaged or forged; `part` says what of it is wrong."""

    part: str


class NewerBundleError(BundleError):
    """A newer localreg wrote the bundle: its format is `found`, and the highest known `known`."""

    found: int
    known: int


class SignatureError(LocalregError, ValueError):
    """A signature, or a key, is not what it should be; `reason` says why."""

    reason: str


class RemoteError(LocalregError, OSError):
    """A remote cannot be read, or does not take what is written; `remote` is its URL."""

    remote: str


class RemoteChangedError(RemoteError):
    """A remote is not what it was: it was replaced, or restored from an older copy."""


class RemoteBusyError(RemoteError, TimeoutError):
    """Others wrote to a remote all the time, or delete what must be sent; try later."""


class SourceError(LocalregError, ValueError):
    """What another program recorded is damaged or forged, or cannot be kept.

    `file` names its file, and `line` the line of it, counted from 1; None if it is not in a line.
    """

    file: str
    line: int | None


class SessionError(SourceError):
    """An offline session of ClearML is damaged or forged."""


class NotSupportedError(LocalregError, NotImplementedError):
    """A part of ClearML that localreg does not have was used; `name` is what ClearML calls it."""

    name: str


class TaskEndedError(LocalregError, RuntimeError):
    """A task that was waited for has another status; `task_id`, `status`."""

    task_id: str
    status: str


class NotPicklableError(LocalregError, TypeError):
    """A handle cannot be pickled or deep-copied; `path` is the registry that it reads."""

    path: str


class MissingPackageError(LocalregError, ImportError):
    """A call needs a package that is not installed; `package` is its name."""

    package: str


class QueryError(LocalregError, ValueError):
    """SQL that a user wrote cannot be run, or does not only read."""


class QueryTimeoutError(QueryError, TimeoutError):
    """SQL that a user wrote took longer than its time limit."""


class ExportError(LocalregError, RuntimeError):
    """No image of a figure can be made; `title` says of which."""

    title: str | None


class BrowserNotFoundError(ExportError):
    """Images of figures are drawn by Chrome or Chromium, and neither was found."""


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
