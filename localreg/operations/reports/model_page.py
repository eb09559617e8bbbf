"""Collects what the page of a model shows, and what a comparison shows of it."""

from __future__ import annotations

from collections.abc import Iterator

from localreg.blobs.headers.facts_text import rows
from localreg.operations.finding.references import require_model
from localreg.operations.finding.upstream import Found, id_text, model_row
from localreg.operations.models.conflicts import (
    Conflicts,
    ambiguous_text,
    claimant_text,
    conflicts,
    contested_text,
    settling_command,
)
from localreg.operations.models.details import at_remotes, holder_of, where_text
from localreg.operations.models.history import HistoryEntry, history, number_of_changes
from localreg.operations.models.lineage import Family, lineage
from localreg.operations.models.written_card import CARD, README, written_card
from localreg.operations.reports.dataset_page import as_dataset, dataset_refs, is_dataset
from localreg.operations.reports.page_links import Site
from localreg.operations.trust.gates import gates_of
from localreg.operations.trust.shown import shown_signatures, trust_text
from localreg.operations.weights.contested import publication_text
from localreg.operations.weights.files import Files, file_counts, package_files
from localreg.pages.page_values import (
    Card,
    Change,
    Conflict,
    Fact,
    Lineage,
    Link,
    ModelPage,
    Node,
    PageFile,
    Reported,
    Version,
)
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows, model_rows, task_rows
from localreg.store.rows.checked_values import taken_apart
from localreg.store.rows.model_rows import Connection
from localreg.values.frozen import Frozen
from localreg.values.records import ModelRecord, WeightsRecord, shown_aliases
from localreg.values.secrets import masked, masked_config, masked_text
from localreg.values.units import amount_text, is_known, moment, size_text, when
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILES = 100  # that a page lists at most
VERSIONS = 200
CHANGES = 200  # of the history


def model_values(chain: Chain, registry: OpenRegistry, model_id: str, site: Site) -> ModelPage:
    """Return what the page of a model shows, without the reports."""
    changes = history(registry, model_id, CHANGES)
    more = max(0, number_of_changes(registry, model_id) - CHANGES)
    with registry.store.read() as connection:
        row = require_model(connection, model_id)
        record = model_rows.current_record(connection, model_id)
        assert record is not None
        card = _card(chain, registry, record)
        weights = record.current_weights
        blob = blob_rows.blob(connection, weights.digest or "")
        package = weights.digest if weights.tree else None
        count = file_counts(chain, [package]).get(package) if package else None
        files = package_files(chain, package, FILES) if package else None
        family = lineage(chain, Found(registry, model_id))
        signatures = shown_signatures(chain, Found(registry, model_id))
        signed = ("signed",) if signatures.signers else ()
        page = ModelPage(
            id=record.id,
            ref=record.ref,
            name=record.name,
            project=site.project(record.project.name) if record.project else None,
            version=row.version,
            states=(*_states(record), *signed),
            aliases=record.shown_aliases,
            tags=record.tags,
            comment=masked_text(record.comment or "") or None,
            facts=(*_facts(chain, registry, record, site), *_gates(chain, registry, record)),
            weights=(
                *_weights(chain, registry, model_id, weights, blob, count),
                *(Fact(name, value) for name, value in signatures.facts),
            ),
            inside=tuple(_inside(blob)),
            files=tuple(_files(files)) if files else (),
            more_files=max(0, (count or 0) - len(files.files)) if files else 0,
            metadata=tuple(
                (key, masked(key, each.value), each.type)
                for key, each in record.metadata.items()
                if key != CARD  # it is shown as the card
            ),
            labels=tuple(sorted(record.labels.items(), key=lambda item: item[1])),
            config=masked_config(record.config),
            versions=tuple(_versions(connection, record, site)),
            lineage=lineage_values(chain, family, model_id, site),
            history=tuple(history_line(each) for each in changes),
            more_history=more,
            reported=Reported(),
            conflicts=tuple(_conflicts(conflicts(registry, model_id), record, site)),
            card=card,
            **_made_by(connection, record, site),
        )
    if is_dataset(record.system_tags):
        return as_dataset(chain, Found(registry, model_id), page, site)
    return page


