"""After any operations, refolding the events gives the same tables, and the log is valid."""

from __future__ import annotations

import http.server
import json
import shutil
import tempfile
import threading
import time
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from support.proofs import TIMES
from support.signed_models import record_signature

from localreg.errors import LocalregError, RegistryError
from localreg.operations.finding.upstream import Found
from localreg.operations.models import (
    aliases,
    designs,
    edits,
    history,
    outputs,
    removal,
    revisions,
)
from localreg.operations.models.adding import add_model
from localreg.operations.models.importing import import_model
from localreg.operations.models.recording import describe
from localreg.operations.tasks import artifacts, cloning, inputs, lifecycle, parameters
from localreg.operations.tasks.removal import delete_task
from localreg.operations.tasks.run_facts import Run
from localreg.operations.trust import gates
from localreg.operations.upkeep import cache, gc
from localreg.operations.weights import local_copies, uploading
from localreg.operations.weights.sources import Source
from localreg.operations.weights.uploading import folder_of
from localreg.registry import Chain, open_registry
from localreg.store.events import refolding
from localreg.store.rows import model_rows

# Rows that another table holds on to; the others, and the columns about the disk,
# are local.
BLOBS = """
    SELECT pk, digest, size FROM blob WHERE pk IN (
        SELECT blob FROM weights UNION SELECT blob FROM artifact UNION SELECT blob FROM plot
        UNION SELECT blob FROM signature UNION SELECT blob FROM url)
    ORDER BY pk
"""
# Without `pk`, which nothing refers to.
WEIGHTS = """
    SELECT model, id, revision, url, blob, filename, pinned, kept, uploaded, current, package, tree,
        archive, archive_size, at
    FROM weights ORDER BY model, id
"""
# What no event may hold. Nothing else that the tests write holds these.
SECRET, PRIVATE = "hunter2", "home-of-mine"


EVENTS = """
    SELECT pk, seq, grp, lamport, stamp, at, kind, v, subject, field, payload, origin, arrived,
        position, outcome
    FROM event WHERE seq > ? ORDER BY pk
"""
# The events that move `stamp` and `updated` of their subject.
KNOWN = {
    (kind, 1)
    for kind in (
        *("model.created", "model.removed", "model.restored", "model.changed", "model.moved"),
        *("model.tag", "model.metadata", "model.weights", "model.published"),
        *("model.design", "model.weights_added", "model.weights_chosen"),
        *("model.weights_dropped", "model.weights_uploaded", "model.weights_kept"),
        "model.signed",
    )
}
# What no row may be.
WRONG = [
    "SELECT * FROM model_tag x JOIN model m ON m.pk = x.model WHERE x.stamp <> m.stamp",
    "SELECT project, name, version FROM model GROUP BY 1, 2, 3 HAVING count(*) > 1",
    "SELECT id, project, name, version FROM model EXCEPT "
    "SELECT model, project, name, number FROM claim WHERE released = 0",
    "SELECT id FROM model INTERSECT SELECT id FROM tombstone",
    "SELECT model FROM weights GROUP BY model HAVING sum(current) <> 1",
    "PRAGMA foreign_key_check",
]


class Logged(NamedTuple):
    """A row of the event log."""

    pk: int
    seq: int
    group: int
    lamport: int
    stamp: int
    at: int
    kind: str
    v: int
    subject: str
    field: str | None
    payload: str
    origin: int
    arrived: int | None
    position: int | None
    outcome: str | None


