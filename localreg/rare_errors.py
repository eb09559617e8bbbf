"""The classes of `errors` that few programs need, which are made when one is first named.

They are public in `errors`, which draws the tree of all classes and says which facts they have.
"""

from __future__ import annotations

from localreg.errors import (
    InvalidValueError,
    LocalregError,
    NotFoundError,
    WeightsError,
)

__name__ = "localreg.errors"  # their place for tracebacks and pickles


class InvalidURLError(InvalidValueError):
    """A weights URL is neither a path nor a URL that can be used."""


class ConfigTextError(InvalidValueError):
    """A configuration cannot be read as a dict, or a dict cannot be stored as text."""


class InvalidEventError(InvalidValueError):
    """An event that came from another registry is malformed; `event_id` is its id."""

    event_id: str


class NoTaskError(InvalidValueError):
    """An output model belongs to a task; none was given, and none is current."""


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


class ContestedError(WeightsError):
    """A model was published twice, with different content, in registries that did not meet.

    `publications` are the ids of these events.
    """

    publications: tuple[str, ...]


class TrustError(WeightsError):
    """The registry gives out signed weights only, and no trusted key signed these."""


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


class QueryError(LocalregError, ValueError):
    """SQL that a user wrote cannot be run, or does not only read."""


class QueryTimeoutError(QueryError, TimeoutError):
    """SQL that a user wrote took longer than its time limit."""


class ExportError(LocalregError, RuntimeError):
    """No image of a figure can be made; `title` says of which."""

    title: str | None


class BrowserNotFoundError(ExportError):
    """Images of figures are drawn by Chrome or Chromium, and neither was found."""
