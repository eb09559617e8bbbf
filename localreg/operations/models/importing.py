"""Bringing models into a registry, and finding them by where their weights come from."""

from __future__ import annotations

import time

from localreg.errors import DigestMismatchError
from localreg.operations.finding.upstream import Found, ask, hidden
from localreg.operations.models.recording import Description, create
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
    """What an import came to.

    Attributes:
        registry: the registry that has the model, the first or an upstream one.
        model: the id.
        known: whether it had been there before.
        url: what may be shown of where the weights come from.
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
    """Return the model whose weights come from `url`, recorded now when it is new.

    Args:
        url: path or URL; it is not read unless `copy`, or unless it is the registry's own.
        description: ignored when the model is known.
        task: the current task, which gives name, comment and project where none are told.
        copy: keep the bytes in the registry; a folder becomes a package, and what is remote is
            downloaded.
        expected: the sha256 that the bytes must have.
        progress: told of the bytes that are kept.

    Raises:
        InvalidURLError: the URL cannot be used.
        InvalidValueError: `expected` is no sha256.
        DigestMismatchError: the bytes are others than expected; nothing was recorded.
        SourceNotFoundError: `copy`, and there is no such file.
        DownloadError: `copy`, and the server does not give it.
    """
    parsed = parse_weights_url(url)
    pin = check_pin(parsed, expected)
    known = find_known(chain, parsed, pin)
    if known is not None:
        return known
    registry = chain.first
    # What lies in the registry itself has no place of its own: its bytes count.
    own = parsed.path is not None and registry.blobs.contains(parsed.path)
    kept = copy or own
    package = kept and is_folder(parsed.path)
    origin = origin_of(parsed, kept=kept, pinned=pin, package=package)
    if own:
        origin = replace(origin, url=None)

    def record(change: Change, held: Held | None) -> Imported:
        first = known_in(registry, change.connection, parsed, pin)  # another process may have been
        if first is not None:
            return first
        told = _told_by_task(description, task)
        project = description.project or (task.project.name if task and task.project else None)
        made = create(change, told, origin, held, project=project)
        return Imported(registry, made, known=False, url=parsed.public or parsed.text)

    if not kept:
        with registry.store.write() as change:
            return record(change, None)
    if parsed.path is not None:
        from localreg.operations.weights.ingest import Source, taken_in

        source = Source(path=parsed.path, filename=origin.filename, wanted=pin, progress=progress)
        with taken_in(chain, source) as (change, held):
            return record(change, held)
    from localreg.operations.weights.fetching import Wish, fetched

    wish = Wish(url=parsed.text, filename=origin.filename, wanted=pin, progress=progress)
    with fetched(chain, wish) as (change, held):
        return record(change, held)


def find_known(chain: Chain, url: WeightsURL, pin: str | None) -> Imported | None:
    """Return the model whose weights come from a checked URL, or None.

    A registry's own comes before those upstream. One upstream whose bytes are others than those
    that must be is not the one that is meant.

    Raises:
        DigestMismatchError: that is so of its own one.
    """

    def look(each: OpenRegistry) -> Imported | None:
        with each.store.read() as connection:
            if each is chain.first:
                return known_in(each, connection, url, pin)
            found = _known(each, connection, url)
            if found is None or hidden(chain, each, [found]):
                return None
            recorded = _recorded(connection, found)
            if pin is not None and recorded is not None and recorded != pin:
                return None
            return Imported(each, found, known=True, url=url.public or url.text)

    return next((found for _, found in ask(chain, look) if found is not None), None)


def _recorded(connection: model_rows.Connection, model_id: str) -> str | None:
    """Return the sha256 that a model's weights have, as far as that is known."""
    weights = model_rows.current_weights(connection, model_id)
    return None if weights is None else weights.pinned or weights.digest


def known_in(
    registry: OpenRegistry, connection: model_rows.Connection, url: WeightsURL, pin: str | None
) -> Imported | None:
    """Do what `find_known` does for the models of one registry, within a transaction."""
    model_id = _known(registry, connection, url)
    if model_id is None:
        return None
    recorded = _recorded(connection, model_id)
    if pin is not None and recorded and recorded != pin:
        raise DigestMismatchError(
            f"{url.public or url.text} is known as model {model_id} with sha256 {recorded}, and "
            f"{pin} was expected",
            model=model_id,
            wanted=pin,
            found=recorded,
        )
    return Imported(registry, model_id, known=True, url=url.public or url.text)


def _known(
    registry: OpenRegistry,
    connection: model_rows.Connection,
    url: WeightsURL,
    *,
    archived: bool = False,
) -> str | None:
    found = model_rows.with_url(connection, url.text, archived=archived)
    if not found and url.path is not None:
        # A file that the registry itself handed out is known by what it holds.
        digest = registry.blobs.digest_of(url.path)
        found = model_rows.with_digest(connection, digest, archived=archived) if digest else []
    return found[0] if found else None


def _told_by_task(description: Description, task: TaskRecord | None) -> Description:
    if task is None and description.name:
        return description
    if task is None:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        return replace(description, name=f"Anonymous model {moment}")
    lines = [f"Imported by task id: {task.id}", description.comment]
    return replace(
        description,
        name=description.name or f"Imported by {task.name}",
        comment="\n".join(line for line in lines if line),
    )


def find_by_url(chain: Chain, url: object, *, archived: bool) -> Found | None:
    """Return the newest model whose weights come from `url`, also from upstream, or None.

    Args:
        archived: whether archived models count too.

    Raises:
        InvalidURLError: the URL cannot be used.
    """
    parsed = parse_weights_url(url)

    def look(each: OpenRegistry) -> tuple[int, Found] | None:
        with each.store.read() as connection:
            found = _known(each, connection, parsed, archived=bool(archived))
            if found is None or hidden(chain, each, [found]):
                return None
            row = model_rows.model_row(connection, found)
            return (row.created if row else 0, Found(each, found))

    hits = [hit for _, hit in ask(chain, look) if hit is not None]
    return max(hits, key=lambda hit: hit[0])[1] if hits else None