def dump(connection):
    """Return the rows of every table, by table."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    rows = {
        table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
        for (table,) in tables
        if table not in ("blob", "weights", "sqlite_sequence")
    }
    rows["blob"] = connection.execute(BLOBS).fetchall()
    rows["weights"] = connection.execute(WEIGHTS).fetchall()
    return rows


def assert_refolds(store):
    """Fold all events again; every table must be the same as before."""
    with store.write() as change:
        before = dump(change.connection)
        refolding.refold(change.connection)
        after = dump(change.connection)
    for table, rows in before.items():
        assert after[table] == rows, table


class Clock:
    """A clock that stands still until it is set; the order of events must not need it."""

    def __init__(self):
        self.now = 1_700_000_000_000_000_000

    def __call__(self):
        return self.now


names = st.sampled_from(["m", "resnet", "vision/m:2@best", "naïve 漢", " padded ", '"; --', "A"])
bad_names = st.sampled_from(["", "  ", "a\0b", "\ud800", 7, "x" * 1_025])
projects = st.sampled_from([None, "", "vision", "vision/sub", "Vision", "🗂"])
tags = st.lists(st.sampled_from(["a", "b", "-c", "漢", "archived", "package", "d e"]), max_size=4)
bad_tags = st.sampled_from(["a", ["__$all"], ["a", None], ["a", ""], {"a": 1}.get, ["\ud800"]])
keys = st.sampled_from(["accuracy", "k", "a.b", "漢", '"'])
values = st.one_of(
    st.sampled_from(["", "text", "-x", "__$not", "NaN", "x\0y", "\u2028", "<b>"]),
    st.sampled_from([1, True, 0.1, float("nan"), float("inf"), -0.0, 2**70]),
)
entries = st.dictionaries(
    keys, values | st.builds(lambda value: {"value": value, "type": "str"}, values), max_size=3
)
texts = st.sampled_from([None, "", "one line", "two\nlines", "\0", "é漢🙂", "\u2028"])
labels = st.sampled_from([None, {}, {"cat": 1}, {"b": 2, "a": 0, "c": 0}, {"漢": -(2**63) + 1}])
configs = st.sampled_from(
    [{}, {"config_text": "lr = 0.1\n"}, {"config_dict": {"b": [1, 2.5, None], "a": {"漢": True}}}]
)
choices = st.integers(0, 3)


class Server(http.server.ThreadingHTTPServer):
    """Serves one body for every path but that of number 1, until a test sets another."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.host = f"127.0.0.1:{self.server_port}"
        self.body = b"served"
        self.thread = threading.Thread(target=self.serve_forever, args=(0.005,))
        self.thread.start()

    def end(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        there = "1.pt" not in self.path
        self.send_response(200 if there else 404)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


class Registry(RuleBasedStateMachine):
    """Does what users do; checks the log after each step, and sometimes refolds it."""

    models = Bundle("models")
    tasks = Bundle("tasks")

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.private = self.folder / PRIVATE
        self.private.mkdir()
        for number in range(2):
            (self.private / f"weights {number}.pt").write_bytes(b"bytes" * number)
        self.clock = Clock()
        self.real_clock, time.time_ns = time.time_ns, self.clock
        self.registry = open_registry(self.private / "registry", durability="fast")
        self.chain = Chain(self.registry)
        self.server = Server()
        self.removed = []
        self.last = Logged(*[0] * len(Logged._fields))
        self.high = 0
        self.created, self.updated = {}, {}

    def teardown(self):
        try:
            assert_refolds(self.registry.store)
            history.history(self.registry)  # every event has a text
            assert not list((self.registry.root / "tmp").glob("*")), "leftovers"
        finally:
            time.time_ns = self.real_clock
            self.server.end()
            self.registry.close()
            shutil.rmtree(self.folder)

    def attempt(self, operation, *args, **kwargs):
        """Call an operation; return None if it is refused, and check that nothing changed."""
        return self.attempt_on(self.registry, operation, *args, **kwargs)

    def attempt_through(self, operation, *args, **kwargs):
        """Call `attempt` for an operation that takes a chain."""
        return self.attempt_on(self.chain, operation, *args, **kwargs)

    def attempt_on(self, what, operation, *args, **kwargs):
        before = self.dump()
        try:
            return operation(what, *args, **kwargs)
        except RegistryError:
            raise  # not a refusal
        except LocalregError:
            assert self.dump() == before
            return None

    def dump(self):
        with self.registry.store.read() as connection:
            return dump(connection)

    def task(self, task_id):
        return None if task_id is None else lifecycle.task(self.registry, task_id)

    # Models come, and go. Some are there from the start, or there would be little to change.

    @initialize(target=models)
    def start_with_models(self):
        described = describe(name="m", project="vision", tags=["a", "b"], metadata={"k": 1})
        files = [self.private / f"weights {number}.pt" for number in range(2)]
        added = [add_model(self.chain, path, described, alias="best") for path in files]
        return multiple(*added, import_model(self.chain, files[0], described).model)

    @initialize(target=tasks)
    def start_with_a_task(self):
        return lifecycle.create_task(self.registry, name="train", project="vision")

    @rule(
        target=models,
        source=st.sampled_from(
            [
                "{private}/weights {number}.pt",
                "{private}/nothing {number}.pt",
                "file://{private}/nothing%20{number}.pt",
                "http://me:{secret}@{host}/{number}.pt",
                "http://{host}/{number}.pt?X-Amz-Signature={secret}",
                "http://{host}/{number}.pt",
                "s3://bucket/{number}/model.onnx",
                "https://{secret}@/",
                "",
            ]
        ),
        number=st.integers(0, 1),
        described=st.fixed_dictionaries(
            {},
            optional={
                "name": names,
                "project": projects,
                "tags": tags,
                "comment": texts,
                "metadata": entries,
                "label_enumeration": labels,
                "is_package": st.booleans(),
                "create_as_published": st.booleans(),
            },
        ),
        config=configs,
        task=tasks | st.none(),
        copy=st.booleans(),
    )
    def import_a_model(self, source, number, described, config, task, copy):
        url = source.format(
            private=self.private, number=number, secret=SECRET, host=self.server.host
        )
        imported = self.attempt_through(
            import_model, url, describe(**described, **config), task=self.task(task), copy=copy
        )
        return multiple() if imported is None else imported.model

    @rule(
        target=models,
        number=st.integers(0, 2),
        name=names | st.none(),
        project=projects,
        task=tasks | st.none(),
        alias=st.sampled_from([None, "best", "latest"]),
    )
    def add_a_file(self, number, name, project, task, alias):
        path = self.private / f"weights {number}.pt"  # number 2 is not there
        description = describe(name=name, project=project)
        added = self.attempt_through(
            add_model, path, description, task=self.task(task), alias=alias
        )
        return multiple() if added is None else added

    @rule(model=models, delete_weights=st.booleans(), force=st.booleans())
    def remove(self, model, delete_weights, force):
        gone = self.attempt(removal.remove_model, model, delete_weights=delete_weights, force=force)
        if gone is not None:
            assert gone
            self.removed.append(model)

    @rule(which=choices, by_prefix=st.booleans())
    def restore(self, which, by_prefix):
        if self.removed:
            model = self.removed[which % len(self.removed)]
            restored = self.attempt_through(
                removal.restore_model, model[:12] if by_prefix else model
            )
            if restored is not None:
                assert restored.model == model
                self.removed.remove(model)

    # Weights are fetched, and pruned.

    @rule(model=models, force=st.booleans(), body=st.sampled_from([b"served", b"other"]))
    def get(self, model, force, body):
        self.server.body = body
        self.attempt_through(
            local_copies.local_copy, Found(self.registry, model), extract=False, force=force
        )

    @rule(delete=st.booleans())
    def clean_up(self, delete):
        gc.collect(self.chain, grace_seconds=0, dry_run=not delete)
        cache.prune(self.chain, max_size=0, dry_run=not delete)

    # Models change.

    @rule(model=models, tags=tags, drop=tags, how=choices)
    def tag(self, model, tags, drop, how):
        if how == 0:
            self.attempt(edits.set_tags, model, tags)
        elif how == 1:
            self.attempt(edits.set_system_tags, model, tags)
        else:
            self.attempt(edits.edit_tags, model, add=tags, drop=drop)

    @rule(model=models, key=keys, value=values, v_type=st.sampled_from([None, "int", "x"]))
    def set_metadata(self, model, key, value, v_type):
        self.attempt(edits.set_metadata, model, key, value, v_type)

    @rule(model=models, metadata=entries, replace=st.booleans())
    def set_all_metadata(self, model, metadata, replace):
        self.attempt(edits.set_all_metadata, model, metadata, replace=replace)

    @rule(model=models, key=keys)
    def drop_metadata(self, model, key):
        self.attempt(edits.drop_metadata, model, key)

    @rule(model=models, name=names)
    def rename(self, model, name):
        self.attempt(edits.rename, model, name)

    @rule(model=models, project=projects, by_id=st.booleans())
    def move(self, model, project, by_id):
        if by_id:
            with self.registry.store.read() as connection:
                ids = connection.execute("SELECT id FROM project ORDER BY pk DESC").fetchone()
            project = ids[0]
        self.attempt(edits.move, model, project)

    @rule(model=models, comment=texts)
    def set_comment(self, model, comment):
        self.attempt(edits.set_comment, model, comment)

    @rule(model=models, archived=st.booleans() | st.none())
    def set_state(self, model, archived):
        if archived is None:
            self.attempt(edits.publish, model)
        else:
            self.attempt(edits.set_archived, model, archived)

    @rule(
        model=models,
        alias=st.sampled_from(["best", "latest", "a b", "x@y"]),
        expect=models | st.none() | st.just(aliases.ANYTHING),
    )
    def set_alias(self, model, alias, expect):
        self.attempt_through(aliases.set_alias, model, alias, expect)

    @rule(
        line=st.sampled_from([("vision", "m"), ("", "m"), ("vision", "resnet"), ("", "resnet")]),
        alias=st.sampled_from(["best", "latest"]),
        wanted=st.sampled_from([("published",), ("signed", "k>=1"), None]),
        override=st.none() | st.just("it is urgent"),
    )
    def protect(self, line, alias, wanted, override):
        if wanted is None:
            self.attempt_through(gates.unprotect, line, alias)
        else:
            self.attempt_through(gates.protect, line, alias, wanted, override=override)

    @rule(model=models, data=st.sampled_from([b"one", b"two"]), digest=st.sampled_from("de"))
    def sign(self, model, data, digest):
        with self.registry.store.read() as connection:
            if model_rows.model_row(connection, model) is None:
                return
        record_signature(self.registry, model, data, digest=digest * 64)

    @rule(model=models, alias=st.sampled_from(["best", "latest"]))
    def remove_alias(self, model, alias):
        self.attempt(aliases.remove_alias, model, alias)

    # Models that tasks make, and their revisions.

    @rule(
        target=models,
        task=tasks,
        name=names | st.none(),
        config=configs,
        labels=labels,
        base=models | st.none(),
    )
    def make_an_output(self, task, name, config, labels, base):
        given = describe(name=name, label_enumeration=labels, **config)
        if base is None:
            return self.attempt(outputs.make_output, task, given)
        self.attempt_through(outputs.overwrite, task, base, given)
        return multiple()

    @rule(
        model=models,
        task=tasks,
        number=st.integers(0, 2),
        how=st.sampled_from(["keep", "upload", "background", "files", "url", "secret url"]),
        entry=st.sampled_from([None, "m", "base"]),
        keep_last=st.sampled_from([None, 1, 2]),
        package=st.booleans(),
    )
    def update_weights(self, model, task, number, how, entry, keep_last, package):
        update = revisions.Update(
            task=task,
            entry=entry,
            iteration=number,
            comment=package,
            package=package,
            keep_last=keep_last,
        )
        path = self.private / f"weights {number}.pt"  # number 2 is not there
        source = Source(path=path, filename=path.name)
        if "url" in how:
            secret = f"me:{SECRET}@" if how == "secret url" else ""
            url = f"http://{secret}{self.server.host}/{number}.pt"
            self.attempt_through(revisions.point_to, model, url, update)
        elif how == "files":
            several = Source(path=None, files=(path,), filename="several.zip")
            self.attempt_through(revisions.keep, model, several, update)
        elif how == "upload":
            folder = folder_of(self.registry, (self.private / "share").as_uri(), task)
            self.attempt(revisions.upload, model, source, folder, update)
        else:
            weights = self.attempt_through(revisions.keep, model, source, update)
            if weights is not None and how == "background":
                self.upload_in_background(model, task, weights)

    def upload_in_background(self, model, task, weights):
        uploads = uploading.Uploads()
        folder = folder_of(self.registry, (self.private / "share").as_uri(), task)
        uploads.start(self.chain, model, weights, folder)
        uploads.wait()
        uploads.raise_failures()

    @rule(model=models, revision=st.integers(0, 4))
    def restore_weights(self, model, revision):
        self.attempt(revisions.restore_weights, model, revision)

    @rule(model=models, task=tasks, name=names | st.none())
    def connect_an_output(self, model, task, name):
        self.attempt(outputs.connect_output, task, model, name)

    @rule(model=models, task=tasks, config=configs, labels=labels)
    def design_a_model(self, model, task, config, labels):
        given = [config.get(each) for each in ("config_text", "config_dict")]
        self.attempt(designs.set_config, model, task, *given)
        self.attempt(designs.set_labels, model, task, labels)

    # Tasks.

    @rule(
        target=tasks,
        name=names,
        project=projects,
        tags=tags,
        comment=texts,
        parent=tasks | st.none(),
    )
    def create_task(self, name, project, tags, comment, parent):
        return lifecycle.create_task(
            self.registry, name=name, project=project, tags=tags, comment=comment, parent=parent
        )  # fmt: skip

    @rule(task=tasks, model=models, name=names | st.none(), comment=st.booleans())
    def connect(self, task, model, name, comment):
        self.attempt_through(inputs.connect_model, task, model, name, comment=comment)

    @rule(task=tasks, name=names)
    def drop_input(self, task, name):
        self.attempt(inputs.drop_inputs, task, [name])

    @rule(task=tasks, config=configs, labels=labels, adopt=st.booleans())
    def design(self, task, config, labels, adopt):
        if adopt:
            self.attempt(inputs.adopt_design, task, "adopted = 1", labels or {})
        else:
            self.attempt(inputs.set_design, task, **config, labels=labels)

    @rule(
        task=tasks,
        change=st.sampled_from(
            [("published", True), ("name", "another"), ("comment", "why"), ("comment", None)]
        ),
    )
    def change_a_task(self, task, change):
        self.attempt(lifecycle.set_task, task, *change)

    @rule(task=tasks, status=st.sampled_from(["completed", "failed"]), again=st.booleans())
    def end_a_task(self, task, status, again):
        self.attempt(lifecycle.end_task, task, status, "why", again=again)

    @rule(task=tasks, given=st.sampled_from([{}, {"commit": "a"}, {"packages": {"numpy": "2"}}]))
    def take_up_a_task(self, task, given):
        self.attempt(lifecycle.start_task, task, Run(given, {"folder": f"/{PRIVATE}"}))

    @rule(task=tasks, project=projects, added=tags, dropped=tags, only=st.booleans())
    def sort_a_task(self, task, project, added, dropped, only):
        self.attempt(lifecycle.move_task, task, project)
        self.attempt(lifecycle.edit_tags, task, add=added, drop=dropped, only=only)

    @rule(
        task=tasks,
        values=st.dictionaries(st.sampled_from(["a", "Args/b", "x/y/z", "漢"]), values, max_size=3),
        replace=st.sampled_from([False, True, "Args"]),
        text=texts,
    )
    def set_up_a_task(self, task, values, replace, text):
        def set_parameters(registry, task, given):
            checked = parameters.check_parameters("given", given)
            parameters.set_parameters(registry, task, checked, replace=replace)

        self.attempt(set_parameters, task, values)
        self.attempt(parameters.set_configuration, task, "net", text)

    @rule(task=tasks, value=st.sampled_from([b"bytes", {"a": 1}, "text", None]), drop=st.booleans())
    def keep_an_artifact(self, task, value, drop):
        def keep(chain, task):
            made = artifacts.prepare(chain, "it", value, ending=None, serialize=None, move=False)
            artifacts.keep_artifact(chain, task, "it", made, metadata={"b": 1})

        self.attempt_through(keep, task)
        if drop:
            self.attempt(artifacts.drop_artifact, task, "it")

    @rule(target=tasks, task=tasks, name=names, project=projects)
    def clone_a_task(self, task, name, project):
        return self.attempt(cloning.clone_task, task, name=name, project=project) or task

    @rule(task=tasks, models=st.booleans(), spare=st.booleans())
    def delete_a_copy_of_a_task(self, task, models, spare):
        def keep(chain, task):
            value = b"of the copy"
            made = artifacts.prepare(chain, "it", value, ending=None, serialize=None, move=False)
            artifacts.keep_artifact(chain, task, "it", made)

        copy = self.attempt(cloning.clone_task, task)
        self.attempt_through(keep, copy)
        self.attempt(delete_task, copy, models=models, spare_used=spare)

    # What must be refused.

    @rule(model=models, name=bad_names, tags=bad_tags, how=st.integers(0, 6))
    def ask_for_nonsense(self, model, name, tags, how):
        refused = [
            (edits.rename, model, name),
            (edits.set_tags, model, tags),
            (edits.set_system_tags, model, tags),
            (edits.set_metadata, model, name if isinstance(name, str) else "", "v"),
            (lambda _, *given: aliases.set_alias(self.chain, *given), model, name),
            (edits.set_comment, model, b"bytes"),
            (edits.publish, "0" * 32),
        ][how]
        before = self.dump()
        with pytest.raises(LocalregError):
            refused[0](self.registry, *refused[1:])
        assert self.dump() == before

    @rule(model=models)
    def fail_half_way(self, model):
        """Of a transaction that raises after its events, none stays."""
        before = self.dump()
        with pytest.raises(TypeError):
            self.record_what_is_no_json(model)
        assert self.dump() == before

    def record_what_is_no_json(self, model):
        with self.registry.store.write() as change:
            change.record("model.changed", model, {"old": None, "new": "x"}, field="comment")
            change.record("model.changed", model, {"old": "x", "new": b"y"}, field="comment")

    # The world around it.

    @rule(model=models | st.just("f" * 32), kind=st.sampled_from(["model.painted", "future"]))
    def learn_of_an_unknown_kind(self, model, kind):
        with self.registry.store.write() as change:
            change.record(kind, model, {"colour": "red"})

    @rule(model=models, other=models)
    def learn_of_a_newer_version(self, model, other):
        """Record several events of known kinds in one transaction."""
        with self.registry.store.write() as change:
            change.record("model.tag", model, {"tag": "a"}, field="a", v=2)
            change.record("model.removed", other, {}, v=2)
            change.record("model.created", model, {"kept": "elsewhere"}, v=7)

    @rule(hours=st.sampled_from([-24, -1, 1]))
    def set_the_clock(self, hours):
        self.clock.now += hours * 3_600_000_000_000

    @rule()
    def fold_again(self):
        assert_refolds(self.registry.store)

    @invariant()
    def the_log_is_sound(self):
        """Check the events since the last check, and what they changed."""
        with self.registry.store.read() as connection:
            events = [Logged(*row) for row in connection.execute(EVENTS, (self.last.seq,))]
            models = connection.execute(
                "SELECT id, birth, created, stamp, updated FROM model"
            ).fetchall()
            for wrong in WRONG:
                assert connection.execute(wrong).fetchall() == [], wrong
        for before, event in pairwise([self.last, *events]):
            self.check_event(before, event)
            self.last = event
        for _, group in groupby(events, lambda event: event.group):
            self.check_stamps(list(group))
        for event in events:
            if (event.kind, event.v) == ("model.created", 1):
                self.created[event.subject] = event.stamp, event.at
            if event.kind == "alias.set":
                payload = json.loads(event.payload)
                if payload["old"] is not None:
                    self.moved(payload["old"], event._replace(stamp=event.stamp - 1))
                if payload["new"] is not None:
                    self.moved(payload["new"], event)
            elif (event.kind, event.v) in KNOWN:
                self.moved(event.subject, event)
        for model, birth, created, stamp, updated in models:
            assert (birth, created) == self.created[model], "of the first event"
            assert (stamp, updated) == self.updated[model], "of the last one that is known"

    def moved(self, model, event):
        now = event.stamp, event.at
        self.updated[model] = max(now, self.updated.get(model, now))

    def check_event(self, before, event):
        assert event.seq == before.seq + 1, "no gaps"
        assert event.pk > before.pk
        assert event.group in (before.group, event.pk), "called by its first event"
        assert event.lamport > before.lamport
        assert (event.origin, event.arrived, event.position, event.outcome) == (1, None, None, None)
        value = json.loads(event.payload, parse_constant=pytest.fail)
        canonical = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert event.payload == canonical
        for private in (SECRET, PRIVATE, "file://", str(self.folder)):
            assert private not in event.payload
            assert private not in (event.field or "")

    def check_stamps(self, group):
        """Check the events of one transaction."""
        assert {event.at for event in group} == {self.clock.now // 1_000}, "what the clock said"
        stamps = {event.subject: event.stamp for event in group}
        assert all(event.stamp == stamps[event.subject] for event in group), "one for each subject"
        assert len({*stamps.values()}) == len(stamps), "of its own"
        assert min(stamps.values()) > self.high, "greater than all before"
        self.high = max(stamps.values())


TestRegistry = Registry.TestCase
TestRegistry.settings = settings(max_examples=40 * TIMES, stateful_step_count=40)


@pytest.fixture
def registry(tmp_path):
    registry = open_registry(tmp_path / "registry", durability="fast")
    yield registry
    registry.close()


def add(registry, path, text, **described):
    path.write_text(text)
    return add_model(Chain(registry), path, describe(**described))


def rows(registry, sql, *parameters):
    with registry.store.read() as connection:
        return connection.execute(sql, parameters).fetchall()


class TestFoldingAgain:
    def test_reported_values_stay(self, registry, tmp_path):
        """They have no events, and refer to models and tasks by their keys."""
        gone, model = (add(registry, tmp_path / "w.pt", "w", name=name) for name in ("a", "b"))
        task = lifecycle.create_task(registry)
        removal.remove_model(registry, gone, delete_weights=True)
        with registry.store.write() as change:
            for owner, reported_for in (("model", model), ("task", task)):
                pk = f"(SELECT pk FROM {owner} WHERE id = '{reported_for}')"
                series = change.connection.execute(
                    f"INSERT INTO series ({owner}, title, name, epoch, points) "
                    f"VALUES ({pk}, 'loss', 'train', 0, 1)"
                ).lastrowid
                change.connection.execute("INSERT INTO scalar VALUES (?, 1, 0.5, 0)", (series,))
                change.connection.execute(
                    f"INSERT INTO single ({owner}, name, at) VALUES ({pk}, 'best', 0)"
                )
                change.connection.execute(
                    f"INSERT INTO plot ({owner}, title, series, iteration, kind, spec, at) "
                    f"VALUES ({pk}, 't', 's', 0, 'scatter', '{{}}', 0)"
                )
        assert_refolds(registry.store)
        counts = "SELECT (SELECT count(*) FROM {}) FROM series LIMIT 1".format
        for table in ("series", "scalar", "single", "plot"):
            assert rows(registry, counts(table)) == [(2,)]
        removal.remove_model(registry, model, delete_weights=False)
        assert rows(registry, "SELECT count(*) FROM scalar") == [(1,)], "they are its own again"

    def test_weights_that_were_deleted_and_added_again(self, registry, tmp_path):
        first = add(registry, tmp_path / "w.pt", "the same", name="m", tags=["a"])
        removal.remove_model(registry, first, delete_weights=True)
        second = add(registry, tmp_path / "w.pt", "the same", name="m")
        removal.restore_model(Chain(registry), first)
        assert_refolds(registry.store)
        versions = rows(registry, "SELECT id, version FROM model ORDER BY pk")
        assert versions == [(second, 2), (first, 1)]

    def test_an_alias_taken_while_its_model_was_removed(self, registry, tmp_path):
        models = [add(registry, tmp_path / "w.pt", text, name="m") for text in "ab"]
        aliases.set_alias(Chain(registry), models[0], "best")
        aliases.set_alias(Chain(registry), models[0], "first")
        removal.remove_model(registry, models[0], delete_weights=False)
        aliases.set_alias(Chain(registry), models[1], "best")
        removal.restore_model(Chain(registry), models[0])
        assert_refolds(registry.store)
        held = "SELECT alias, model FROM alias ORDER BY alias"
        assert rows(registry, held) == [("best", models[1]), ("first", models[0])]

    def test_private_urls_are_applied_again(self, registry):
        url = f"https://me:{SECRET}@example.org/m.pt"
        model = import_model(Chain(registry), url, describe()).model
        removal.remove_model(registry, model, delete_weights=False)
        assert_refolds(registry.store)
        removal.restore_model(Chain(registry), model)
        assert_refolds(registry.store)
        assert rows(registry, "SELECT url FROM weights") == [(url,)]

    def test_a_failed_refold_changes_nothing(self, registry, tmp_path):
        add(registry, tmp_path / "w.pt", "w")
        with registry.store.read() as connection:
            before = dump(connection)
        with pytest.raises(ZeroDivisionError):
            self.fold_and_fail(registry)
        with registry.store.read() as connection:
            assert dump(connection) == before

    def fold_and_fail(self, registry):
        with registry.store.write() as change:
            refolding.refold(change.connection)
            raise ZeroDivisionError
