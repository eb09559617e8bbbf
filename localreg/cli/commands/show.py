"""Show one model."""

from __future__ import annotations

import click

from localreg.cli.columns import metrics_text, parameters_text, values_json, values_of
from localreg.cli.output import (
    AS_JSON,
    AS_OF,
    IN_REGISTRY,
    MODEL,
    iso,
    model_json,
    model_state,
    opened,
    print_facts,
    print_json,
    record_json,
    signatures_json,
)
from localreg.operations.finding.references import resolve_model
from localreg.operations.finding.upstream import Found, id_text, uses
from localreg.operations.finding.values import Values, model_values
from localreg.operations.models import reading
from localreg.operations.models.conflicts import (
    Conflicts,
    ambiguous_text,
    claimant_text,
    conflicts,
    contested_text,
    settling_command,
)
from localreg.operations.models.details import Details, model_details, where_text
from localreg.operations.trust.gates import gates_of
from localreg.operations.trust.shown import shown_signatures, trust_text
from localreg.operations.weights.contested import publication_text
from localreg.registry import Chain, OpenRegistry
from localreg.values.records import Json, ModelRecord
from localreg.values.secrets import masked, masked_config, masked_text
from localreg.values.units import amount_text, moment, when
from localreg.values.urls import public_url

MOST = 10  # versions


@click.command("show")
@MODEL
@AS_JSON
@AS_OF
@IN_REGISTRY
def show_command(model: str, as_json: bool, as_of: str | None, directory: str | None) -> None:
    """Show everything about a MODEL."""
    with opened(directory, as_of=as_of) as chain:
        found = resolve_model(chain, model)
        details = model_details(chain, found)
        signatures = shown_signatures(chain, found)
        tasks = uses(chain, found.id)
        if as_json:
            on_tasks = [
                {"task": task, "task_name": name, "role": role, "name": entry}
                for task, name, role, entry in tasks
            ]
            values = model_json(details.record, found.registry)
            more = {"files": details.files, "inside": details.facts, "tasks": on_tasks}
            line = reading.versions(found, MOST)
            print_json(
                values
                | values_json(_values(found))
                | more
                | {"line": [record_json(each) for each in line.aliases]}
                | _conflicts_json(found)
                | {"gates": _gates_json(chain, found)}
                | {"signatures": signatures_json(signatures)}
            )
            return
        lines = (f"{role} {entry!r} of {name} ({task[:8]})" for task, name, role, entry in tasks)
        facts = _facts(chain, found.registry, details)
        place = [name for name, _ in facts].index("metadata")
        facts[place:place] = _reported(found, details.record.task)
        place = [name for name, _ in facts].index("weights") + 1
        trust = None if signatures.signers else trust_text(chain, found, details.weights)
        facts[place:place] = [*signatures.facts, ("trust", trust or "")]
        print_facts([*facts, ("tasks", "\n".join(lines)), ("versions", _versions(found))])


def _values(found: Found) -> Values:
    return values_of([found], model_values)[0]


def _reported(found: Found, task: str | None) -> list[tuple[str, str]]:
    """Return metrics and parameters, which the model or the task that made it has."""
    values = _values(found)
    return [
        ("metrics", metrics_text(values, f"localreg scalars {found.id[:8]}")),
        ("parameters", parameters_text(values, f"localreg task show {(task or '')[:8]}")),
    ]


def _versions(found: Found) -> str:
    """Return the newest versions with their aliases; "" if there is only one."""
    line = reading.versions(found, MOST + 1)
    if len(line.newest) < 2 and len(line.aliases) < 2:
        return ""
    aliased = {each.id: (each.id, each.version) for each in line.aliases}
    shown = {id_: (id_, version) for id_, version in line.newest[:MOST]} | aliased
    names: dict[str, list[str]] = {}
    for each in line.aliases:
        names.setdefault(each.id, []).append(f"@{each.alias}{'(held)' if each.held else ''}")
    names.setdefault(found.id, []).append("(this one)")
    lines = [
        " ".join([f":{version}", id_[:8], *names.get(id_, [])])
        for id_, version in sorted(shown.values(), key=lambda each: each[1], reverse=True)
    ]
    more = ["older ones too"] if len(line.newest) > MOST else []
    return "\n".join([*lines, *more])


