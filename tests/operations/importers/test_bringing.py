"""P46: what an importer found becomes tasks and models: once, and again only what is new."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.contents import below, blobs, rows, unaccounted
from support.found_sources import (
    RUN,
    START,
    brought,
    file_weights,
    net,
    package_weights,
    points,
    run,
    text,
)
from support.proofs import TIMES

from localreg import Model, Registry, Task
from localreg.errors import (
    DigestMismatchError,
    InvalidValueError,
    LocalregError,
    ReadOnlyRegistryError,
    SourceError,
    StorageFullError,
)
from localreg.operations.importers.found import FoundArtifact, FoundFile, FoundWeights
from localreg.values.records import MetadataValue

# What is there, without what only this registry has: keys, and when something arrived.
STATE = {
    "tasks": "SELECT t.id, t.name, t.type, t.status, t.comment, t.parent, p.name FROM task t "
    "LEFT JOIN project p ON p.pk = t.project ORDER BY 1",
    "models": "SELECT m.id, m.name, m.version, m.comment, m.framework, m.archived, m.task, p.name "
    "FROM model m LEFT JOIN project p ON p.pk = m.project ORDER BY 1",
    "weights": "SELECT id, revision, filename, kept, current FROM weights ORDER BY id",
    "parameters": "SELECT section, name, value FROM parameter ORDER BY 1, 2, 3",
    "metadata": "SELECT key, value FROM metadata ORDER BY 1, 2",
    "aliases": "SELECT alias, model FROM alias ORDER BY 1",
    "points": "SELECT s.title, s.name, c.iteration, c.value, c.ms + s.epoch FROM scalar c "
    "JOIN series s ON s.pk = c.series ORDER BY 1, 2, 3, 4",
    "events": "SELECT event_id, outcome FROM event ORDER BY 1",
}


def state(registry):
    """Return what a registry holds."""
    return {name: rows(registry, sql) for name, sql in STATE.items()}


@pytest.fixture
def new(tmp_path):
    """Make a registry in the test's folder."""
    made = []

    def make(name):
        made.append(Registry(tmp_path / name, durability="fast"))
        return made[-1]

    yield make
    for registry in made:
        registry.close()


@pytest.fixture
def registry(tmp_path):
    with Registry(tmp_path / "registry", durability="fast") as registry:
        yield registry


