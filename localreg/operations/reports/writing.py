"""Stores reports of a model or task: scalars, single values, plots, media and log lines."""

from __future__ import annotations

import atexit
import json
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from localreg.errors import InvalidValueError
from localreg.operations.reports.reading import owner_key
from localreg.plots.options import (
    check_iteration,
    check_number,
    check_series,
    check_title,
)
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import report_rows
from localreg.store.rows.report_rows import Message
from localreg.values.checks import check_text
from localreg.values.ids import now
from localreg.values.records import Owner
from localreg.values.urls import safe_filename, without_secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.weights.sources import Held, Source
    from localreg.plots.drawings import Drawing
    from localreg.store.events.change import Change
    from localreg.values.records import Json

_ITERATIONS = 2**53
_DATA_LIMIT = 500_000_000  # bytes; SQLite holds a billion in one cell


def report_scalar(
    chain: Chain,
    kind: str,
    owner_id: str,
    title: object,
    series: object,
    value: object,
    iteration: object,
    *,
    at: float | None = None,
) -> None:
    """Report one point of a scalar series; it is on disk at most a second later.

    Args:
        kind, owner_id: of the model or task.
        at: when it was measured, in seconds since 1970; now if None.

    Raises:
        RegistryError: too many points wait in memory, and they cannot be written.
    """
    # A training loop waits for this function, so values of the right type are not checked again.
    number = value if type(value) is float else check_number("value", value)
    step = iteration
    if type(step) is not int or not -_ITERATIONS <= step <= _ITERATIONS:
        step = check_iteration(iteration)
    if type(title) is not str or type(series) is not str:
        title, series = check_title("title", title), check_series(series)

    when = time.time_ns() if at is None else int(at * 1e6 + 0.5) * 1000  # a float has no more
    buffer = chain.first.store.buffer
    if buffer.offsets:
        step += buffer.offsets.get(Owner(kind, owner_id), 0)
    key, point = (kind, owner_id, title, series), (step, number, when)
    if not buffer.add_point(key, point):
        owner = Owner(kind, owner_id)
        check_title("title", title)
        check_series(series)
        require_owner(chain.first, owner)
        _remember_page(chain, owner)
        buffer.add_first_point(key, point)


def _key(
    chain: Chain, owner: Owner, title: object, series: object, iteration: object
) -> tuple[str, str, int]:
    step = check_iteration(iteration) + chain.first.store.buffer.offsets.get(owner, 0)
    return (check_title("title", title), check_series(series), step)


def initial_iteration(registry: OpenRegistry, owner: Owner) -> int:
    """Return what is added to the iterations that this process reports to an owner."""
    return registry.store.buffer.offsets.get(owner, 0)


def set_initial_iteration(registry: OpenRegistry, owner: Owner, offset: object) -> int:
    """Add a number to the iterations that this process reports to an owner from now on."""
    number = check_iteration(offset)
    registry.store.buffer.offsets[owner] = number
    return number


def require_owner(registry: OpenRegistry, owner: Owner) -> None:
    """Check that a model or task exists and that the registry can be written to.

    Raises:
        ReadOnlyRegistryError: the registry is open for reading only.
    """
    registry.store.check_writable()
    with registry.store.read() as connection:
        owner_key(connection, owner)


def _remember_page(chain: Chain, owner: Owner) -> None:
    """Have the page of an owner written at the end of the process, if not earlier."""
    if chain.first.store.buffer.note(owner):
        atexit.register(_write_at_exit, chain)


def _write_at_exit(chain: Chain) -> None:
    from localreg.operations.reports.pages import write_reported

    write_reported(chain)


def flush(registry: OpenRegistry) -> None:
    """Write the reports that wait in memory to disk.

    Raises:
        RegistryError: they cannot be written; they stay in memory.
    """
    registry.store.flush()


def report_single(chain: Chain, owner: Owner, name: object, value: object) -> None:
    """Report one value without iterations; it replaces an earlier value of its name."""
    title, number = check_title("name", name), check_number("value", value)
    with chain.first.store.write() as change:
        pk = owner_key(change.connection, owner)
        report_rows.set_single(change.connection, owner.kind, pk, title, number, change.at)
        report_rows.touch(change.connection, owner, pk, change.stamp(owner.id), change.at)
    _remember_page(chain, owner)


def report_text(chain: Chain, owner: Owner, text: object, level: object) -> None:
    """Report a line of a task's log."""
    line = check_text("msg", text, limit=1_000_000)
    number = check_iteration(level)
    require_owner(chain.first, owner)
    _remember_page(chain, owner)
    chain.first.store.buffer.write_line(owner, Message(now(), number, line))


