"""Collects what the page of a data set shows; it is the page of its model, in other words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from localreg.operations.datasets import details, looking
from localreg.operations.datasets.details import Details
from localreg.operations.finding.upstream import Found, id_text
from localreg.operations.reports.page_links import Site
from localreg.pages.page_values import DatasetPart, Fact, Link, ModelPage, PageFile, Version
from localreg.registry import Chain
from localreg.values import dataset_names
from localreg.values.datasets import DatasetFile
from localreg.values.frozen import replace
from localreg.values.units import amount_text, is_known, moment, size_text, when
from localreg.values.urls import public_url

PATHS = 8  # of a change that a page lists
_STATES = ("archived", "contested", "signed")
FILES = 100
LINKS = 100


def as_dataset(chain: Chain, found: Found, page: ModelPage, site: Site) -> ModelPage:
    """Return the page of a model as that of the data set that it is."""
    shown = details.details(chain, found)
    row = shown.row
    links = [each for each in shown.files.values() if each.link is not None]
    own = [each for each in shown.files.values() if each.link is None]
    return replace(
        page,
        ref=row.ref,
        project=site.project(row.shown_project) if row.shown_project else None,
        states=(row.status, *(each for each in page.states if each in _STATES)),
        facts=tuple(_facts(chain, shown, site)),
        metadata=tuple(each for each in page.metadata if not each[0].startswith("dataset.")),
        config="",
        files=page.files or tuple(_files(own[:FILES])),
        more_files=page.more_files if page.files else max(0, len(own) - FILES),
        versions=tuple(_versions(chain, shown, site)),
        dataset=DatasetPart(
            pending=_pending(shown),
            parents=tuple(Link(each.ref, site.page("model", each.id)) for each in shown.parents),
            children=tuple(Link(each.ref, site.page("model", each.id)) for each in shown.children),
            changes=tuple(_changes(shown)),
            compared=shown.difference is not None,
            uses=tuple(
                (each.alias, Link(each.name, site.page("task", each.task))) for each in shown.uses
            ),
            links=tuple(
                (
                    each.path,
                    "" if each.size is None else size_text(each.size),
                    public_url(each.link or ""),
                )
                for each in links[:LINKS]
            ),
            more_links=max(0, len(links) - LINKS),
        ),
    )


def _facts(chain: Chain, shown: Details, site: Site) -> Iterator[Fact]:
    row = shown.row
    own = len(shown.files) - shown.links
    yield Fact("version", row.version or "none")
    yield Fact("files", amount_text(shown.size, own) if own else "none")
    if shown.links:
        yield Fact("links", f"{shown.links:,}")
    if row.task:
        yield Fact("made by task", id_text(chain, row.task), site.page("task", row.task))
    yield Fact("created", when(row.created))
    yield Fact("updated", when(row.updated))


def _files(files: list[DatasetFile]) -> Iterator[PageFile]:
    for each in files:
        yield PageFile(each.path, size_text(each.size or 0), each.digest or "", "")


def _pending(shown: Details) -> str | None:
    found = shown.counters
    if found is None or found.changes == found.stored:
        return None
    return (
        f"Changes that are not uploaded are on this machine only. Since it began: {found.added:,} "
        f"files added, {found.modified:,} modified, {found.removed:,} removed."
    )


def _changes(shown: Details) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    found = shown.difference
    if found is None:
        return
    for word, paths in (
        ("added", found.added), ("modified", found.modified), ("removed", found.removed),
    ):  # fmt: skip
        if paths:
            yield word, len(paths), paths[:PATHS]


def _versions(chain: Chain, shown: Details, site: Site) -> Iterator[Version]:
    row = shown.row
    line = [each for _, each in looking.every(chain, project=row.project, name=row.name)]
    for each in sorted(line, key=looking.order, reverse=True)[:200]:
        here = each.id == row.id
        yield Version(
            link=Link(each.version or each.id[:8], None if here else site.page("model", each.id)),
            aliases=(),
            created=moment(each.created) if is_known(each.created) else "",
            here=here,
        )


def dataset_refs(chain: Chain, ids: Iterator[str] | list[str]) -> Mapping[str, str]:
    """Return the references of those models that are data sets, by id."""
    wanted = list(ids)
    return {each.id: each.ref for _, each in looking.every(chain, ids=wanted)} if wanted else {}


def is_dataset(system_tags: tuple[str, ...]) -> bool:
    """Return True if a model with these system tags is a data set."""
    return dataset_names.TAG in system_tags