class TestOnce:
    """What comes the first time."""

    def test_a_run_comes_with_all_that_it_has(self, registry, tmp_path):
        (tmp_path / "note.txt").write_text("a note")
        artifacts = (
            FoundArtifact(name="note", files=(FoundFile("note.txt", tmp_path / "note.txt"),)),
            FoundArtifact(name="said", kind="text", text="words"),
            FoundArtifact(name="far", url="https://user:word@example.org/a.bin", size=9),
        )
        parent = run("parent", name="sweep")
        done = brought(
            registry,
            tasks=[parent, run(artifacts=artifacts, parent="parent", inputs={"base": "net/1/1"})],
        )
        task = Task.get_task(RUN)
        assert (task.name, task.get_project_name(), task.status, task.comment) == (
            "train", "vision", "completed", "first",
        )  # fmt: skip
        assert sorted(task.get_tags()) == ["good", "night"]
        assert task.get_parameters() == {"General/lr": "0.1"}
        assert task.get_configuration_object("net") == "layers: 3"
        assert task.get_reported_scalars()["loss"]["train"]["y"] == [0.5, 0.25, 0.5 / 3]
        assert Path(task.artifacts["note"].get_local_copy()).read_text() == "a note"
        assert task.artifacts["said"].get() == "words"
        assert "word@" not in "".join(map(str, rows(registry, "SELECT payload FROM event")))
        assert done.tasks == {RUN: "vision/train", task.parent: "vision/sweep"}
        assert [each.ref for each in done.arrived.missing] == ["artifact far of task train"]

    def test_models_come_with_versions_aliases_and_bytes(self, registry, tmp_path):
        (tmp_path / "net.pt").write_bytes(b"weights")
        (tmp_path / "folder/deep").mkdir(parents=True)
        (tmp_path / "folder/MLmodel").write_text("flavors:\n")
        (tmp_path / "folder/deep/a.bin").write_bytes(b"a")
        done = brought(
            registry,
            models=[
                net(1, weights=(file_weights(tmp_path / "net.pt"),), framework="PyTorch"),
                net(2, weights=(package_weights(tmp_path / "folder"),), aliases=("prod",)),
                net(7, parent=net(1).key, archived=True, labels={"cat": 1}, config="a: 1"),
            ],
        )
        assert done.arrived.models == ("net:1", "net:2", "net:7")
        first, second, last = (registry.model(f"net:{each}") for each in (1, 2, 7))
        assert Path(first.get_local_copy()).read_bytes() == b"weights"
        assert (first.framework, first.comment, first.tags) == ("PyTorch", "a net", ["v"])
        assert first.get_metadata("accuracy") == "0.9"
        assert (Path(second.get_local_copy()) / "deep/a.bin").read_bytes() == b"a"
        assert registry.model("net@prod").id == second.id
        parents = rows(registry, "SELECT parent FROM model WHERE id = ?", last.id)
        assert (parents, last.labels, last.url) == (
            [(first.id,)], {"cat": 1}, "https://example.org/7.pt",
        )  # fmt: skip
        assert registry.verify(full=True).ok
        assert unaccounted(registry.path) == []

    def test_times_and_users_are_those_of_the_source(self, registry):
        brought(registry, tasks=[run()])
        found = rows(registry, "SELECT kind, at, a.name FROM event JOIN actor a ON a.pk = actor")
        assert ("task.created", START, "fake") in found
        assert ("task.state", START + 5_000_000, "ada@fake") in found

    def test_what_is_left_is_counted_with_what_was_repeated(self, registry):
        def report(spool):
            spool.add_points("a", "a", [2, 1, 2, 2], [1.0, 2.0, 3.0, float("nan")], [5, 5, 5, 5])

        done = brought(registry, tasks=[run(report=report)], left={"pictures": 2})
        assert done.left == {
            "pictures": 2,
            "points of which a later one has the same iteration": 2,
        }
        found = rows(registry, "SELECT iteration, value FROM scalar ORDER BY 1")
        assert found == [(1, 2.0), (2, 3.0)], "the larger of those of one time"

    def test_of_a_number_that_another_model_has_the_next_free_one_is_taken(
        self, registry, tmp_path
    ):
        (tmp_path / "own.pt").write_bytes(b"own")
        registry.add(tmp_path / "own.pt", "net")
        done = brought(registry, models=[net(1), net(2)])
        assert done.arrived.models == ("net:2", "net:3") or done.arrived.models == (
            "net:3", "net:2",
        )  # fmt: skip
        assert "net:1 is 2 here: another model has its number" in done.arrived.differences
        assert len({each.version for each in registry.models()}) == 3

    def test_without_numbers_versions_are_counted(self, registry):
        models = [net(n, version=None) for n in (1, 2, 3)]
        done = brought(registry, models=models)
        assert done.arrived.models == ("net:1", "net:2", "net:3")
        assert done.arrived.differences == ()

    def test_a_dry_run_says_the_same_and_changes_nothing(self, registry, tmp_path):
        (tmp_path / "net.pt").write_bytes(b"weights")
        given = {
            "tasks": [run()],
            "models": [net(weights=(file_weights(tmp_path / "net.pt"),), aliases=("prod",))],
        }
        before = below(registry.path)
        dry = brought(registry, **given, dry_run=True)
        assert [each for each in state(registry).values() if each] == []
        assert below(registry.path) == before
        assert rows(registry, "SELECT * FROM known_file") == []
        done = brought(registry, **given)
        assert (dry.tasks, dry.left) == (done.tasks, done.left)
        for name in ("models", "events", "blobs", "size", "reports", "tasks"):
            assert getattr(dry.arrived, name) == getattr(done.arrived, name), name

    def test_with_a_project_all_is_put_there_and_another_project_makes_copies(self, registry):
        given = {"tasks": [run()], "models": [net(aliases=("prod",))]}
        brought(registry, **given, project="a")
        brought(registry, **given, project="b")
        again = brought(registry, **given, project="b")
        assert again.arrived.events == 0
        brought(registry, **given)
        assert sorted(each.ref for each in registry.models()) == ["a/net:1", "b/net:1", "net:1"]
        found = sorted(each.get_project_name() for each in registry.tasks())
        assert found == ["a/vision", "b/vision", "vision"]
        assert registry.model("a/net@prod").task in {each.id for each in registry.tasks()}


