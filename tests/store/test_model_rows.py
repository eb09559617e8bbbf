"""A model is complete in its event and in its rows, and can be read back from both."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg.registry import open_registry
from localreg.store.events import refolding
from localreg.store.rows import bulk_rows, model_rows
from localreg.values.frozen import replace
from localreg.values.ids import alias_id, new_id
from localreg.values.records import (
    MetadataValue,
    ModelRecord,
    Project,
    WeightsRecord,
    model_from_payload,
    reference,
)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = text.filter(lambda name: "\0" not in name and name.strip())
ids = st.text("0123456789abcdef", min_size=32, max_size=32)
integers = st.integers(-(2**63) + 1, 2**63 - 1)
tags = st.lists(names, unique=True, max_size=4).map(sorted).map(tuple)
projects = st.none() | st.builds(Project, ids, names)
urls = names.map(lambda name: f"s3://bucket/{quote(name)}")
filenames = names.filter(lambda name: "/" not in name and name.strip("."))
metadata = st.dictionaries(names, st.builds(MetadataValue, text, text), max_size=4)


@st.composite
def weights(draw):
    """Draw the revisions of a model: numbered from 1, one current, with or without a digest."""
    count = draw(st.integers(0, 3))
    current = draw(st.integers(1, 3))
    revisions = []
    for revision in range(1, count + 1):
        digest = draw(st.none() | st.text("0123456789abcdef", min_size=64, max_size=64))
        revisions.append(
            WeightsRecord(
                id=draw(ids),
                revision=revision,
                url=draw(st.none() | urls),
                filename=draw(st.none() | filenames),
                digest=digest,
                size=None if digest is None else draw(st.integers(0, 2**63 - 1)),
                uploaded=draw(st.booleans()),
                current=revision == current,
                at=draw(st.integers(0, 2**53)),
            )
        )
    return tuple(revisions)


records = st.builds(
    ModelRecord,
    id=ids,
    name=names,
    project=projects,
    version=st.integers(1, 2**53),
    comment=st.none() | text,
    framework=st.none() | names,
    package=st.booleans(),
    published=st.booleans(),
    archived=st.booleans(),
    task=st.none() | ids,
    parent=st.none() | ids,
    created=st.integers(0, 2**53),
    config=text,
    labels=st.dictionaries(names, integers, max_size=4),
    tags=tags,
    system_tags=tags,
    metadata=metadata,
    aliases=tags,
    weights=weights(),
)


def through_json(payload):
    """Write and read a payload as the event log does."""
    return json.loads(json.dumps(payload, sort_keys=True, ensure_ascii=False, allow_nan=False))


@given(records)
def test_a_record_comes_back_from_its_payload(record):
    assert model_from_payload(record.id, through_json(record.payload())) == record


@given(records)
def test_a_payload_has_all_but_the_id_and_the_last_change(record):
    """Those are the subject, the time and the stamp of the event itself."""
    fields = {*ModelRecord.__slots__} - {"id", "updated", "stamp", "contested", "held"}
    assert record.payload().keys() == fields
    assert all(
        weights.keys() == {*WeightsRecord.__slots__} for weights in record.payload()["weights"]
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    registry = open_registry(tmp_path_factory.mktemp("records"), durability="fast")
    yield registry.store
    registry.close()


def record_as(change, kind, record):
    """Record an event with a complete model; return its stamp and time."""
    return change.record(kind, record.id, record.payload()), change.at


def with_place(change, record):
    """Return the record with new ids, in a project and with a parent that exist."""
    project = record.project and Project(new_id(), f"{record.project.name} {new_id()}")
    if project is not None:
        change.record("project.created", project.id, {"name": project.name})
    parent = record.parent and new_id()
    if parent is not None:
        origin = ModelRecord(id=parent, name="origin", version=1, labels={}, metadata={})
        record_as(change, "model.created", origin)
    made = new_id()
    name = f"{record.name} {made}"
    weights = record.weights[:1] and (replace(record.weights[0], id=made, current=True),)
    return replace(record, id=made, name=name, project=project, parent=parent, weights=weights)


def one_size(record):
    """Return the record with sizes computed from the digests: equal bytes, equal sizes."""
    return replace(
        record,
        weights=tuple(
            replace(each, size=each.digest and int(each.digest[:8], 16)) for each in record.weights
        ),
    )


@given(records.map(one_size))
def test_the_rows_of_a_created_model_are_complete(store, record):
    with store.write() as change:
        record = replace(with_place(change, record), aliases=())
        stamp, at = record_as(change, "model.created", record)
    with store.read() as connection:
        found = model_rows.record(connection, record.id)
    assert found == replace(record, created=at, updated=at, birth=stamp, stamp=stamp)


@given(records.map(one_size))
def test_the_rows_of_a_restored_model_are_complete(store, record):
    with store.write() as change:
        record = with_place(change, record)
        record_as(change, "model.created", record)
    with store.write() as change:
        for alias in record.aliases:
            project = record.project.name if record.project else ""
            key = alias_id(project, record.name, alias)
            payload = {"project": project, "name": record.name, "old": None, "new": record.id}
            change.record("alias.set", key, payload, field=alias)
    with store.write() as change:
        before = model_rows.record(change.connection, record.id)
        record_as(change, "model.removed", before)
        assert model_rows.record(change.connection, record.id) is None
    with store.write() as change:
        stamp, at = record_as(change, "model.restored", before)
    with store.read() as connection:
        after = model_rows.record(connection, record.id)
    assert before.aliases == record.aliases
    assert after == replace(before, updated=at, stamp=stamp)
    assert after.stamp > before.stamp


def test_refolding_gives_the_same_records(store):
    """Parents too; the tests above may have left many more events."""
    with store.write() as change:
        origin = ModelRecord(
            id=new_id(), name="m", version=1, parent=new_id(), labels={}, metadata={}
        )
        record_as(change, "model.created", with_place(change, origin))
        ids = [row[0] for row in change.connection.execute("SELECT id FROM model ORDER BY pk")]
        before = [model_rows.record(change.connection, each) for each in ids]
        refolding.refold(change.connection)
        assert [model_rows.record(change.connection, each) for each in ids] == before


@given(st.lists(records.map(one_size), min_size=1, max_size=3), st.integers(0, 3))
def test_current_records_lack_the_older_weights_only(store, made, later):
    with store.write() as change:
        made = [with_place(change, each) for each in made]
        for each in made:
            record_as(change, "model.created", replace(each, aliases=()))
        for number in range(later):
            added = {"old": None, "new": WeightsRecord(revision=number + 2).payload()}
            change.record("model.weights_added", made[0].id, added, event_id=new_id())
    ids = [each.id for each in made]
    with store.read() as connection:
        whole = [model_rows.record(connection, each) for each in ids]
        assert len(whole[0].weights) == len(made[0].weights) + later
        current = [
            replace(each, weights=tuple(one for one in each.weights if one.current))
            for each in whole
        ]
        assert [model_rows.current_record(connection, each) for each in ids] == current
        assert bulk_rows.records(connection, ids) == current


def test_a_private_url_stays_out_of_the_event_and_in_the_row(store):
    shown = (WeightsRecord(url="https://***@example.org/m"),)
    record = ModelRecord(id=new_id(), name="m", version=1, labels={}, metadata={}, weights=shown)
    added = new_id()
    private = ["https://me:hunter2@example.org/m", "file:///home/me/m.pt"]
    with store.write() as change:
        for revision, url in zip((record.id, added), private, strict=True):
            model_rows.keep_private_url(change.connection, revision, url)
        record_as(change, "model.created", record)
        payload = {"old": None, "new": WeightsRecord(revision=2).payload()}
        change.record("model.weights_added", record.id, payload, event_id=added)
    with store.read() as connection:
        found = model_rows.record(connection, record.id)
    assert [each.url for each in found.weights] == private


@given(projects, names, st.none() | st.integers(1, 99))
def test_a_reference_reads_project_name_version(project, name, version):
    line = reference(project, name, version)
    assert line.startswith(f"{project.name}/{name}" if project else name)
    assert line.endswith("" if version is None else f":{version}")
    record = ModelRecord(id="", name=name, project=project, version=version, labels={}, metadata={})
    assert record.ref == line
