"""Everything about a version of a data set that commands and pages show."""

from __future__ import annotations

from localreg.errors import LocalregError
from localreg.operations.datasets import contents, looking
from localreg.operations.datasets.contents import Difference, Files
from localreg.operations.finding.upstream import Found, uses
from localreg.operations.weights.files import file_counts
from localreg.registry import Chain
from localreg.store.rows import dataset_rows
from localreg.store.rows.dataset_rows import Counters, DatasetRow
from localreg.values.dataset_names import SECTION
from localreg.values.frozen import Frozen


class Version(Frozen):
    """A version of a data set that another one is shown with.

    Attributes:
        ref: its reference; the start of its id if it is not here.
        status: "" if it is not here.
    """

    id: str
    ref: str
    status: str


class Use(Frozen):
    """A task that uses a data set; `name` is that of the task, `alias` what it calls it."""

    task: str
    name: str
    alias: str


class Details(Frozen, kw_only=True):
    """A version of a data set.

    Attributes:
        row: its record.
        files: its files, by path.
        size: number of bytes of the files that are no links.
        links: number of links.
        parents: the data sets that it comes from.
        children: those that come from it.
        versions: the other ones of the same name, the last changed first.
        difference: how it differs from its parents; None without parents, or if one is not here.
        uses: the tasks that use it, the last one first.
        counters: what was changed; None if it is finalized.
    """

    row: DatasetRow
    files: Files
    size: int
    links: int
    parents: tuple[Version, ...]
    children: tuple[Version, ...]
    versions: tuple[Version, ...]
    difference: Difference | None
    uses: tuple[Use, ...]
    counters: Counters | None


def details(chain: Chain, found: Found) -> Details:
    """Return everything about a version of a data set."""
    row = looking.row(found)
    files = contents.contents(chain, found)
    with found.registry.store.read() as connection:
        counters = dataset_rows.counters(connection, found.id)
        below = dataset_rows.children(connection, found.id)
    line = [
        each
        for _, each in looking.every(chain, project=row.project, name=row.name)
        if each.id != row.id
    ]
    return Details(
        row=row,
        files=files,
        size=sum(each.size or 0 for each in files.values() if each.link is None),
        links=sum(each.link is not None for each in files.values()),
        parents=_versions(chain, row.parents),
        children=_versions(chain, below),
        versions=tuple(Version(each.id, each.ref, each.status) for each in line),
        difference=_difference(chain, found, row),
        uses=tuple(
            Use(task, name, entry.removeprefix(f"{SECTION}/"))
            for task, name, role, entry in reversed(uses(chain, found.id))
            if role == "input"
        ),
        counters=counters,
    )


def _versions(chain: Chain, ids: tuple[str, ...] | list[str]) -> tuple[Version, ...]:
    there = {each.id: each for _, each in looking.every(chain, ids=ids)} if ids else {}
    return tuple(
        Version(each, there[each].ref, there[each].status)
        if each in there
        else Version(each, f"{each[:8]}… (not here)", "")
        for each in ids
    )


def _difference(chain: Chain, found: Found, row: DatasetRow) -> Difference | None:
    if not row.parents:
        return None
    try:
        return contents.compared(chain, found)
    except LocalregError:  # a parent was removed, or is in a registry that is not there
        return None


def counts(chain: Chain, rows: list[DatasetRow]) -> dict[str, int]:
    """Return the numbers of files, without links, of stored versions, by their packages."""
    return file_counts(chain, [each.tree for each in rows if each.tree])