def report_printed(
    chain: Chain, owner: Owner, lines: Sequence[str], level: int, limit: int
) -> None:
    """Report lines that a script printed; they are in its log within a fifth of a second.

    It takes no lock: a signal handler may print in the middle of a report. The page of the task is
    written when the task ends.

    Args:
        lines: without control characters.
        limit: characters of the log; the middle of a longer one is cut.
    """
    buffer = chain.first.store.buffer
    for line in lines:
        buffer.add_printed(owner, Message(now(), level, line), limit)


def report_plot(
    chain: Chain,
    owner: Owner,
    title: object,
    series: object,
    iteration: object,
    drawing: Drawing,
) -> None:
    """Store a plot; it replaces an earlier one of the same title, series and iteration."""
    key = _key(chain, owner, title, series, iteration)
    packed = packed_drawing(drawing)
    with chain.first.store.write() as change:
        _set_plot(change, owner, key, packed, None)
    _remember_page(chain, owner)


def packed_drawing(drawing: Drawing) -> tuple[str, str, bytes, bytes | None]:
    """Return a plot as it is stored: kind, specification as JSON, data, and thinned data."""
    from localreg.plots.arrays import pack
    from localreg.plots.thinning import thinned

    contents, data = pack(drawing.parts)
    if len(data) > _DATA_LIMIT:
        raise InvalidValueError(
            f"the plot takes {len(data):,} bytes; at most {_DATA_LIMIT:,} are allowed. Report a "
            "part of it",
            argument="data",
        )
    spec: Json = {"options": drawing.options, "parts": contents}
    part, shown = thinned(drawing), None
    if part is not None:
        contents, shown = pack(part.parts)
        spec["shown"] = {"options": part.options, "parts": contents}
    return drawing.kind, json.dumps(spec, ensure_ascii=False), data, shown


def media_spec(filename: str | None) -> str:
    """Return the specification of a picture or another file, as JSON."""
    return json.dumps({"options": {"filename": filename}, "parts": []}, ensure_ascii=False)


def link_spec(url: str) -> str:
    """Return the specification of a picture or another file that is elsewhere, as JSON."""
    filename = safe_filename(urlsplit(url).path)
    options = {"filename": filename or without_secrets(url), "url": url}
    return json.dumps({"options": options, "parts": []}, ensure_ascii=False)


def report_file(
    chain: Chain,
    owner: Owner,
    title: object,
    series: object,
    iteration: object,
    source: Source,
    *,
    keep: int | None,
) -> Held:
    """Store a picture or another file; its bytes go into the blob store. Return what was kept.

    Args:
        source: where its bytes come from. Pages show the file by the ending of its name.
        keep: how many iterations of this title and series to keep; None for all.

    Raises:
        SourceNotFoundError: the file does not exist.
    """
    from localreg.operations.weights.ingest import taken_in

    key = _key(chain, owner, title, series, iteration)
    require_owner(chain.first, owner)
    spec = media_spec(source.filename)

    with taken_in(chain, source) as (change, held):
        pk = _set_plot(change, owner, key, ("media", spec, None, None), held.digest)
        if keep is not None:
            report_rows.forget_old_media(change.connection, owner.kind, pk, key[0], key[1], keep)
    _remember_page(chain, owner)
    return held


def report_link(
    chain: Chain,
    owner: Owner,
    title: object,
    series: object,
    iteration: object,
    url: str,
    *,
    keep: int | None,
) -> None:
    """Store the URL of a picture or another file; nothing is downloaded.

    Args:
        url: of a file on the web or in an object store.
        keep: how many iterations of this title and series to keep; None for all.
    """
    key = _key(chain, owner, title, series, iteration)
    require_owner(chain.first, owner)
    spec = link_spec(url)
    with chain.first.store.write() as change:
        pk = _set_plot(change, owner, key, ("media", spec, None, None), None)
        if keep is not None:
            report_rows.forget_old_media(change.connection, owner.kind, pk, key[0], key[1], keep)
    _remember_page(chain, owner)


def _set_plot(
    change: Change,
    owner: Owner,
    key: tuple[str, str, int],
    drawing: tuple[str, str, bytes | None, bytes | None],
    digest: str | None,
) -> int:
    pk = owner_key(change.connection, owner)
    report_rows.set_plot(change.connection, owner.kind, pk, key, drawing, digest, change.at)
    report_rows.touch(change.connection, owner, pk, change.stamp(owner.id), change.at)
    return pk