def _card(chain: Chain, registry: OpenRegistry, record: ModelRecord) -> Card | None:
    written = written_card(chain, registry, record)
    if written is None:
        return None
    sources = {CARD: "from its metadata", README: f"from {README} in its files"}
    return Card(written.head, written.text, sources[written.source])


def _made_by(connection: Connection, record: ModelRecord, site: Site) -> dict[str, Any]:
    """Return the task that made a model, and its parameters; {} if it is not in this registry."""
    task = task_rows.task(connection, record.task) if record.task else None
    if task is None:
        return {}
    return {
        "maker": Link(task.name, site.page("task", task.id)),
        "parameters": tuple(
            (section, name, masked(name, value))
            for section, name, value, _ in task_rows.parameters(connection, task.id)
        ),
    }


def history_line(entry: HistoryEntry) -> Change:
    """Return a change as a line of a page."""
    outcome = entry.outcome if entry.outcome in ("lost", "kept") else None
    at = f"{entry.at:%Y-%m-%d %H:%M:%S}" if is_known(round(entry.at.timestamp() * 1e6)) else ""
    return Change(at, entry.actor, entry.text, outcome)


def _conflicts(found: Conflicts, record: ModelRecord, site: Site) -> Iterator[Conflict]:
    if found.publications:
        yield Conflict(
            "contested",
            contested_text(found),
            tuple(Link(publication_text(each)) for each in found.publications),
            f"localreg publish {record.id}",
        )
    if found.claimants:
        sides = tuple(
            Link(
                claimant_text(each),
                None if each.id == record.id else site.page("model", each.id),
            )
            for each in found.claimants
        )
        yield Conflict(
            "ambiguous",
            ambiguous_text(record.ref, found),
            sides,
            settling_command(record.ref, found),
        )


def _states(record: ModelRecord) -> tuple[str, ...]:
    states = (
        ("published", record.published),
        ("archived", record.archived),
        ("package", record.package),
        ("contested", record.contested),
    )
    return tuple(name for name, is_set in states if is_set)


def _facts(chain: Chain, registry: OpenRegistry, record: ModelRecord, site: Site) -> Iterator[Fact]:
    if record.framework:
        yield Fact("framework", record.framework)
    if record.task:
        with registry.store.read() as connection:
            task = task_rows.task(connection, record.task)
        name = task.name if task else id_text(chain, record.task)
        yield Fact("made by task", name, site.page("task", record.task))
    if record.parent:
        parent = model_row(chain, record.parent)
        text = parent[1].ref if parent else id_text(chain, record.parent)
        yield Fact("parent", text, site.page("model", record.parent))
    if record.system_tags:
        yield Fact("system tags", ", ".join(record.system_tags))
    yield Fact("created", when(record.created))
    yield Fact("updated", when(record.updated))
    yield Fact("id", record.id)


def _gates(chain: Chain, registry: OpenRegistry, record: ModelRecord) -> Iterator[Fact]:
    if record.aliases:
        for alias, gate in gates_of(chain, Found(registry, record.id)).items():
            yield Fact(f"gate of {alias}", gate.text)


def _weights(
    chain: Chain,
    registry: OpenRegistry,
    model_id: str,
    weights: WeightsRecord,
    blob: blob_rows.BlobRow | None,
    files: int | None,
) -> Iterator[Fact]:
    if weights.filename:
        yield Fact("folder" if weights.tree else "file", weights.filename)
    if weights.bytes is not None:
        yield Fact("size", f"{amount_text(weights.bytes, files)} ({weights.bytes:,} bytes)")
    if weights.digest:
        yield Fact("sha256", weights.digest)
        remotes, lacking = at_remotes(chain, registry, weights.digest)
        holding = holder_of(chain, weights, weights.digest, remotes)
        held = holding == registry
        upstream = None if holding is None or held else "an upstream registry"
        is_upstream = blob is not None and blob.upstream is not None
        # Pages are copied elsewhere, so they name no folder.
        lost = f"{lacking} should have them, and does not" if lacking else None
        lost = "an upstream registry should have them" if is_upstream else lost
        where = where_text(weights, held=held, upstream=upstream, remotes=remotes, lost=lost)
        yield Fact("where", where)
        if held and blob is not None and blob.verified:
            yield Fact("verified", f"{moment(blob.verified)} UTC")
    elif weights.url:
        yield Fact("where", "referenced, not read yet")
    trust = trust_text(chain, Found(registry, model_id), weights)
    if trust is not None:
        yield Fact("trust", trust)
    if weights.pinned and weights.pinned != weights.digest:
        yield Fact("expected sha256", weights.pinned)
    if weights.url:
        yield Fact("url", public_url(weights.url))