def _facts(chain: Chain, registry: OpenRegistry, details: Details) -> list[tuple[str, str]]:
    record, url = details.record, details.weights.url
    found = conflicts(registry, record.id)
    gates = gates_of(chain, Found(registry, record.id)) if record.aliases else {}
    return [
        ("model", record.ref),
        ("id", record.id),
        ("state", model_state(record) or "draft"),
        ("contested", _contested(record, found)),
        ("ambiguous", _ambiguous(record, found)),
        ("aliases", " ".join(record.shown_aliases)),
        ("gates", "\n".join(f"{alias} {gate.text}" for alias, gate in gates.items())),
        ("tags", " ".join(record.tags)),
        ("system tags", " ".join(record.system_tags)),
        ("framework", record.framework or ""),
        ("comment", masked_text(record.comment or "")),
        ("url", public_url(url) if url else ""),
        ("weights", _weights(registry, details)),
        ("inside", "\n".join(details.inside)),
        ("package", "yes" if record.package and not details.weights.tree else ""),
        (
            "metadata",
            "\n".join(
                f"{key} = {masked(key, each.value)}" for key, each in record.metadata.items()
            ),
        ),
        ("labels", "\n".join(f"{value} {label}" for label, value in record.labels.items())),
        ("configuration", masked_config(record.config.rstrip("\n"))),
        ("made by task", id_text(chain, record.task) if record.task else ""),
        ("parent", id_text(chain, record.parent) if record.parent else ""),
        ("created", when(record.created)),
        ("updated", when(record.updated)),
    ]


def _gates_json(chain: Chain, found: Found) -> list[Json]:
    return [
        {
            "alias": alias,
            "require": list(gate.conditions),
            "held": gate.held,
            "missing": list(gate.missing),
            "override": gate.override,
        }
        for alias, gate in gates_of(chain, found).items()
    ]


def _conflicts_json(found: Found) -> Json:
    of = conflicts(found.registry, found.id)
    return {
        "contested": [
            {
                "event": each.event_id,
                "at": iso(each.at),
                "actor": each.actor,
                "origin": each.origin,
                "digest": each.digest,
            }
            for each in of.publications
        ],
        "ambiguous": [
            {
                "id": each.id,
                "at": None if each.at is None else iso(each.at),
                "origin": each.origin,
                "digest": each.digest,
                "here": each.here,
            }
            for each in of.claimants
        ],
    }


def _contested(record: ModelRecord, found: Conflicts) -> str:
    if not found.publications:
        return ""
    sides = map(publication_text, found.publications)
    return "\n".join([f"{contested_text(found)}: `localreg publish {record.id}`", *sides])


def _ambiguous(record: ModelRecord, found: Conflicts) -> str:
    if not found.claimants:
        return ""
    sides = map(claimant_text, found.claimants)
    command = settling_command(record.ref, found)
    text = ambiguous_text(record.ref, found)
    return "\n".join([f"{text}: `{command}`", *sides])


def _weights(registry: OpenRegistry, details: Details) -> str:
    weights = details.weights
    if weights.digest is None:
        where = "referenced, not read yet" if weights.url else "none"
        return where + (f"\nexpected sha256 {weights.pinned}" if weights.pinned else "")
    held = details.holder == registry
    where = where_text(
        weights,
        held=held,
        upstream=f"the registry {details.holder.root}" if details.holder and not held else None,
        remotes=details.remotes,
        lost=details.missing,
    )
    if held and details.verified:
        where += f", verified {moment(details.verified)}"
    amount = amount_text(weights.bytes, details.files)
    pinned = " (pinned)" if weights.pinned else ""
    return f"sha256 {weights.digest}{pinned}\n{amount}, {where}"