class TestAgain:
    """What comes when the same source is imported again."""

    def test_nothing_comes_of_the_same_source(self, registry, tmp_path):
        (tmp_path / "net.pt").write_bytes(b"weights")
        given = {
            "tasks": [run()],
            "models": [net(weights=(file_weights(tmp_path / "net.pt"),), aliases=("prod",))],
        }
        brought(registry, **given)
        before = state(registry)
        done = brought(registry, **given)
        assert (done.arrived.events, done.arrived.blobs, done.arrived.reports) == (0, 0, 0)
        assert done.arrived.differences == ()
        assert state(registry) == before
        assert rows(registry, "SELECT count(*) FROM arrival") == [(1,)]

    def test_what_is_new_comes(self, registry):
        brought(registry, tasks=[run(status="in_progress")], models=[net(1)])
        done = brought(registry, tasks=[run(report=points(5)), run("b")], models=[net(1), net(2)])
        assert len(done.tasks) == 1
        assert done.arrived.models == ("net:2",)
        assert done.arrived.reports == 2 + 3
        assert Task.get_task(RUN).status == "completed"

    def test_what_was_changed_in_the_source_is_changed_here(self, registry, tmp_path):
        path = tmp_path / "net.pt"
        path.write_bytes(b"old")
        brought(registry, tasks=[run()], models=[net(weights=(file_weights(path),))])
        other = tmp_path / "new.pt"
        other.write_bytes(b"new")
        done = brought(
            registry,
            tasks=[
                run(
                    name="renamed", first_name="train", comment=None, project=None,
                    parameters={("General", "lr"): text("0.2")}, status="failed",
                    configurations={"net": "layers: 4"}, run={"python": "3.12"},
                )
            ],
            models=[
                net(weights=(file_weights(other),), comment="better", archived=True, task="b",
                    metadata={"accuracy": text("0.95")}, config="a: 1")
            ],
        )  # fmt: skip
        assert done.arrived.differences == ()
        task = Task.get_task(RUN)
        assert (task.name, task.get_project_name(), task.status) == ("renamed", None, "failed")
        assert not task.comment
        assert task.get_parameters() == {"General/lr": "0.2"}
        assert task.get_configuration_object("net") == "layers: 4"
        model = registry.model("net:1")
        assert Path(model.get_local_copy()).read_bytes() == b"new"
        assert (model.comment, model.get_metadata("accuracy")) == ("better", "0.95")
        assert model.config_text == "a: 1"

    def test_what_was_changed_here_stays(self, registry):
        given = {"tasks": [run()], "models": [net(aliases=("prod",)), net(2)]}
        brought(registry, **given)
        task, model = Task.get_task(RUN), registry.model("net:1")
        task.set_comment("mine")
        task.set_name("my name")
        task.set_parameter("General/lr", 0.7)
        task.set_tags(["own"])
        model.comment = "mine"
        model.set_metadata("accuracy", "1.0")
        registry.set_alias(registry.model("net:2"), "prod")
        before = state(registry)
        done = brought(registry, **given)
        assert done.arrived.events == 0
        assert not done.arrived.conflict
        assert done.arrived.differences == ("net@prod stays at net:2; in the source it is net:1",)
        assert state(registry) == before

    def test_what_was_changed_on_both_sides_stays_as_here_and_is_named_once(self, registry):
        brought(registry, tasks=[run()], models=[net()])
        Task.get_task(RUN).set_comment("mine")
        registry.model("net:1").set_metadata("accuracy", "1.0")
        changed = {
            "tasks": [run(comment="theirs")],
            "models": [net(metadata={"accuracy": text("0.99")})],
        }
        done = brought(registry, **changed)
        assert Task.get_task(RUN).comment == "mine"
        assert registry.model("net:1").get_metadata("accuracy") == "1.0"
        assert len(done.arrived.differences) == 2
        assert all(each.startswith("lost: ") for each in done.arrived.differences)
        assert not done.arrived.conflict, "nothing that was done here has lost"
        again = brought(registry, **changed)
        assert (again.arrived.events, again.arrived.differences) == (0, ())

    def test_what_was_changed_to_the_same_on_both_sides_is_no_difference(self, registry):
        brought(registry, tasks=[run()])
        Task.get_task(RUN).set_comment("second")
        assert brought(registry, tasks=[run(comment="second")]).arrived.differences == ()
        brought(registry, tasks=[run(comment="third")])
        assert Task.get_task(RUN).comment == "third", "the source goes on from what both said"

    def test_what_was_removed_here_stays_removed_and_is_not_read(self, registry):
        def never(spool):
            raise AssertionError("the reports of a removed task are read")

        brought(registry, tasks=[run()], models=[net()])
        Model.remove(registry.model("net:1"), force=True, delete_weights_file=False)
        Task.get_task(RUN).delete()
        done = brought(registry, tasks=[run(comment="new", report=never)], models=[net()])
        assert done.left == {"tasks that were removed here": 1, "models that were removed here": 1}
        assert (registry.tasks(), registry.models()) == ([], [])
        assert done.arrived.events == 0

    def test_what_is_here_by_itself_is_left_as_it_is(self, registry):
        own = Task.create(project_name="own", task_name="mine")
        before = state(registry)
        done = brought(registry, tasks=[run(own.id), run(f"localreg:{own.id}"), run("c")])
        assert done.left == {"tasks that are here already, and not by an import": 2}
        assert len(done.tasks) == 1
        assert Task.get_task(own.id).name == "mine"
        assert [each for each in before["tasks"] if each not in state(registry)["tasks"]] == []

    def test_a_reference_to_what_is_here_by_itself_leads_to_it(self, registry):
        own = Task.create(project_name="own", task_name="mine")
        key = f"localreg:{own.id}"
        brought(registry, tasks=[run("child", parent=key)], models=[net(task=key)])
        assert registry.model("net:1").task == own.id
        assert [each.parent for each in registry.tasks() if each.id != own.id] == [own.id]

    def test_a_copy_of_what_is_not_here_has_an_id_of_its_own(self, registry):
        """So that it can meet the original later."""
        brought(registry, tasks=[run(f"localreg:{RUN}")])
        (found,) = registry.tasks()
        assert found.id != RUN

    def test_an_original_is_found_by_the_first_line_of_a_key(self, registry):
        own = Task.create(project_name="own", task_name="mine")
        brought(registry, models=[net(task=f"localreg:{own.id}\nmore")])
        assert registry.model("net:1").task == own.id

    def test_passwords_in_urls_do_not_come(self, registry):
        url = "https://me:hunter2@example.org/code.git"
        lost = FoundWeights(missing=f"only its address came: {url}")
        how = {"repository": url, "script": f"{url}#train", "python": "3.11"}
        done = brought(registry, tasks=[run(run=how)], models=[net(weights=(lost,))])
        (missing,) = done.arrived.missing
        assert missing.why == "only its address came: https://***@example.org/code.git"
        (found,) = rows(registry, "SELECT run FROM task")
        assert "https://***@example.org/code.git" in str(found)
        assert "hunter2" not in str(rows(registry, "SELECT payload FROM event"))

    def test_a_model_and_a_run_with_one_key_are_two(self, registry):
        brought(registry, tasks=[run()], models=[net(key=RUN)])
        assert (len(registry.tasks()), len(registry.models())) == (1, 1)

    def test_of_two_with_one_key_the_first_counts(self, registry):
        done = brought(registry, tasks=[run(), run(name="other")], models=[net(), net()])
        assert done.left == {
            "models that an earlier one has the key of": 1,
            "tasks that an earlier one has the key of": 1,
        }
        assert Task.get_task(RUN).name == "train"

    def test_names_that_are_the_same_here_come_once_each_time(self, registry):
        given = {
            "tasks": [
                run(
                    parameters={("a", "x"): text("1"), ("a", "x "): text("2")},
                    configurations={"c": "1", " c": "2"},
                    tags=("t", "t "),
                )
            ],
            "models": [net(metadata={"k": text("1"), " k": text("2")})],
        }
        done = brought(registry, **given)
        assert sum(done.left.values()) == 3
        assert brought(registry, **given).arrived.events == 0


