"""Where a model's weights come from: what the user says about them, checked, and their record."""

from __future__ import annotations

from localreg import log
from localreg.errors import InvalidValueError
from localreg.store.events.change import Change
from localreg.store.rows import model_rows
from localreg.values.checks import shown
from localreg.values.frameworks import infer_framework
from localreg.values.frozen import Frozen
from localreg.values.records import WeightsRecord
from localreg.values.urls import WeightsURL, is_sha256, safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.weights.sources import Held


class Origin(Frozen, kw_only=True):
    """Where a model's weights come from, for its record.

    Attributes:
        url: the full URL; None if only the registry has the weights.
        public: the part of the URL that an event may contain: no secrets.
        filename: the name of local copies.
        kept: True if the registry must keep the bytes.
        pinned: the sha256 that the user gave.
        package: True if the weights are a folder, or several files.
        uploaded: True if localreg itself made the object at `url`.
    """

    url: str | None
    public: str | None
    filename: str | None
    kept: bool = False
    pinned: str | None = None
    package: bool = False
    uploaded: bool = False


def origin_of(url: WeightsURL, *, kept: bool, pinned: str | None, package: bool) -> Origin:
    """Return the origin of weights at a checked URL."""
    return Origin(
        url=url.text,
        public=url.public,
        filename=url.filename or ("package" if package else None),
        kept=kept,
        pinned=pinned,
        package=package,
    )


def check_pin(url: WeightsURL | None, expected: object) -> str | None:
    """Return the sha256 that the weights must have, or None if any bytes will do.

    Args:
        url: its fragment may name the sha256, ``#sha256=…``.
        expected: 64 hex digits, with or without "sha256:" before them; or None.
    """
    of_url = None if url is None else url.pinned
    if expected is None:
        return of_url
    text = expected.strip().lower().removeprefix("sha256:") if isinstance(expected, str) else ""
    if not is_sha256(text):
        raise InvalidValueError(
            f"expected_sha256 must be 64 hex digits, not {shown(expected)}",
            argument="expected_sha256",
        )
    if of_url is not None and of_url != text:
        raise InvalidValueError(
            f"the URL says sha256={of_url[:12]}…, and expected_sha256 {text[:12]}…; "
            "give one of them",
            argument="expected_sha256",
        )
    return text


def check_filename(filename: object, argument: str = "filename") -> str:
    """Return a file name that every file system accepts; anything else is an InvalidValueError."""
    name = safe_filename(filename) if isinstance(filename, str) else None
    if name is None or name != filename:
        raise InvalidValueError(
            f"{argument} must be the name of a file, without a folder, not {shown(filename)}",
            argument=argument,
        )
    return name


def weights_record(
    change: Change,
    revision_id: str,
    origin: Origin,
    held: Held | None,
    revision: int = 1,
    *,
    package: bool,
) -> WeightsRecord:
    """Return the record of a revision of weights for an event; the full URL is stored elsewhere.

    Args:
        revision_id: id of the event that adds it.
        revision: its number.
        package: True if the model is a package while it has these weights.
    """
    if held is not None and held.size == 0 and not held.tree:
        log.warning("%s is empty: the weights have 0 bytes", held.filename or origin.filename)
    note_url(change, revision_id, origin.url, origin.public)
    return WeightsRecord(
        id=revision_id,
        revision=revision,
        url=origin.public,
        filename=(held and held.filename) or origin.filename,
        digest=held.digest if held else None,
        size=held.size if held else None,
        package=package,
        tree=held is not None and held.tree,
        total=held.total if held else None,
        archive=held.archive if held else None,
        archive_size=held.archive_size if held else None,
        pinned=origin.pinned,
        kept=origin.kept,
        uploaded=origin.uploaded,
        at=change.at,
    )


def framework_of_weights(change: Change, origin: Origin | None, held: Held | None) -> str | None:
    """Return the framework that weights suggest: the name of a file, or the files of a package."""
    if held is not None and held.tree:
        from localreg.blobs.headers.package_facts import framework_of
        from localreg.store.rows import blob_rows, tree_rows

        facts = blob_rows.facts(change.connection, held.digest)
        if facts is not None and "framework" in facts:  # it was found when the package was kept
            return None if facts["framework"] is None else str(facts["framework"])
        entries = tree_rows.entries(change.connection, held.digest)
        return framework_of(facts, [path for path, _, _, blob in entries if blob is not None])
    return infer_framework("" if origin is None else origin.url or origin.filename or "")


def note_url(change: Change, revision_id: str, url: str | None, public: str | None) -> None:
    """Store a URL with secrets outside the event log, where the fold looks it up."""
    if url is not None and url != public:
        model_rows.keep_private_url(change.connection, revision_id, url)
