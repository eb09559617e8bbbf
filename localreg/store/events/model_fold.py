"""Apply the events of projects, models and aliases to a state; see fold.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from localreg.values.metadata import number_of
from localreg.values.records import Json, LoggedEvent, StateChange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.rows.state import State

Applied = StateChange | LoggedEvent

MODEL_COLUMNS = frozenset({"comment", "archived", "package", "framework", "task", "parent"})


def project_created(state: State, event: Applied) -> None:
    """Insert a project; if there is one of this name, it has another id now."""
    project = {"id": event.subject, "name": event.payload["name"]}
    state.add_project_id(event.subject, state.project(project, event.at))


def created(state: State, event: Applied) -> None:
    """Insert a model; if it has a row, that one keeps its key."""
    born, subject = event.payload, event.subject
    project = state.project(born["project"], event.at)
    state.claim(project, born["name"], born["version"], subject, event.event_id)
    state.create(
        "model",
        subject,
        (
            born["name"], project, born["version"], born["comment"], born["framework"],
            born["package"], born["published"], False, born["archived"], born["task"],
            born["parent"], event.at, event.at, event.stamp, event.stamp,
        ),
    )  # fmt: skip
    if born["config"] or born["labels"]:
        state.put("design", subject, (), (born["config"], _labels(born["labels"])))
    state.born_with("model", subject, born["tags"], False, event.stamp)
    state.born_with("model", subject, born["system_tags"], True, event.stamp)
    metadata = born["metadata"].items()
    state.put_all("metadata", subject, {(key,): (*new, number_of(new[0])) for key, new in metadata})
    for weights in born["weights"]:
        _insert_weights(state, subject, subject, weights, current=weights["current"])


def removed(state: State, event: Applied) -> None:
    """Delete a model, and insert a tombstone."""
    state.bury(event.subject, event.stamp)


def restored(state: State, event: Applied) -> None:
    """Delete the tombstone of a model, whose unit is folded again."""
    state.unbury(event.subject)


def published(state: State, event: Applied) -> None:
    """Publish a model: the weights and the design that the event names are fixed."""
    state.change("model", event.subject, {"published": 1, "contested": 0})
    fix(state, event.subject, event.payload)


def fix(state: State, model_id: str, publication: Json) -> None:
    """Give a model the weights and the design of a publication."""
    if publication["revision"] is not None:
        state.serve(model_id, publication["revision"])
    _set_design(state, model_id, publication)


def changed(state: State, event: Applied) -> None:
    """Set one column of a model."""
    if event.field in MODEL_COLUMNS:
        state.change("model", event.subject, {str(event.field): event.payload["new"]})


def moved(state: State, event: Applied) -> None:
    """Give a model another project, name or number."""
    new = event.payload["new"]
    project = state.project(new["project"], event.at)
    columns = {"project": project, "name": new["name"], "version": new["version"]}
    state.change("model", event.subject, columns)


def claimed(state: State, event: Applied) -> None:
    """Record the claims of an event that moves or renumbers, whether it is in effect or lost."""
    old, new = event.payload["old"], event.payload["new"]
    if event.kind == "model.renumbered":
        project = state.project(old["project"], event.at)
        state.release(project, old["name"], old["version"], event.subject)
    project = state.project(new["project"], event.at)
    state.claim(project, new["name"], new["version"], event.subject, event.event_id)


def released(state: State, event: Applied) -> None:
    """Free the number that a model claims."""
    line = event.payload
    project = state.project(line["project"], event.at)
    state.release(project, line["name"], line["version"], event.subject)


def tagged(state: State, event: Applied) -> None:
    """Add a tag, or drop its additions that the event saw."""
    tag = state.tag(str(event.field), event.payload["system"])
    if event.payload["new"]:
        state.add_tag("model", event.subject, tag, event.event_id)
    else:
        state.drop_tag("model", event.subject, tag, event.payload["adds"])


def described(state: State, event: Applied) -> None:
    """Set or drop a metadata entry."""
    new = event.payload["new"]
    if new is None:
        state.drop("metadata", event.subject, (event.field,))
    else:
        state.put("metadata", event.subject, (event.field,), (*new, number_of(new[0])))


def alias_set(state: State, event: Applied) -> None:
    """Point an alias at a model, or at none."""
    payload = event.payload
    project = state.project_named(payload["project"], event.at)
    passed = payload.get("gate"), payload.get("override")
    state.point_alias(project, payload["name"], str(event.field), payload["new"], passed)


def alias_protected(state: State, event: Applied) -> None:
    """Give an alias a gate, another one, or none."""
    payload = event.payload
    project = state.project_named(payload["project"], event.at)
    gate = None if payload["new"] is None else (_texts(payload["new"]), event.event_id)
    state.set_gate(project, payload["name"], str(event.field), gate)


def alias_named(state: State, event: Applied) -> None:
    """Record which models an alias event names, whether it is in effect or lost."""
    for model_id in sorted({event.payload["old"], event.payload["new"]} - {None}):
        state.name_in_alias_event(model_id, event.event_id)


def signed(state: State, event: Applied) -> None:
    """Record a signature of the weights of a model."""
    payload = event.payload
    blob = state.blob(payload["signature"], payload["size"], None, event.at)
    state.put(
        "signature",
        event.subject,
        (event.event_id,),
        (payload["digest"], blob, payload["signer"], event.at),
    )


def weights_served(state: State, event: Applied) -> None:
    """Set the bytes that the URL of a revision served."""
    _set_bytes(state, event, event.payload["new"])


def weights_kept(state: State, event: Applied) -> None:
    """Set the bytes of a revision that the registry only pointed to, and keeps from now on."""
    _set_bytes(state, event, event.payload["digest"])
    state.change_weights(event.subject, event.payload["revision"], {"kept": 1})


def _set_bytes(state: State, event: Applied, digest: str) -> None:
    """Set what a revision consists of."""
    new = event.payload
    state.change_weights(
        event.subject,
        new["revision"],
        {
            "blob": state.blob(digest, new["size"], new["total"], event.at),
            "filename": new["filename"],
            "tree": new["tree"],
            "archive": new["archive"],
            "archive_size": new["archive_size"],
        },
    )


def designed(state: State, event: Applied) -> None:
    """Set the configuration and the label enumeration of a model."""
    _set_design(state, event.subject, event.payload["new"])


def _set_design(state: State, model_id: str, new: Json) -> None:
    if new["config"] or new["labels"]:
        state.put("design", model_id, (), (new["config"], _labels(new["labels"])))
    else:
        state.drop("design", model_id, ())


def weights_added(state: State, event: Applied) -> None:
    """Insert a revision of a model's weights, and make it the current one."""
    weights_not_served(state, event)
    state.serve(event.subject, event.event_id)