class TestAliases:
    """An alias follows its source, unless something was done with it here."""

    def at(self, registry):
        return {alias: registry.model(model).ref for alias, model in state(registry)["aliases"]}

    def test_it_moves_with_the_source(self, registry):
        brought(registry, models=[net(1, aliases=("prod",)), net(2)])
        done = brought(registry, models=[net(1), net(2, aliases=("prod", "new"))])
        assert self.at(registry) == {"prod": "net:2", "new": "net:2"}
        assert done.arrived.differences == ("net@prod: net:1 → net:2",)

    def test_of_two_models_that_claim_it_the_later_counts(self, registry):
        given = [net(1, aliases=("prod",)), net(2, aliases=("prod",))]
        brought(registry, models=given)
        assert self.at(registry) == {"prod": "net:2"}
        assert brought(registry, models=given).arrived.events == 0

    def test_one_that_is_gone_in_the_source_stays(self, registry):
        brought(registry, models=[net(1, aliases=("prod",))])
        brought(registry, models=[net(1)])
        assert self.at(registry) == {"prod": "net:1"}

    def test_one_that_was_set_here_before_stays_and_is_named_each_time(self, registry, tmp_path):
        (tmp_path / "own.pt").write_bytes(b"own")
        registry.add(tmp_path / "own.pt", "net", alias="prod")
        for _ in range(2):
            done = brought(registry, models=[net(5, aliases=("prod",))])
            assert done.arrived.differences == (
                "net@prod stays at net:1; in the source it is net:5",
            )
            assert not done.arrived.conflict
        assert self.at(registry) == {"prod": "net:1"}

    def test_one_that_was_moved_or_dropped_here_stays_so_also_if_the_source_moves_it(
        self, registry
    ):
        brought(registry, models=[net(1, aliases=("prod", "old")), net(2), net(3)])
        registry.set_alias("net:2", "prod")
        registry.remove_alias("net", "old")
        done = brought(registry, models=[net(1), net(2), net(3, aliases=("prod", "old"))])
        assert self.at(registry) == {"prod": "net:2"}
        assert done.arrived.differences == (
            "net@old was dropped here; in the source it is net:3",
            "net@prod stays at net:2; in the source it is net:3",
        )

    def test_two_stores_of_one_kind_do_not_move_it_to_and_fro(self, registry):
        one = [net(1, aliases=("prod",))]
        other = [net(2, key="of another store", aliases=("prod",))]
        brought(registry, models=one)
        for _ in range(2):
            assert "stays at net:1" in brought(registry, models=other).arrived.differences[0]
            assert brought(registry, models=one).arrived.differences == ()
        assert self.at(registry) == {"prod": "net:1"}

    def test_the_number_here_is_named_where_it_is_another_one(self, registry, tmp_path):
        (tmp_path / "own.pt").write_bytes(b"own")
        registry.add(tmp_path / "own.pt", "net", alias="prod")
        said = "net@prod stays at net:1; in the source it is net:1, which is net:2 here"
        for _ in range(2):
            done = brought(registry, models=[net(1, aliases=("prod",))])
            assert done.arrived.differences[-1] == said

    def test_one_with_a_gate_is_held_if_its_model_does_not_pass(self, registry):
        brought(registry, models=[net(1), net(2)])
        registry.protect("net@prod", require=["published"])
        done = brought(registry, models=[net(1), net(2, aliases=("prod",))])
        assert done.arrived.conflict
        assert "held" in " ".join(done.arrived.differences)

    def test_names_that_no_alias_can_have_are_counted(self, registry):
        done = brought(registry, models=[net(aliases=("a b", "x@y", "fine"))])
        assert done.left == {"aliases with names that no alias has here": 2}
        assert self.at(registry) == {"fine": "net:1"}


