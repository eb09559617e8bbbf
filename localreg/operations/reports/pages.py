"""Writes pages: of a model, a task, a comparison, and of a whole registry."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from localreg import log
from localreg.blobs.blob_files import damaged
from localreg.errors import (
    DamagedRowError,
    LocalregError,
    NotFoundError,
    PathExistsError,
    ReadOnlyRegistryError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import output_path
from localreg.filesystem.group_modes import share_at
from localreg.filesystem.plain_files import (
    check_replaceable,
    content_of,
    discard,
    open_plain,
    replacing_plain,
)
from localreg.filesystem.portable_files import replace_file
from localreg.filesystem.temporary_owners import machine_key, unfinished
from localreg.operations.reports.charts import model_reports, reported_values
from localreg.operations.reports.comparison import Run, compared_runs, comparison_values
from localreg.operations.reports.index_page import index_values
from localreg.operations.reports.model_page import model_values
from localreg.operations.reports.page_links import INDEX, Site, page_name, reports_folder
from localreg.operations.reports.task_page import renewal_of, task_values
from localreg.operations.weights.locations import holder, local_file
from localreg.pages import index_data, pages
from localreg.pages.assets import asset_names, templates_digest, write_assets
from localreg.pages.page_values import ModelPage, TaskPage
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import model_rows, overview_rows, report_rows, task_rows
from localreg.values import settings
from localreg.values.frozen import replace
from localreg.values.ids import now
from localreg.values.layout import REPORTS
from localreg.values.records import Owner
from localreg.values.units import moment
from localreg.values.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.reports.charts import BlobUrl

PAGES = 2_000  # models, and tasks, whose pages `write_site` writes
_PAGE = b"<!doctype html>"
_INLINED = 50_000_000  # bytes of the largest file that a standalone page contains
_KEPT = 3_600  # seconds that files of an earlier overview stay
_LARGEST_PAGE = 256_000_000  # bytes; a larger one is written new
_STAMP = 64 + len("<!--  -->\n")  # the end of a page: a digest of it, and what it was made from


def write_page(
    chain: Chain,
    registry: OpenRegistry,
    owner: Owner,
    *,
    standalone: bool = False,
    path: object = None,
) -> Path:
    """Write the page of a model or task, and return its path.

    Args:
        standalone: write one file that contains everything.
        path: where to write the page, which is then standalone; None for the folder of the pages.

    Raises:
        ReadOnlyRegistryError: the registry is open for reading only, and no path is given.
    """
    if standalone or path is not None:
        name = page_name(owner.kind, owner.id).replace("/", "-")
        place = _standalone_path(registry, path, name)
        site = Site(reports_folder(registry), root=None)
        values = _values(chain, registry, owner, site)
        text = _html(chain, registry, owner, values, site)
        if path is not None:
            return _write_outside(registry, place, text)
        return _write(place, (text,), registry.store.group)
    _check_writable(registry, "model.report(path=…) or `localreg report -o FILE`")
    _prepare(registry)
    return _write_in_place(chain, registry, owner, Site(reports_folder(registry)), fresh=True)


def _standalone_path(registry: OpenRegistry, path: object, name: str) -> Path:
    """Return the path to write a standalone page to; its folder is created."""
    if path is None:
        _check_writable(registry, "path=… or `-o FILE`")
        return registry.blobs.make_folder(REPORTS, "standalone") / name
    place = output_path("path", path)
    with disk_errors("writing a page", place):
        if place.is_dir() or str(path).endswith(("/", os.sep)):
            place.mkdir(parents=True, exist_ok=True)
            return place / name
        place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _check_writable(registry: OpenRegistry, instead: str) -> None:
    """Check that pages can be written into a registry.

    Args:
        instead: how to write a page outside of the registry, for the error.
    """
    try:
        registry.store.check_writable()
    except ReadOnlyRegistryError as error:
        raise ReadOnlyRegistryError(
            f"pages cannot be written into this registry: {error}. To write a page elsewhere, use "
            f"{instead}; pages that exist can still be opened",
            path=str(reports_folder(registry)),
        ) from error


def _prepare(registry: OpenRegistry) -> None:
    """Create the folders of the pages, and write the assets that all pages share."""
    with disk_errors("writing pages", registry.root):
        for names in ((REPORTS, "models"), (REPORTS, "tasks"), (REPORTS, "compare")):
            registry.blobs.make_folder(*names)
        write_assets(registry.blobs.make_folder(REPORTS, "assets"), registry.store.group)


def _values(chain: Chain, registry: OpenRegistry, owner: Owner, site: Site) -> ModelPage | TaskPage:
    if owner.kind == "model":
        return model_values(chain, registry, owner.id, site)
    return task_values(chain, registry, owner.id, site)


def _html(
    chain: Chain, registry: OpenRegistry, owner: Owner, values: ModelPage | TaskPage, site: Site
) -> str:
    blob_url = _blob_url(chain, registry, site)
    place = _page_place(site)
    if isinstance(values, ModelPage):
        maker = _maker(registry, owner)
        reported = model_reports(registry, owner.id, maker and maker.id, blob_url)
        return pages.model_page(replace(values, reported=reported), place)
    reported = reported_values(registry, owner, blob_url)
    return pages.task_page(replace(values, reported=reported), place)


def _maker(registry: OpenRegistry, owner: Owner) -> Owner | None:
    """Return the task whose values the page of a model shows too, if it is in the registry."""
    if owner.kind != "model":
        return None
    with registry.store.read() as connection:
        row = model_rows.model_row(connection, owner.id)
        there = bool(row and row.task and task_rows.task(connection, row.task))
        return Owner("task", row.task) if row and row.task and there else None


def _page_place(site: Site) -> pages.PagePlace:
    return pages.PagePlace(
        root=site.root or "",
        standalone=site.root is None,
        home=site.index(),
        generated=f"{moment(now())} UTC",
    )


def _blob_url(chain: Chain, registry: OpenRegistry, site: Site) -> BlobUrl:
    """Return a function that returns the URL of a blob for a page: a link, or its bytes."""

    def linked(digest: str, size: int | None, filename: str) -> str:
        # The file lies in this registry, so that both can be moved together.
        path = local_file(chain, registry, digest, size, filename, in_first=True, only_here=True)
        return f"{site.root}../files/{digest}/{quote(path.name)}"

    def inlined(digest: str, size: int | None, filename: str) -> str:
        if size is None or size > _INLINED:
            return ""
        kind = mimetypes.guess_type(filename)[0] or "application/octet-stream"
        with disk_errors("reading a reported file", registry.root):
            blob = (holder(chain, digest, size) or registry).blobs.blob(digest)
            data = content_of(blob, size)
        if data is None:
            raise damaged(digest, blob, "is missing")
        return f"data:{kind};base64,{base64.b64encode(data).decode()}"

    return inlined if site.root is None else linked


def _write(place: Path, parts: Iterable[str], group: int | None) -> Path:
    """Write a page of the registry atomically, and give it to the group that shares it, if any.

    A link in its place is replaced and not followed: it may lead out of the registry.

    Args:
        parts: of its text, in a sequence or as they are made.
    """
    with disk_errors("writing a page", place):
        temporary = unfinished(place)
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                file.writelines(parts)
            share_at(temporary, group)
            replace_file(temporary, place)
        finally:
            discard(temporary)
    return place


def _write_outside(registry: OpenRegistry, place: Path, text: str) -> Path:
    """Write a page to a path of the user, where only another page is replaced.

    Raises:
        PathExistsError: a file is there that is no page, such as weights.
    """
    _check_is_page(place)
    with (
        registry.blobs.writing_outside(place.parent),
        disk_errors("writing a page", place),
        replacing_plain(place, "path") as temporary,
    ):
        temporary.write_text(text, encoding="utf-8")
    return place


def _check_is_page(place: Path) -> None:
    target = check_replaceable(place, "path")
    with disk_errors("reading what it would replace", place):
        if not target.exists():
            return
        with open_plain(target, "path") as file:
            begin = file.read(len(_PAGE))
    if begin and begin.lower() != _PAGE:
        raise PathExistsError(
            f"{place} exists already, and is no page; choose another name, or delete it first",
            path=str(place),
        )


def _write_in_place(
    chain: Chain, registry: OpenRegistry, owner: Owner, site: Site, *, fresh: bool
) -> Path:
    """Write a page into the folder of the pages.

    Args:
        fresh: write it even if the page that exists would not change.
    """
    place = site.folder / page_name(owner.kind, owner.id)
    values = _values(chain, registry, owner, site)
    fingerprint = _fingerprint(registry, owner, values)
    if fresh or not _is_of(place, fingerprint):
        page = _html(chain, registry, owner, values, site)
        _write(place, (page, _stamp(page.encode(), fingerprint)), registry.store.group)
    return place


def _fingerprint(registry: OpenRegistry, owner: Owner, values: ModelPage | TaskPage) -> str:
    """Return a digest of everything that a page is made from; every report changes `updated`."""
    with registry.store.read() as connection:
        updated = overview_rows.last_change(connection, owner)
        joined = report_rows.joined(connection, owner)
        maker = _maker(registry, owner)
        made = maker and (
            overview_rows.last_change(connection, maker),
            report_rows.joined(connection, maker),
        )
    made_from = (
        f"{__version__} {asset_names()} {templates_digest()} {updated} {joined} {made} {values!r}"
    )
    return hashlib.sha256(made_from.encode("utf-8", "replace")).hexdigest()


def _stamp(page: bytes, fingerprint: str) -> str:
    """Return the end of a page, by which it is known to be unchanged and up to date.

    Its key is that of this machine: a stranger who changes a page cannot make the stamp for it.
    """
    found = hashlib.blake2b(page, digest_size=32, key=machine_key())
    found.update(fingerprint.encode())
    return f"<!-- {found.hexdigest()} -->\n"


def _is_of(place: Path, fingerprint: str) -> bool:
    """Return True if a page is as this machine wrote it, from the values of a fingerprint."""
    try:
        page = content_of(place, _LARGEST_PAGE) or b""
    except OSError:  # it cannot be read, so it is written new
        return False
    return page[-_STAMP:] == _stamp(page[:-_STAMP], fingerprint).encode()


def write_index(chain: Chain) -> Path:
    """Write only the overview of the first registry, and return its path.

    Raises:
        ReadOnlyRegistryError: the registry is open for reading only.
    """
    registry = chain.first
    _check_writable(registry, "`localreg report -o FILE`")
    _prepare(registry)
    return _write_overview(chain, frozenset())


def _write_overview(chain: Chain, planned: frozenset[str]) -> Path:
    registry = chain.first
    site = Site(reports_folder(registry), planned | {INDEX}, root="")
    data = index_data.index_data(index_values(chain, site), index_data.IN_PAGE)
    folder = registry.blobs.make_folder(REPORTS, index_data.FOLDER)
    for name, text in data.files.items():
        _write(folder / name, (text,), registry.store.group)
    page = pages.index_page(data, _page_place(site))
    place = _write(site.folder / INDEX, page, registry.store.group)
    _delete_old_columns(folder, data.files.keys())
    return place


def _delete_old_columns(folder: Path, needed: Collection[str]) -> None:
    """Delete the files of columns that no overview needs.

    Young ones stay: they may be of a page that is open, or that another process is writing.
    """
    with disk_errors("deleting a file of the overview", folder), os.scandir(folder) as entries:
        for entry in entries:
            if index_data.is_column_file(entry.name) and entry.name not in needed:
                age = now() / 1_000_000 - entry.stat(follow_symlinks=False).st_mtime
                if age > _KEPT:
                    discard(Path(entry.path))


def write_site(chain: Chain, limit: int | None = PAGES) -> Path:
    """Write the overview and the pages of models and tasks; return the path of the overview.

    A page that would not change is kept. `write_page` writes the page of any other.

    Args:
        limit: the models, and the tasks, that get a page: those that were updated last. None for
            all.

    Raises:
        ReadOnlyRegistryError: the registry is open for reading only.
    """
    registry = chain.first
    _check_writable(registry, "model.report(path=…) or `localreg report -o FILE`")
    _prepare(registry)
    registry.store.flush()
    with registry.store.read() as connection:
        owners = [
            Owner(kind, id_)
            for kind in ("model", "task")
            for id_ in overview_rows.newest(connection, kind, limit)
        ]
    planned = frozenset(page_name(owner.kind, owner.id) for owner in owners) | {INDEX}
    site = Site(reports_folder(registry), planned)
    for owner in owners:
        _write_or_delete(chain, owner, site)
    _delete_stale(registry)
    return _write_overview(chain, planned)


def _delete_stale(registry: OpenRegistry) -> None:
    """Delete the pages of models and tasks that no longer exist."""
    for kind in ("model", "task"):
        folder = registry.blobs.make_folder(REPORTS, f"{kind}s")
        with registry.store.read() as connection, disk_errors("deleting a page", folder):
            for page in folder.glob("*.html"):
                if page.is_dir() and not page.is_symlink():
                    continue
                if overview_rows.last_change(connection, Owner(kind, page.stem)) is None:
                    page.unlink(missing_ok=True)


def _write_or_delete(chain: Chain, owner: Owner, site: Site) -> None:
    """Write a page, or delete it if its model or task no longer exists."""
    try:
        _write_in_place(chain, chain.first, owner, site, fresh=False)
    except NotFoundError:  # another process has removed it
        (site.folder / page_name(owner.kind, owner.id)).unlink(missing_ok=True)
    except DamagedRowError as error:  # the other pages can be written
        log.warning("the page of %s %s is not written: %s", owner.kind, owner.id, error)


def write_comparison(chain: Chain, runs: Sequence[Run], path: object = None) -> Path:
    """Write a page that shows models and tasks side by side, and return its path.

    Args:
        runs: 2 to 50 models and tasks of the registry or of its upstream registries.
        path: where to write the page, which is then standalone; None for the folder of the pages.
    """
    registry = chain.first
    chosen = compared_runs(runs)
    ids = tuple(each.owner.id for each in chosen)
    name = f"{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:16]}.html"
    if path is None:
        _check_writable(registry, "path=… or `localreg compare -o FILE`")
        _prepare(registry)
        site = Site(reports_folder(registry))
        place = site.folder / "compare" / name
    else:
        site = Site(reports_folder(registry), root=None)
        place = _standalone_path(registry, path, f"compare-{name}")
    values = comparison_values(chain, chosen, site, _blob_url(chain, registry, site))
    text = pages.compare_page(replace(values, ids=ids), _page_place(site))
    if path is not None:
        return _write_outside(chain.first, place, text)
    return _write(place, (text,), registry.store.group)


def renewal(registry: OpenRegistry) -> float | None:
    """Return how often tasks write their pages while they run, in seconds; None for never."""
    if os.environ.get(settings.AUTO_RENDER) == "0":
        return None
    with registry.store.read() as connection:
        return renewal_of(connection)


def write_reported(chain: Chain, also: str | None = None) -> None:
    """Write the pages of every model and task that this process reported to since the last call.

    Args:
        also: id of a task whose page is written too, if this process has reported anything, or
            another one has written a page of the task.

    This runs at the end of a task or a process, which must not fail because of a page: errors are
    logged. ``LOCALREG_AUTO_RENDER=0`` turns it off.
    """
    registry = chain.first
    owners = registry.store.take_reported()
    if also is not None:
        there = reports_folder(registry) / page_name("task", also)
        if registry.store.has_reported() or there.is_file():
            owners.add(Owner("task", also))
    if not owners or os.environ.get(settings.AUTO_RENDER) == "0":
        return
    if registry.store.is_replaced():  # its pages went with it
        return
    try:
        _prepare(registry)
        site = Site(
            reports_folder(registry),
            frozenset(page_name(owner.kind, owner.id) for owner in owners),
        )
        for owner in sorted(owners, key=lambda owner: (owner.kind, owner.id)):
            _write_or_delete(chain, owner, site)
    except LocalregError as error:
        log.warning("pages of reports could not be written: %s", error)
