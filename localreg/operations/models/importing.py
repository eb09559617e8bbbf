"""Importing models by the URL of their weights, and finding them by it."""

from __future__ import annotations

import time

from localreg.errors import DigestMismatchError
from localreg.operations.finding.upstream import Found, ask, hidden
from localreg.operations.models.recording import Description, create, in_project_of
from localreg.operations.weights.origin import check_pin, origin_of
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import model_rows
from localreg.values.frozen import Frozen, replace
from localreg.values.records import TaskRecord
from localreg.values.urls import WeightsURL, is_folder, parse_weights_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.weights.ingest import Held
    from localreg.progress import Progress


class Imported(Frozen):
    """The result of an import.

    Attributes:
        registry: the registry that has the model: the first, or an upstream one.
        model: the model's id.
        known: True if the model was there before.
        url: where the weights come from, without secrets.
    """

    registry: OpenRegistry
    model: str
    known: bool
    url: str


def import_model(
    chain: Chain,
    url: object,
    description: Description,
    *,
    task: TaskRecord | None = None,
    copy: bool = False,
    expected: object = None,
    progress: Progress | None = None,
) -> Imported:
    """Return the model with weights from a URL; a new one is recorded.

    Args:
        url: a path or URL. It is only read if `copy` is True, or if it is inside the registry.
        description: ignored if the model is known.
        task: the current task, which gives a name, a comment and a project by default.
        copy: store the bytes in the registry: of a folder as a package, of a remote URL by a
            download.
        expected: the sha256 that the bytes must have.
        progress: called with the number of bytes that are stored.

    Raises:
        InvalidURLError: the URL cannot be used.
        DigestMismatchError: the bytes do not have the expected sha256; nothing was recorded.
        SourceNotFoundError: `copy` is True, and the file does not exist.
        DownloadError: `copy` is True, and the download failed.
    """
    parsed = parse_weights_url(url)
    pin = check_pin(parsed, expected)
    known = find_known(chain, parsed, pin)
    if known is not None:
        return known
    registry = chain.first
    # A path inside the registry is not recorded as the URL: the registry may move.
    inside = parsed.path is not None and registry.blobs.contains(parsed.path)
    kept = copy or inside
    package = kept and is_folder(parsed.path)
    origin = origin_of(parsed, kept=kept, pinned=pin, package=package)
    if inside:
        origin = replace(origin, url=None)

    def record(change: Change, stored: Held | None) -> Imported:
        # Another process may have recorded it since.
        known = known_in(registry, change.connection, parsed, pin)
        if known is not None:
            return known
        made = create(change, _with_defaults(description, task), origin, stored)
        return Imported(registry, made, known=False, url=parsed.public or parsed.text)

    if not kept:
        with registry.store.write() as change:
            return record(change, None)
    if parsed.path is not None:
        from localreg.operations.weights.ingest import Source, taken_in

        source = Source(path=parsed.path, filename=origin.filename, wanted=pin, progress=progress)
        with taken_in(chain, source) as (change, stored):
            return record(change, stored)
    from localreg.operations.weights.fetching import Wish, fetched

    wish = Wish(url=parsed.text, filename=origin.filename, wanted=pin, progress=progress)
    with fetched(chain, wish) as (change, stored):
        return record(change, stored)


def _with_defaults(description: Description, task: TaskRecord | None) -> Description:
    """Return a description with the name, comment and project that it gets by default."""
    if task is None:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        return replace(description, name=description.name or f"Anonymous model {moment}")
    lines = [f"Imported by task id: {task.id}", description.comment]
    return replace(
        in_project_of(task, description),
        name=description.name or f"Imported by {task.name}",
        comment="\n".join(line for line in lines if line),
    )


def find_known(chain: Chain, url: WeightsURL, pin: str | None) -> Imported | None:
    """Return the model with weights from a checked URL, or None.

    The first registry is asked before the upstream ones. A model of an upstream registry does not
    count if its weights do not have the sha256 that they must have.

    Args:
        pin: the sha256 that the weights must have, or None.

    Raises:
        DigestMismatchError: the weights of the first registry's model have another sha256.
    """

    def find(each: OpenRegistry) -> Imported | None:
        with each.store.read() as connection:
            if each is chain.first:
                return known_in(each, connection, url, pin)
            model_id = _newest(each, connection, url)
            if model_id is None or hidden(chain, each, [model_id]):
                return None
            digest = _digest(connection, model_id)
            if pin is not None and digest is not None and digest != pin:
                return None
            return Imported(each, model_id, known=True, url=url.public or url.text)

    return next((found for _, found in ask(chain, find) if found is not None), None)


def known_in(
    registry: OpenRegistry, connection: model_rows.Connection, url: WeightsURL, pin: str | None
) -> Imported | None:
    """Do what `find_known` does for one registry, within a transaction."""
    model_id = _newest(registry, connection, url)
    if model_id is None:
        return None
    digest = _digest(connection, model_id)
    if pin is not None and digest and digest != pin:
        raise DigestMismatchError(
            f"{url.public or url.text} is known as model {model_id} with sha256 {digest}, and "
            f"{pin} was expected",
            model=model_id,
            wanted=pin,
            found=digest,
        )
    return Imported(registry, model_id, known=True, url=url.public or url.text)


def find_by_url(chain: Chain, url: object, *, archived: bool) -> Found | None:
    """Return the newest model of all registries with weights from a URL, or None.

    Args:
        archived: include archived models.

    Raises:
        InvalidURLError: the URL cannot be used.
    """
    parsed = parse_weights_url(url)

    def find(each: OpenRegistry) -> tuple[int, Found] | None:
        with each.store.read() as connection:
            model_id = _newest(each, connection, parsed, archived=bool(archived))
            if model_id is None or hidden(chain, each, [model_id]):
                return None
            row = model_rows.model_row(connection, model_id)
            return (row.birth if row else 0, Found(each, model_id))

    hits = [hit for _, hit in ask(chain, find) if hit is not None]
    return max(hits, key=lambda hit: hit[0])[1] if hits else None


def _newest(
    registry: OpenRegistry,
    connection: model_rows.Connection,
    url: WeightsURL,
    *,
    archived: bool = False,
) -> str | None:
    """Return the id of the newest model with weights from a URL, or None."""
    found = model_rows.with_url(connection, url.text, archived=archived)
    if not found and url.path is not None:
        # The path of a local copy means the weights that it has.
        digest = registry.blobs.digest_of(url.path)
        found = model_rows.with_digest(connection, digest, archived=archived) if digest else []
    return found[0] if found else None


def _digest(connection: model_rows.Connection, model_id: str) -> str | None:
    """Return the sha256 of a model's weights, or None if it is not known."""
    weights = model_rows.current_weights(connection, model_id)
    return None if weights is None else weights.pinned or weights.digest