class TestReference:
    """Bytes of models that stay where they are."""

    @pytest.fixture
    def store(self, tmp_path):
        """A file, and a folder of two."""
        store = tmp_path / "store"
        (store / "folder/deep").mkdir(parents=True)
        (store / "net.pt").write_bytes(b"weights")
        (store / "folder/a.bin").write_bytes(b"a" * 100)
        (store / "folder/deep/b.bin").write_bytes(b"b" * 100)
        return store

    def models(self, store):
        return [
            net(1, weights=(file_weights(store / "net.pt"),)),
            net(2, weights=(package_weights(store / "folder"),)),
        ]

    def test_they_are_used_from_there(self, registry, store):
        done = brought(registry, models=self.models(store), reference=True)
        assert done.arrived.blobs == 1, "the list of the files of the package"
        one, two = registry.model("net:1"), registry.model("net:2")
        assert Path(one.get_local_copy()) == store / "net.pt"
        assert (Path(two.get_local_copy()) / "deep/b.bin").read_bytes() == b"b" * 100
        assert one.url == (store / "net.pt").as_uri()
        assert registry.verify(full=True).ok
        assert registry.gc(grace_seconds=0, dry_run=False).failed == ()
        assert (Path(two.get_local_copy()) / "a.bin").read_bytes() == b"a" * 100
        assert brought(registry, models=self.models(store), reference=True).arrived.events == 0

    def test_no_event_holds_a_path_of_this_machine(self, registry, store):
        brought(registry, models=self.models(store), reference=True)
        assert str(store) not in "".join(map(str, rows(registry, "SELECT payload FROM event")))

    def test_what_is_changed_there_afterwards_is_not_given_out(self, registry, store):
        brought(registry, models=self.models(store), reference=True)
        (store / "net.pt").write_bytes(b"others!")
        (store / "folder/a.bin").write_bytes(b"other")
        for ref in ("net:1", "net:2"):
            with pytest.raises(DigestMismatchError):
                registry.model(ref).get_local_copy(raise_on_error=True)
        (store / "folder/a.bin").write_bytes(b"a" * 100)
        assert registry.model("net:2").get_local_copy(raise_on_error=True)
        (store / "folder/more.bin").write_bytes(b"a" * 100)
        with pytest.raises(DigestMismatchError, match="has other files"):
            registry.model("net:2").get_local_copy(raise_on_error=True)

    def test_a_store_that_was_moved_is_found_by_the_next_import(self, registry, store):
        brought(registry, models=self.models(store), reference=True)
        moved = store.rename(store.with_name("moved"))
        assert brought(registry, models=self.models(moved), reference=True).arrived.events == 0
        assert Path(registry.model("net:1").get_local_copy()) == moved / "net.pt"
        assert (Path(registry.model("net:2").get_local_copy()) / "a.bin").is_file()
        assert registry.model("net:2").url == (moved / "folder").as_uri()

    def test_without_reference_the_next_import_keeps_them(self, registry, store):
        brought(registry, models=self.models(store), reference=True)
        done = brought(registry, models=self.models(store))
        assert done.arrived.blobs == 3
        shutil.rmtree(store)
        registry.gc(grace_seconds=0, dry_run=False)
        assert Path(registry.model("net:1").get_local_copy()).read_bytes() == b"weights"
        assert (Path(registry.model("net:2").get_local_copy()) / "a.bin").is_file()
        assert rows(registry, "SELECT revision, kept FROM weights") == [(1, 1), (1, 1)]

    def test_what_the_registry_keeps_it_keeps(self, registry, store):
        brought(registry, models=self.models(store))
        before = state(registry)
        assert brought(registry, models=self.models(store), reference=True).arrived.events == 0
        assert state(registry) == before
        assert rows(registry, "SELECT * FROM private_url") == []

    def test_of_a_folder_that_holds_more_the_bytes_come(self, registry, store):
        models = self.models(store)
        (store / "folder/other").write_bytes(b"other")
        assert brought(registry, models=models, reference=True).arrived.blobs == 3
        shutil.rmtree(store)
        assert (Path(registry.model("net:2").get_local_copy()) / "a.bin").is_file()