def _inside(blob: blob_rows.BlobRow | None) -> Iterator[Fact]:
    if blob is None or not blob.facts:
        return
    with taken_apart("blob", blob.digest, "facts"):
        found = rows(blob.facts)
    for name, value in found:
        yield Fact(name, value)


def _files(found: Files) -> Iterator[PageFile]:
    for each in found.files:
        yield PageFile(each.path, size_text(each.size), each.digest, each.summary)
    for folder in found.folders:
        yield PageFile(f"{folder}/", "", "", "empty folder")


def _versions(connection: Connection, record: ModelRecord, site: Site) -> Iterator[Version]:
    for model_id, version, created in model_rows.line(connection, record.id, VERSIONS):
        here = model_id == record.id
        yield Version(
            link=Link(f"{version}", None if here else site.page("model", model_id)),
            aliases=shown_aliases(*model_rows.aliases_and_held(connection, model_id)),
            created=moment(created) if is_known(created) else "",
            here=here,
        )


def lineage_values(chain: Chain, found: Family, here: str, site: Site) -> Lineage:
    """Return a lineage for a page to draw, empty for a model without relatives."""
    if len(found.members) == 1:
        return Lineage((), ())
    refs = dataset_refs(chain, [each.id for each in found.members if each.kind == "model"])
    first = min(member.distance for member in found.members)
    nodes = tuple(
        Node(
            key=each.id,
            kind="data set" if each.id in refs else each.kind,
            link=Link(
                refs.get(each.id, each.text),
                None if each.id == here else site.page(each.kind, each.id),
            ),
            column=each.distance - first,
            here=each.id == here,
        )
        for each in found.members
    )
    return Lineage(nodes, found.relations)


class Described(Frozen):
    """A model or task in short, for a comparison.

    Attributes:
        link: to its page.
        facts: texts by name; "" where it lacks a fact.
        metadata: texts by key.
        configs: texts of its configurations by name; that of a model has the name "".
        task: id of the task that made it, or None.
    """

    link: Link
    facts: dict[str, str]
    metadata: dict[str, str]
    configs: dict[str, str]
    task: str | None


def described_model(chain: Chain, registry: OpenRegistry, model_id: str, site: Site) -> Described:
    """Return what a comparison shows of a model itself, without its reports."""
    with registry.store.read() as connection:
        require_model(connection, model_id)
        record = model_rows.current_record(connection, model_id)
        assert record is not None
        weights = record.current_weights
        blob = blob_rows.blob(connection, weights.digest or "")
    package = weights.digest if weights.tree else None
    count = file_counts(chain, [package]).get(package) if package else None
    facts = (
        *_facts(chain, registry, record, site),
        *_weights(chain, registry, model_id, weights, blob, count),
        *(Fact(*each) for each in shown_signatures(chain, Found(registry, model_id)).facts),
    )
    labels = sorted(record.labels.items(), key=lambda item: item[1])
    return Described(
        link=Link(record.ref, site.page("model", model_id)),
        facts={
            "state": ", ".join(_states(record)),
            "aliases": ", ".join(record.aliases),
            "tags": ", ".join(record.tags),
            "comment": masked_text(record.comment or ""),
            "labels": ", ".join(f"{number} {label}" for label, number in labels),
        }
        | {each.name: each.value for each in facts if each.name != "id"},
        metadata={key: masked(key, each.value) for key, each in record.metadata.items()},
        configs={"": record.config} if record.config else {},
        task=record.task,
    )
