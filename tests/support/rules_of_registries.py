"""Compare a registry with the small model of the rules, folded over the registry's own events."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from carry.rules_model import Event, Unit, View, is_alias, project_name


def events_of(connection):
    """Return the events of a registry in the order of their arrival, positions and outcomes."""
    rows = connection.execute(
        "SELECT e.event_id, o.id, e.seq, e.lamport, e.at, e.kind, e.subject, e.field, e.payload, "
        "e.position, e.outcome FROM event e JOIN origin o ON o.pk = e.origin ORDER BY e.pk"
    ).fetchall()
    events = [Event(*row[:8], json.loads(row[8])) for row in rows]
    positions = {row[0]: row[9] for row in rows if row[9] is not None}
    return events, positions, {row[0]: row[10] for row in rows}


def check_by_rules(root):
    """Check that a registry shows what the rules make of its events; return their view of it."""
    with closing(sqlite3.connect(Path(root) / "registry.db")) as connection:
        events, positions, outcomes = events_of(connection)
        view = View(events, positions)
        shown = shown_by(connection)
    expected = {
        "outcomes": view.outcomes(),
        "models": {},
        "removed": {},
        "claims": {},
        "aliases": {},
        "gates": {},
        "tasks": {},
        "projects": {},
        "writers": {},
    }
    for name, unit in view.units.items():
        first = view.events[name][0]
        for register, each in unit.registers.items():
            writers = {str(writer) for writer in each.writers | each.before}
            if each.writers and writers - {name, "None"}:
                expected["writers"][name, name_of(register)] = writers - {"None"}
        if first.kind == "project.created":
            expected["projects"][first.payload["name"]] = view.project_ids(first.payload["name"])[0]
        elif is_alias(view.events[name]):
            line = project_name(first.payload["project"]), first.payload["name"], first.field
            if unit.value("alias") is not None:
                expected["aliases"][line] = unit.value("alias"), unit.passed
            if unit.gate is not None:
                expected["gates"][line] = unit.value("gate"), unit.gate
        elif first.kind == "task.created":
            if not unit.removed:
                expected["tasks"][name] = task_of(unit)
        else:
            for number in unit.numbers:
                expected["claims"][*number, name] = number in unit.claims
            if unit.removed:
                expected["removed"][name] = unit.value("line")
            else:
                expected["models"][name] = model_of(unit)
    shown["outcomes"] = outcomes
    for name in shown["projects"].keys() - expected["projects"].keys():
        del shown["projects"][name]  # only a model came of it
    for claim, live in shown["claims"].items():
        model = shown["models"].get(claim[3])
        shown["claims"][claim] = live or (model is not None and model["line"] == claim[:3])
    differences = [
        (part, key, "shown", shown[part].get(key), "by the rules", expected[part].get(key))
        for part in expected
        for key in shown[part].keys() | expected[part].keys()
        if shown[part].get(key, "absent") != expected[part].get(key, "absent")
    ]
    assert not differences, "\n".join(map(str, differences[:5])) + text_of(view, differences)
    return view


def name_of(register):
    """Return the name of a register in the product."""
    kind, blank, name = register.partition(" ")
    if blank:
        return f"{kind}/{name}"
    whole = ("line", "design", "served", "state", "alias", "gate", "run", "project")
    return register if register in whole else f"column/{register}"


def text_of(view: View, differences) -> str:
    """Return the events of the units that differ, for a message."""
    keys = {key[0] if part == "writers" else key for part, key, *_ in differences}
    lines = []
    for name, events in view.events.items():
        if name in keys or keys & {each.id for each in events} or keys & {(name,)}:
            for each in events:
                outcome = view.outcome(each)
                lines.append(
                    f"{each.lamport} {each.id[:6]} {each.kind} {each.field} {each.subject[:6]} "
                    f"{outcome} {json.dumps(each.payload)[:300]}"
                )
    return "\n" + "\n".join(lines[:60])


def model_of(unit: Unit):
    """Return what the rules say of a model."""
    created = unit.created
    keys = {*created.payload["metadata"], *_named(unit, "metadata ")}
    values = {key: unit.value(f"metadata {key}") for key in keys}
    found = {key: unit.value(key) for key in ("comment", "framework", "task", "parent")}
    design = unit.value("design")
    return found | {
        "line": unit.value("line"),
        "archived": bool(unit.value("archived")),
        "tags": sorted(unit.tags),
        "metadata": {key: value for key, value in values.items() if value is not None},
        "design": (design["config"], design["labels"]),
        "revisions": {each: unit.value(f"bytes {each}") for each in sorted(unit.revisions)},
        "served": unit.value("served"),
        "published": bool(unit.publications),
        "contested": unit.contested,
        "signatures": {key: list(each) for key, each in unit.signatures.items()},
    }


def task_of(unit: Unit):
    """Return what the rules say of a task."""
    found = {key: unit.value(key) for key in ("name", "type", "comment", "parent", "state")}
    several = {
        kind: {
            key: unit.value(f"{kind} {key}")
            for key in _named(unit, f"{kind} ")
            if unit.value(f"{kind} {key}") is not None
        }
        for kind in ("parameter", "configuration", "artifact", "input", "output")
    }
    several["artifact"] = {key: each["digest"] for key, each in several["artifact"].items()}
    design = unit.value("design") or {"config": "", "labels": {}}
    return found | several | {
        "published": bool(unit.value("published")),
        "run": unit.value("run") or {},
        "project": unit.value("project"),
        "tags": sorted(tag for tag, _ in unit.tags),
        "design": (design["config"], design["labels"]),
    }  # fmt: skip


def _named(unit, prefix):
    return [each.removeprefix(prefix) for each in unit.registers if each.startswith(prefix)]


def shown_by(connection):
    """Return what a registry shows, in the form of `check_by_rules`."""

    def rows(sql, *parameters):
        return connection.execute(sql, parameters).fetchall()

    def grouped(sql):
        found = {}
        for owner, *values in rows(sql):
            found.setdefault(owner, []).append(tuple(values))
        return found

    tags = grouped("SELECT x.model, t.name, t.system FROM model_tag x JOIN tag t ON t.pk = x.tag")
    metadata = grouped("SELECT model, key, value, type FROM metadata")
    designs = grouped("SELECT model, config, labels FROM design")
    weights = grouped(
        "SELECT w.model, w.id, b.digest, w.current FROM weights w LEFT JOIN blob b ON b.pk = w.blob"
    )
    signatures = grouped(
        "SELECT s.model, s.id, s.digest, b.digest, s.signer FROM signature s "
        "JOIN blob b ON b.pk = s.blob"
    )
    models = {}
    for pk, key, project, name, version, *columns in rows(
        "SELECT m.pk, m.id, p.name, m.name, m.version, m.comment, m.framework, m.task, m.parent, "
        "m.archived, m.published, m.contested FROM model m JOIN project p ON p.pk = m.project"
    ):
        revisions = weights.get(pk, [])
        served = [(each, digest) for each, digest, current in revisions if current]
        design = designs.get(pk, [("", "{}")])[0]
        models[key] = {
            **dict(zip(("comment", "framework", "task", "parent"), columns, strict=False)),
            "line": (project, name, version),
            "archived": bool(columns[4]),
            "tags": sorted((tag, bool(system)) for tag, system in tags.get(pk, [])),
            "metadata": {each: [value, type_] for each, value, type_ in metadata.get(pk, [])},
            "design": (design[0], json.loads(design[1])),
            "revisions": {each: digest for each, digest, _ in sorted(revisions)},
            "served": served[0][0] if served else None,
            "published": bool(columns[5]),
            "contested": bool(columns[6]),
            "signatures": {each: values for each, *values in signatures.get(pk, [])},
        }
    found = {"models": models, "tasks": _tasks(rows, grouped)}
    found["removed"] = {
        key: tuple(place)
        for key, *place in rows(
            "SELECT t.id, p.name, t.name, t.version FROM tombstone t "
            "JOIN project p ON p.pk = t.project"
        )
    }
    found["claims"] = {
        (project, name, number, model): not released
        for project, name, number, model, released in rows(
            "SELECT p.name, c.name, c.number, c.model, c.released FROM claim c "
            "JOIN project p ON p.pk = c.project"
        )
    }
    found["aliases"] = {
        tuple(place): (model, gate)
        for model, gate, *place in rows(
            "SELECT a.model, a.gate, p.name, a.name, a.alias FROM alias a "
            "JOIN project p ON p.pk = a.project"
        )
    }
    found["gates"] = {
        tuple(place): (json.loads(conditions), event)
        for conditions, event, *place in rows(
            "SELECT g.conditions, g.event, p.name, g.name, g.alias FROM gate g "
            "JOIN project p ON p.pk = g.project"
        )
    }
    found["writers"] = {
        (subject, register): set(events.split())
        for subject, register, events in rows("SELECT subject, register, events FROM writer")
    }
    found["projects"] = dict(rows("SELECT name, id FROM project WHERE pk > 0"))
    return found


def _tasks(rows, grouped):
    tags = grouped("SELECT x.task, t.name FROM task_tag x JOIN tag t ON t.pk = x.tag")
    designs = grouped("SELECT task, config, labels FROM task_design")
    parameters = grouped("SELECT task, section, name, value, type FROM parameter")
    texts = grouped("SELECT task, name, text FROM configuration")
    artifacts = grouped(
        "SELECT a.task, a.name, b.digest FROM artifact a JOIN blob b ON b.pk = a.blob"
    )
    models = grouped("SELECT task, role, name, model FROM task_model")
    found = {}
    for pk, key, project, name, type_, comment, parent, run, published, *state in rows(
        "SELECT t.pk, t.id, p.name, t.name, t.type, t.comment, t.parent, t.run, t.published, "
        "t.status, t.reason, t.ended FROM task t JOIN project p ON p.pk = t.project"
    ):
        design = designs.get(pk, [("", "{}")])[0]
        entries = models.get(pk, [])
        found[key] = {
            "name": name,
            "type": type_,
            "comment": comment,
            "parent": parent,
            "state": dict(zip(("status", "reason", "ended"), state, strict=True)),
            "parameter": {f"{s}/{n}": [*value] for s, n, *value in parameters.get(pk, [])},
            "configuration": {each: [text] for each, text in texts.get(pk, [])},
            "artifact": dict(artifacts.get(pk, [])),
            "input": {each: model for role, each, model in entries if role == "input"},
            "output": {each: model for role, each, model in entries if role == "output"},
            "published": bool(published),
            "run": json.loads(run),
            "project": project,
            "tags": sorted(tag for (tag,) in tags.get(pk, [])),
            "design": (design[0], json.loads(design[1])),
        }
    return found