class TestLinks:
    """Hard links instead of copies."""

    def test_the_file_is_the_one_of_the_source_and_read_only(self, registry, tmp_path):
        path = tmp_path / "net.pt"
        path.write_bytes(b"weights" * 1_000)
        brought(registry, models=[net(weights=(file_weights(path),))], link=True)
        (blob,) = blobs(registry.path)
        if not blob.samefile(path):
            pytest.skip("the file system makes clones")
        assert path.stat().st_mode & 0o222 == 0
        assert registry.verify(full=True).ok
        again = brought(registry, models=[net(weights=(file_weights(path),))], link=True)
        assert (again.arrived.events, again.arrived.blobs) == (0, 0)

    def test_what_can_be_run_is_copied(self, registry, tmp_path):
        path = tmp_path / "run.sh"
        path.write_bytes(b"#!/bin/sh")
        path.chmod(0o755)
        file = FoundFile("run.sh", path, executable=True)
        weights = FoundWeights(files=(file,), package=True, filename="p")
        brought(registry, models=[net(weights=(weights,))], link=True)
        assert path.stat().st_mode & 0o777 == 0o755

    def test_to_another_file_system_it_is_an_error_that_says_what_to_do(
        self, registry, tmp_path, small_disk
    ):
        path = small_disk("-t", "tmpfs", "none") / "net.pt"
        path.write_bytes(b"weights")
        with pytest.raises(InvalidValueError, match="leave out --link") as raised:
            brought(registry, models=[net(weights=(file_weights(path),))], link=True)
        assert raised.value.argument == "link"
        assert registry.models() == []
        assert path.stat().st_mode & 0o200


class TestFiles:
    """Bytes that come."""

    def test_a_file_that_is_another_than_the_source_says_is_an_error(self, registry, tmp_path):
        path = tmp_path / "net.pt"
        path.write_bytes(b"weights")
        weights = FoundWeights(files=(FoundFile("net.pt", path, "0" * 64),))
        for options in ({}, {"dry_run": True}, {"reference": True}):
            with pytest.raises(SourceError, match="should have the sha256 0000") as raised:
                brought(registry, models=[net(weights=(weights,))], **options)
            assert raised.value.file == str(path)
        assert (registry.models(), blobs(registry.path)) == ([], [])

    def test_files_with_equal_bytes_come_once(self, registry, tmp_path):
        for name in ("a", "b", "c"):
            (tmp_path / name).write_bytes(b"")
        models = [
            net(n, weights=(file_weights(tmp_path / each),)) for n, each in enumerate("abc", 1)
        ]
        assert brought(registry, models=models).arrived.blobs == 1
        assert registry.verify(full=True).ok

    def test_two_files_with_one_name_in_a_package_are_an_error(self, registry, tmp_path):
        (tmp_path / "a").write_bytes(b"a")
        files = (FoundFile("a", tmp_path / "a"), FoundFile("a", tmp_path / "a"))
        with pytest.raises(SourceError, match="cannot be a package"):
            brought(registry, models=[net(weights=(FoundWeights(files=files, package=True),))])

    def test_a_file_that_vanished_is_an_error(self, registry, tmp_path):
        with pytest.raises(LocalregError):
            brought(registry, models=[net(weights=(file_weights(tmp_path / "gone"),))])
        assert registry.models() == []

    def test_an_address_that_none_can_have_is_named(self, registry):
        weights = FoundWeights(url="s3://", size=-5)
        done = brought(registry, models=[net(weights=(weights, FoundWeights(missing="gone")))])
        assert [each.why for each in done.arrived.missing][1] == "gone"
        assert [each.ref for each in done.arrived.missing] == ["net:1", "net:1"]
        assert [each.size for each in done.arrived.missing] == [None, None]
        assert registry.model("net:1").url is None