def weights_not_served(state: State, event: Applied) -> None:
    """Insert a revision of a model's weights that is kept, but not the current one."""
    new = event.payload["new"]
    _insert_weights(state, event.subject, event.event_id, new, current=False)


def weights_chosen(state: State, event: Applied) -> None:
    """Make another revision of a model's weights the current one."""
    state.serve(event.subject, event.payload["new"]["revision"])


def weights_dropped(state: State, event: Applied) -> None:
    """Delete a revision of a model's weights."""
    state.drop("weights", event.subject, (event.payload["revision"],))


def weights_uploaded(state: State, event: Applied) -> None:
    """Set the URL a revision was uploaded to; the registry need not keep its bytes any more.

    A package was uploaded as an archive.
    """
    payload = event.payload
    revision = payload["revision"]
    state.change_weights(
        event.subject,
        revision,
        {
            "url": state.real_url(revision, payload["url"]),
            "uploaded": payload.get("made", True),
            "archive": payload["archive"],
            "archive_size": payload["archive_size"],
            "kept": 0,
        },
    )


def _insert_weights(
    state: State, model_id: str, revision: str, weights: Json, *, current: bool
) -> None:
    blob = state.blob(weights["digest"], weights["size"], weights["total"], weights["at"])
    values = (
        weights["revision"], state.real_url(revision, weights["url"]), blob, weights["filename"],
        weights["pinned"], weights["kept"], weights["uploaded"], current, weights["package"],
        weights["tree"], weights["archive"], weights["archive_size"], weights["at"],
    )  # fmt: skip
    state.put("weights", model_id, (revision,), values)


def _texts(texts: Sequence[str]) -> str:
    return json.dumps(texts, ensure_ascii=False)


def _labels(labels: Mapping[str, int]) -> str:
    return json.dumps(dict(labels), ensure_ascii=False, sort_keys=True)