class TestMeeting:
    """Registries that imported the same source, at different times."""

    FIRST = staticmethod(
        lambda: {"tasks": [run(status="in_progress")], "models": [net(1, aliases=("prod",))]}
    )
    SECOND = staticmethod(
        lambda: {
            "tasks": [run(comment="second", report=points(5)), run("b")],
            "models": [net(1, comment="second"), net(2, aliases=("prod",))],
        }
    )

    @pytest.mark.parametrize(
        ("one", "two"),
        [
            ([0], [0]),
            ([0], [1]),
            ([0, 1], [1]),
            ([0, 1], [0]),
            ([0, 1], [0, 1]),
            ([0, 1, 0], [1, 0]),
        ],
    )
    def test_they_hold_the_same_after_they_met(self, new, one, two):
        versions = [self.FIRST, self.SECOND]
        here, there = new("here"), new("there")
        for registry, numbers in ((here, one), (there, two)):
            for number in numbers:
                brought(registry, **versions[number]())
        here.merge(there.path)
        there.merge(here.path)
        assert state(here) == state(there)
        assert here.merge(there.path).events == 0
        for registry in (here, there):
            assert registry.verify(full=True).ok

    @pytest.mark.parametrize(("older", "newest"), [("second", "a"), ("a", "second")])
    def test_what_they_hold_after_both_have_imported_the_newest_is_the_newest(
        self, new, older, newest
    ):
        """Whichever of two versions of the source came first in the order of events."""
        here, there = new("here"), new("there")
        for registry, comment in ((here, older), (there, newest)):
            brought(registry, tasks=[run()])
            brought(registry, tasks=[run(comment=comment)])
        here.merge(there.path)
        there.merge(here.path)
        for registry in (here, there):
            brought(registry, tasks=[run(comment=newest)])
            comments = rows(registry, "SELECT comment FROM task WHERE id = ?", RUN)
            assert comments == [(newest,)]
        here.merge(there.path)
        there.merge(here.path)
        assert state(here) == state(there)

    def test_a_change_here_holds_against_an_import_there(self, new):
        here, there = new("here"), new("there")
        brought(here, **self.FIRST())
        Task.get_task(RUN, registry=here).set_comment("mine")
        brought(there, **self.FIRST())
        here.merge(there.path)
        there.merge(here.path)
        assert rows(there, "SELECT comment FROM task WHERE id = ?", RUN) == [("mine",)]
        assert state(here) == state(there)


class TestUnusable:
    """What cannot be kept is an error that names it, and nothing is recorded."""

    @pytest.mark.parametrize(
        "task",
        [
            run(name="half \ud800"),
            run(key="half \ud800"),
            run(comment="half \ud800"),
            run(user="half \ud800"),
            run(reason="half \ud800"),
            run(name="nul \0"),
            run(name="x" * 2_000),
            run(created=10**400),
            run(created=-(10**30)),
            run(ended=10**5_000),
            run(run={"a": float("nan")}),
            run(run={"half": "\ud800"}),
            run(run={"big": 10**5_000}),
            run(parameters={("a", "b"): text("\udfff")}),
            run(configurations={"a": "\udfff"}),
            run(tags=("\udfff",)),
            run(artifacts=(FoundArtifact(name="a", text="\udfff"),)),
            run(artifacts=(FoundArtifact(name="a", url="\udfff"),)),
            run(artifacts=(FoundArtifact(name="a", text="a", preview="\udfff"),)),
            run(artifacts=(FoundArtifact(name="a", text="a", at=10**40),)),
            run(report=lambda spool: spool.add_points("\udfff", "a", [1], [1.0], [1])),
            run(report=lambda spool: spool.add_points("a", "a", [10**30], [1.0], [1])),
            run(report=lambda spool: spool.add_points("a", "a", [2**60], [1.0], [1])),
            run(report=lambda spool: spool.add_points("a", "a", [1], [10**400], [1])),
            run(report=lambda spool: spool.add_points("a", "a", [1], [1.0], [10**18])),
            run(report=lambda spool: spool.add_points("a", "a", [1, 2], [1.0], [1, 2])),
            run(report=lambda spool: spool.add_point("a", "a", 1, 10**400, 1)),
            run(report=lambda spool: spool.add_point("a", "a", 1, 1.0, 10**30)),
            run(report=lambda spool: spool.add_point("a", "a", 10**30, 1.0, 1)),
            run(report=lambda spool: spool.add_single("a", 1.0, 10**30)),
            run(report=lambda spool: spool.add_line(1, 20, "\udfff")),
            run(report=lambda spool: spool.add_line(10**30, 20, "a")),
        ],
    )  # fmt: skip
    def test_of_a_task(self, registry, task):
        with pytest.raises(SourceError, match=r"cannot be kept.*Nothing was imported"):
            brought(registry, tasks=[run("good"), task])
        assert registry.tasks() == []
        assert below(registry.path / "tmp") == []

    @pytest.mark.parametrize(
        "model",
        [
            net(name="half \ud800"),
            net(key="half \ud800"),
            net(project="half \ud800"),
            net(comment="half \ud800"),
            net(user="half \ud800"),
            net(framework="\ud800"),
            net(config="\ud800"),
            net(labels={"\ud800": 1}),
            net(labels={"a": 2**70}),
            net(tags=("\ud800",)),
            net(metadata={"a": text("\ud800")}),
            net(metadata={"x" * 5_000: text("a")}),
            net(version=0),
            net(version=-1),
            net(version=2**63),
            net(version=10**400),
            net(created=-1),
            net(created=10**30),
            net(changed=10**30),
            net(task="\ud800"),
            net(parent="\ud800"),
        ],
    )
    def test_of_a_model(self, registry, model):
        with pytest.raises(SourceError, match=r"cannot be kept.*Nothing was imported"):
            brought(registry, models=[net(9), model])
        assert registry.models() == []

    def test_a_registry_that_is_only_read_says_so(self, registry, tmp_path):
        with Registry(registry.path, readonly=True) as reader, pytest.raises(ReadOnlyRegistryError):
            brought(reader, tasks=[run()])


TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
WHOLE = st.one_of(st.integers(-5, 5), st.sampled_from([START, 2**53, 2**63, 10**20, -(10**20)]))
VALUES = st.builds(MetadataValue, TEXT, st.sampled_from(["str", "int", "", "\ud800"]))
TASKS = st.builds(
    run,
    key=st.one_of(TEXT, st.just(RUN)),
    name=TEXT,
    project=st.one_of(st.none(), TEXT),
    comment=st.one_of(st.none(), TEXT),
    parent=st.one_of(st.none(), TEXT),
    user=st.one_of(st.none(), TEXT),
    type=TEXT,
    status=st.sampled_from(["completed", "in_progress", "other"]),
    tags=st.lists(TEXT, max_size=3).map(tuple),
    parameters=st.dictionaries(st.tuples(TEXT, TEXT), VALUES, max_size=3),
    configurations=st.dictionaries(TEXT, TEXT, max_size=2),
    outputs=st.dictionaries(TEXT, TEXT, max_size=2),
    artifacts=st.lists(
        st.builds(
            FoundArtifact, name=TEXT, kind=TEXT, text=st.one_of(st.none(), TEXT), url=TEXT,
            preview=st.one_of(st.none(), TEXT), at=WHOLE, size=WHOLE,
        ),
        max_size=2,
    ).map(tuple),
    created=WHOLE,
    ended=st.one_of(st.none(), WHOLE),
)  # fmt: skip
MODELS = st.builds(
    net,
    key=TEXT,
    name=TEXT,
    project=st.one_of(st.none(), TEXT),
    version=st.one_of(st.none(), WHOLE),
    comment=st.one_of(st.none(), TEXT),
    framework=st.one_of(st.none(), TEXT),
    config=TEXT,
    labels=st.dictionaries(TEXT, WHOLE, max_size=2),
    tags=st.lists(TEXT, max_size=3).map(tuple),
    metadata=st.dictionaries(TEXT, VALUES, max_size=3),
    aliases=st.lists(TEXT, max_size=3).map(tuple),
    weights=st.lists(
        st.builds(
            FoundWeights, url=st.one_of(TEXT, st.just("s3://b/a.pt")), filename=TEXT,
            size=WHOLE, missing=st.one_of(st.none(), TEXT),
        ),
        max_size=2,
    ).map(tuple),
    created=WHOLE,
    changed=WHOLE,
)  # fmt: skip


@pytest.mark.long
@settings(max_examples=60 * TIMES)
@given(tasks=st.lists(TASKS, max_size=2), models=st.lists(MODELS, max_size=2))
def test_whatever_a_source_says_is_kept_or_an_error_and_twice_is_once(
    tmp_path_factory, tasks, models
):
    """P46: and the registry is sound afterwards."""
    with Registry(tmp_path_factory.mktemp("r") / "r", durability="fast") as registry:
        try:
            brought(registry, tasks=tasks, models=models)
        except SourceError:
            assert state(registry)["events"] == []
        else:
            before = state(registry)
            assert brought(registry, tasks=tasks, models=models).arrived.events == 0
            assert state(registry) == before
            assert registry.verify().ok


def test_on_a_full_disk_nothing_is_recorded_and_with_room_it_goes_on(small_disk, tmp_path):
    """P5: also the bytes that came are deleted."""
    disk = small_disk("-t", "tmpfs", "-o", "size=6m", "none")
    for number in range(4):
        (tmp_path / f"{number}.pt").write_bytes(os.urandom(2_000_000))
    models = [net(n + 1, weights=(file_weights(tmp_path / f"{n}.pt"),)) for n in range(4)]
    with Registry(disk / "registry") as registry:
        with pytest.raises(StorageFullError):
            brought(registry, tasks=[run()], models=models)
        assert (registry.models(), registry.tasks(), blobs(registry.path)) == ([], [], [])
        brought(registry, tasks=[run()], models=models[:2])
        assert registry.verify(full=True).ok
