"""P32: what an import brings, what it does twice or after an error, and copies."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.contents import blobs, unaccounted

from localreg import InputModel, Model, OutputModel, Registry, Task
from localreg.errors import BundleError, InvalidValueError, SourceNotFoundError


@pytest.fixture
def source(tmp_path):
    """A registry with vision/resnet:1 and :2, the package nlp/bert:1 and a task with net:1."""
    with Registry(tmp_path / "source", durability="fast") as registry:
        (tmp_path / "resnet.pt").write_bytes(b"weights")
        model = registry.add(
            tmp_path / "resnet.pt", "resnet", "vision", alias="prod", tags=["good"], comment="c",
            metadata={"accuracy": 0.9}, label_enumeration={"cat": 0}, config_dict={"lr": 0.1},
        )  # fmt: skip
        model.report_scalar("loss", "train", 0.5, iteration=1)
        registry.add(io.BytesIO(b"better"), "resnet", "vision", filename="resnet.pt")
        (tmp_path / "pkg").mkdir()
        (tmp_path / "pkg" / "config.json").write_text('{"a": 1}')
        (tmp_path / "pkg" / "run.sh").write_text("#!/bin/sh\n")
        (tmp_path / "pkg" / "run.sh").chmod(0o755)
        registry.add(tmp_path / "pkg", "bert", "nlp")
        task = Task.create(project_name="lab", task_name="train")
        task.set_parameter("lr", 0.1)
        task.get_logger().report_scalar("loss", "train", 0.25, 7)
        task.upload_artifact("table", {"rows": 3})
        (tmp_path / "net.pt").write_bytes(b"trained")
        OutputModel(task=task, name="net").update_weights(str(tmp_path / "net.pt"))
        yield registry


@pytest.fixture
def target(tmp_path):
    with Registry(tmp_path / "target", durability="fast") as registry:
        yield registry


@pytest.fixture
def everything(source, tmp_path):
    return source.export(everything=True, path=tmp_path / "all.tar").path


def state(registry):
    """Return what a registry says about its models, tasks and reports, without local facts."""
    found = {}
    for table in (
        "event", "model", "weights", "metadata", "tag", "alias", "task", "parameter", "scalar",
        "artifact", "blob", "tree_file", "claim", "arrival",
    ):  # fmt: skip
        found[table] = registry.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return found


def test_everything_about_a_model_comes_along(source, target, tmp_path):
    was = source.model("vision/resnet@prod")
    done = target.import_bundle(source.export(was, path=tmp_path / "b.tar").path)
    assert done.models == ("vision/resnet:1",)
    assert (done.blobs, done.size, done.conflict, done.differences) == (1, 7, False, ())
    model = target.model(was.id)
    for name in ("name", "version", "tags", "comment", "labels", "digest", "config_dict"):
        assert getattr(model, name) == getattr(was, name), name
    assert model.get_metadata("accuracy") == was.get_metadata("accuracy")
    assert model.get_reported_scalars() == was.get_reported_scalars()
    assert Path(model.get_local_copy()).read_bytes() == b"weights"
    assert [each.event_id for each in model.history()][:2] == [
        each.event_id for each in was.history() if each.kind != "alias.set"
    ][:2]
    assert target.verify(full=True).ok


def test_a_partial_bundle_brings_no_aliases(source, target, tmp_path):
    target.import_bundle(source.export("vision/resnet:1", path=tmp_path / "b.tar").path)
    assert target.db["alias"].count == 0


def test_the_whole_registry_comes_along(source, target, everything):
    done = target.import_bundle(everything)
    assert set(done.models) == {"vision/resnet:1", "vision/resnet:2", "nlp/bert:1", "lab/net:1"}
    assert target.model("vision/resnet@prod").version == 1
    assert target.db["event"].count == source.db["event"].count
    assert target.verify(full=True).ok
    package = Path(target.model("nlp/bert").get_local_copy())
    assert (package / "config.json").read_text() == '{"a": 1}'
    assert os.access(package / "run.sh", os.X_OK)
    assert unaccounted(target.path) == []


def test_a_task_comes_with_its_settings_reports_and_artifacts(source, target, tmp_path):
    target.import_bundle(source.export("lab/net", path=tmp_path / "b.tar").path)
    with target:
        (found,) = Task.get_tasks(project_name="lab")
        assert found.get_parameter("General/lr") == "0.1" or found.get_parameter("lr") is not None
        assert found.artifacts["table"].get() == {"rows": 3}
        assert found.get_reported_scalars()["loss"]["train"]["y"] == [0.25]
        assert [each.name for each in found.models["output"]] == ["net"]


def test_the_same_bundle_twice_changes_nothing(target, everything):
    target.import_bundle(everything)
    before = state(target)
    again = target.import_bundle(everything)
    assert (again.events, again.models, again.blobs, again.reports) == (0, (), 0, 0)
    assert state(target) == before


def test_a_dry_run_says_the_same_and_changes_nothing(target, everything):
    before = state(target)
    dry = target.import_bundle(everything, dry_run=True)
    assert state(target) == before
    assert blobs(target.path) == []
    done = target.import_bundle(everything)
    assert dry.dry_run
    assert not done.dry_run
    for name in ("models", "events", "blobs", "size", "reports", "differences"):
        assert getattr(dry, name) == getattr(done, name), name


def test_a_stream_a_folder_and_parts_bring_the_same(source, tmp_path):
    source.export(everything=True, path=tmp_path / "folder")
    source.export(everything=True, path=tmp_path / "p.tar", split=16_384)
    source.export(everything=True, path=tmp_path / "all.tar")

    class Pipe:
        """Bytes that come once, a few at a time."""

        def __init__(self):
            self._bytes = io.BytesIO((tmp_path / "all.tar").read_bytes())

        def read(self, size=-1):
            return self._bytes.read(min(size, 1_000) if size >= 0 else 1_000)

    found = []
    for number, each in enumerate((tmp_path / "folder", tmp_path / "p.tar.001", Pipe())):
        with Registry(tmp_path / f"t{number}", durability="fast") as registry:
            registry.import_bundle(each)
            assert registry.verify(full=True).ok
            found.append(state(registry))
    assert found[0] == found[1] == found[2]


def test_what_the_other_side_lacks_is_enough(source, target, tmp_path):
    """The stick that goes to and fro: only differences travel."""
    first = source.export("vision/resnet", path=tmp_path / "1.tar")
    target.import_bundle(first.path)
    source.model("vision/resnet").set_metadata("accuracy", 0.95)
    third = source.add(io.BytesIO(b"third"), "resnet", "vision", filename="r.pt")
    second = source.export("vision/resnet:2", third, path=tmp_path / "2.tar", since=first.path)
    assert second.blobs == 1
    done = target.import_bundle(second.path)
    assert done.models == ("vision/resnet:3",)
    assert done.missing == ()
    assert target.model("vision/resnet:2").get_metadata("accuracy") == "0.95"
    assert Path(target.model(third.id).get_local_copy()).read_bytes() == b"third"


def test_a_bundle_of_differences_needs_what_it_leaves_out(source, target, tmp_path):
    """The first bundle did not come: nothing is taken; when it did, all is there."""
    first = source.export("vision/resnet:2", path=tmp_path / "1.tar")
    source.model("vision/resnet:2").set_metadata("accuracy", 0.95)
    event = source.model("vision/resnet:2").history()[0].event_id
    source.model("vision/resnet:2").set_metadata("accuracy", 0.96)
    for name, since in (("2", first.path), ("3", event)):
        later = source.export("vision/resnet:2", path=tmp_path / f"{name}.tar", since=since).path
        with pytest.raises(BundleError, match="import that one first"):
            target.import_bundle(later)
        check_untouched(target)
    target.import_bundle(first.path)
    target.import_bundle(tmp_path / "2.tar")
    assert target.model("vision/resnet:2").get_metadata("accuracy") == "0.96"
    assert target.import_bundle(tmp_path / "3.tar").events == 0
    assert target.verify(full=True).ok


def test_what_was_removed_here_does_not_come_again(source, target, tmp_path):
    """Not even its bytes; those that another model has do come."""
    first = source.export("vision/resnet:1", path=tmp_path / "1.tar").path
    target.import_bundle(first)
    with target:
        Model.remove(target.model("vision/resnet:1"), delete_weights_file=True)
    assert target.import_bundle(first).blobs == 0
    assert blobs(target.path) == []
    source.add(io.BytesIO(b"weights"), "again", filename="w.pt")
    both = source.export("vision/resnet:1", "again", path=tmp_path / "2.tar").path
    done = target.import_bundle(both)
    assert (done.models, done.blobs) == (("again:1",), 1)


def test_bytes_that_were_left_out_and_are_gone_are_named(source, target, tmp_path):
    first = source.export("vision/resnet:2", path=tmp_path / "1.tar")
    target.import_bundle(first.path)
    with target:
        Model.remove(target.model("vision/resnet:2"), delete_weights_file=True)
    source.model("vision/resnet:2").set_metadata("accuracy", 0.95)
    done = target.import_bundle(
        source.export("vision/resnet:2", path=tmp_path / "2.tar", since=first.path).path
    )
    assert [each.size for each in done.missing] == [6]


def test_missing_bytes_are_said_at_the_other_end_without_the_path(source, target, tmp_path):
    (tmp_path / "there.pt").write_bytes(b"there")
    source.add(tmp_path / "there.pt", "pointed", mode="reference")
    done = target.import_bundle(source.export("pointed", path=tmp_path / "b.tar").path)
    (missing,) = done.missing
    assert missing.ref == "pointed:1"
    assert "a file of another machine" in missing.why
    assert str(tmp_path) not in missing.why


def test_aliases_are_set_only_where_they_are_as_they_were(source, target, tmp_path):
    bundle = source.export("vision/resnet:1", path=tmp_path / "1.tar").path
    done = target.import_bundle(bundle, aliases=True)
    assert target.model("vision/resnet@prod").version == 1
    assert done.differences == ("vision/resnet@prod is vision/resnet:1 now",)
    again = target.import_bundle(bundle, aliases=True)
    assert (again.events, again.differences) == (0, ())
    # There the alias goes on to version 2; here it was moved to another one meanwhile.
    with source:
        source.set_alias("vision/resnet:2", "prod")
    target.add(io.BytesIO(b"own"), "resnet", "vision", filename="r.pt", alias="prod")
    own = target.model("vision/resnet@prod").id
    done = target.import_bundle(
        source.export("vision/resnet:2", path=tmp_path / "2.tar").path, aliases=True
    )
    assert target.model("vision/resnet@prod").id == own
    assert any("stays at" in each for each in done.differences)
    assert target.db["event"].count_where("kind = 'alias.set'") == 2


def test_an_alias_that_was_dropped_here_is_not_set_again(source, target, tmp_path):
    bundle = source.export("vision/resnet:1", path=tmp_path / "1.tar").path
    target.import_bundle(bundle, aliases=True)
    with target:
        target.remove_alias("vision/resnet:1", "prod")
    done = target.import_bundle(bundle, aliases=True)
    assert done.differences == (
        "vision/resnet@prod was dropped here; where it comes from it is vision/resnet:1",
    )
    assert target.db["alias"].count == 0


def test_an_alias_that_moved_on_at_its_origin_moves_here_too(source, target, tmp_path):
    """Though it was set here by an import; and though it moved on twice, if it came by merge."""
    target.import_bundle(
        source.export("vision/resnet:1", path=tmp_path / "1.tar").path, aliases=True
    )
    source.set_alias("vision/resnet:2", "prod")
    target.import_bundle(
        source.export("vision/resnet:2", path=tmp_path / "2.tar").path, aliases=True
    )
    assert target.model("vision/resnet@prod").version == 2
    with Registry(tmp_path / "third", durability="fast") as third:
        third.merge(source.path)
        for number in (3, 4):
            source.add(io.BytesIO(b"%d" % number), "resnet", "vision", filename="r", alias="prod")
        later = source.export("vision/resnet:4", path=tmp_path / "4.tar").path
        third.import_bundle(later, aliases=True)
        assert third.model("vision/resnet@prod").version == 4


class TestCopies:
    """With --project, and of bundles without history."""

    def test_a_copy_is_a_new_model_of_that_project(self, source, target, tmp_path):
        was = source.model("vision/resnet:1")
        bundle = source.export(was, path=tmp_path / "b.tar").path
        done = target.import_bundle(bundle, project="staging")
        assert done.models == ("staging/resnet:1",)
        copy = target.model("staging/resnet:1")
        assert copy.id != was.id
        assert (copy.digest, copy.tags, copy.labels) == (was.digest, was.tags, was.labels)
        assert copy.get_reported_scalars() == was.get_reported_scalars()
        assert Path(copy.get_local_copy()).read_bytes() == b"weights"
        created = json.loads(
            target.db.execute("SELECT payload FROM event WHERE subject = ?", [copy.id]).fetchone()[
                0
            ]
        )
        assert created["copied_from"] == was.id
        assert target.models(project="vision") == []

    def test_a_copy_is_found_again(self, source, target, tmp_path):
        bundle = source.export("vision/resnet:1", path=tmp_path / "b.tar").path
        target.import_bundle(bundle, project="staging")
        before = state(target)
        again = target.import_bundle(bundle, project="staging")
        assert (again.models, again.events) == ((), 0)
        assert state(target) == before
        assert target.import_bundle(bundle, project="other").models == ("other/resnet:1",)

    def test_a_copy_has_the_weights_that_are_served(self, source, target, tmp_path):
        with source:
            model = OutputModel(name="two", task=Task.create(project_name="p", task_name="t"))
            for content in (b"first", b"second"):
                (tmp_path / "two.pt").write_bytes(content)
                model.update_weights(str(tmp_path / "two.pt"))
        bundle = source.export(model.id, path=tmp_path / "b.tar").path
        target.import_bundle(bundle, project="copies")
        assert Path(target.model("copies/two").get_local_copy()).read_bytes() == b"second"
        assert target.db["weights"].count == 1

    def test_a_copy_travels_on(self, source, target, tmp_path):
        bundle = source.export("vision/resnet:1", path=tmp_path / "1.tar").path
        target.import_bundle(bundle, project="staging")
        copy = target.model("staging/resnet:1")
        target.export(copy, path=tmp_path / "2.tar")
        with Registry(tmp_path / "third", durability="fast") as third:
            third.import_bundle(tmp_path / "2.tar")
            assert third.model("staging/resnet:1").id == copy.id

    def test_a_removed_copy_does_not_come_back(self, source, target, tmp_path):
        bundle = source.export("vision/resnet:1", path=tmp_path / "b.tar").path
        target.import_bundle(bundle, project="staging")
        with target:
            Model.remove(target.model("staging/resnet:1"))
        assert target.import_bundle(bundle, project="staging").models == ()
        assert target.models() == []

    def test_a_bundle_without_history_makes_copies_in_its_own_project(
        self, source, target, tmp_path
    ):
        bundle = source.export("vision/resnet:1", path=tmp_path / "b.tar", history=False).path
        assert target.import_bundle(bundle).models == ("vision/resnet:1",)
        assert target.db["event"].count_where("kind = 'model.created'") == 1
        assert target.model("vision/resnet:1").id != source.model("vision/resnet:1").id
        assert target.import_bundle(bundle).models == ()

    def test_copies_are_not_taken_for_uploads_of_this_registry(self, source, target, tmp_path):
        with source:
            InputModel.import_model("https://example.com/net.pt", name="there")
        bundle = source.export("there", path=tmp_path / "b.tar").path
        target.import_bundle(bundle, project="p")
        assert [row["uploaded"] for row in target.db["weights"].rows] == [0]


class TestErrors:
    """Nothing is recorded, and nothing is left."""

    def test_there_is_no_such_file(self, target, tmp_path):
        with pytest.raises(SourceNotFoundError):
            target.import_bundle(tmp_path / "unknown.tar")

    def test_a_registry_is_merged_and_not_imported(self, source, target):
        with pytest.raises(InvalidValueError, match="localreg merge"):
            target.import_bundle(source.path)

    def test_another_folder_is_not_a_bundle(self, target, tmp_path):
        (tmp_path / "project").mkdir()
        with pytest.raises(InvalidValueError, match="is no bundle: it has no file oci-layout"):
            target.import_bundle(tmp_path / "project")
        Registry(tmp_path / "project" / ".localreg", durability="fast").close()
        with pytest.raises(InvalidValueError, match=r"localreg merge .*project/\.localreg`"):
            target.import_bundle(tmp_path / "project")
        check_untouched(target)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 100_000])
    def test_another_file_is_not_a_bundle(self, target, tmp_path, content):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(BundleError):
            target.import_bundle(tmp_path / "other")
        check_untouched(target)

    def test_a_bundle_that_is_cut_anywhere(self, target, everything, tmp_path):
        whole = Path(everything).read_bytes()
        for size in range(0, len(whole) - 1_024, 4_096):
            (tmp_path / "cut.tar").write_bytes(whole[:size])
            with pytest.raises(BundleError):
                target.import_bundle(tmp_path / "cut.tar")
        check_untouched(target)

    def test_wrong_bytes_of_weights(self, target, everything, tmp_path):
        whole = Path(everything).read_bytes()
        (tmp_path / "wrong.tar").write_bytes(whole.replace(b"trained", b"TRAINED"))
        with pytest.raises(BundleError, match="digest"):
            target.import_bundle(tmp_path / "wrong.tar")
        check_untouched(target)

    def test_an_error_spares_what_was_here_before(self, source, target, everything, tmp_path):
        target.import_bundle(source.export("vision/resnet:1", path=tmp_path / "1.tar").path)
        whole = Path(everything).read_bytes()
        (tmp_path / "wrong.tar").write_bytes(whole.replace(b"trained", b"TRAINED"))
        before = state(target)
        with pytest.raises(BundleError):
            target.import_bundle(tmp_path / "wrong.tar")
        assert state(target) == before
        assert target.verify(full=True).ok


def check_untouched(registry):
    """Check that a registry is as empty as it was."""
    assert registry.db["event"].count == 0
    assert registry.db["blob"].count == 0
    assert blobs(registry.path) == []
    assert list((registry.path / "tmp").glob("*")) == []


class Changed:
    """A bundle whose parts are changed, with digests that fit again."""

    def __init__(self, registry, folder):
        registry.export("vision/resnet:1", path=folder)
        self.folder = folder

    def replace(self, kind, change):
        """Change the bytes of the layers whose media type has this word."""
        index = json.loads((self.folder / "index.json").read_text())
        place = self.folder / "blobs" / "sha256"
        for manifest in index["manifests"]:
            old = place / manifest["digest"][7:]
            found = json.loads(old.read_bytes())
            for layer in found["layers"]:
                if f".{kind}." in layer["mediaType"]:
                    self._swap(layer, change((place / layer["digest"][7:]).read_bytes()))
            old.unlink()
            self._write(manifest, json.dumps(found).encode())
        index["manifests"].sort(key=lambda each: each["digest"])
        (self.folder / "index.json").write_text(json.dumps(index))
        return self.folder

    def _swap(self, layer, data):
        (self.folder / "blobs" / "sha256" / layer["digest"][7:]).unlink(missing_ok=True)
        self._write(layer, data)

    def _write(self, descriptor, data):
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(data)
        descriptor |= {"digest": f"sha256:{digest}", "size": len(data)}


def event_changed(**values):
    """Return a function that changes the creation of a model in a layer of events."""

    def change(data):
        lines = []
        for line in data.splitlines():
            event = json.loads(line)
            if event["kind"] == "model.created":
                for name, value in values.items():
                    target = event if name in event else event["payload"]
                    if value is KeyError:
                        del target[name]
                    else:
                        target[name] = value
            lines.append(json.dumps(event, sort_keys=True, separators=(",", ":")) + "\n")
        return "".join(lines).encode()

    return change


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("events", lambda data: b"{}\n"),
        ("events", lambda data: b"not JSON\n"),
        ("events", lambda data: data[:-1]),
        ("events", event_changed(subject="../../etc")),
        ("events", event_changed(lamport=-1)),
        ("events", event_changed(payload={})),
        ("events", event_changed(weights=KeyError)),
        ("events", event_changed(weights=[{"id": 1}])),
        ("events", event_changed(name=None)),
        ("events", event_changed(version="one")),
        ("events", event_changed(version=-3)),
        ("events", event_changed(metadata=[1])),
        ("events", event_changed(labels={"cat": "dog"})),
        ("events", event_changed(tags=[["nested"]])),
        ("events", event_changed(project={"id": 5})),
        ("notes", lambda data: b"[]"),
        ("notes", lambda data: b"{"),
        ("reports", lambda data: b"{}\n"),
        ("origins", lambda data: b'{"a": 1}'),
    ],
)
def test_forged_records_are_refused(source, target, tmp_path, kind, change):
    """An error that names a fault; nothing is recorded, and nothing is left."""
    folder = Changed(source, tmp_path / "forged").replace(kind, change)
    with pytest.raises(BundleError):
        target.import_bundle(folder)
    check_untouched(target)
    assert target.verify(full=True).ok


def test_unknown_kinds_of_events_are_kept(source, target, tmp_path):
    """A later localreg may have more of them; they have no effect here."""
    folder = Changed(source, tmp_path / "later").replace(
        "events", lambda data: data.replace(b'"model.metadata"', b'"model.something"')
    )
    target.import_bundle(folder)
    assert target.model("vision/resnet:1")


def test_memory_stays_small_whatever_the_size(tmp_path):
    """A bundle of 300 MB through a pipe, in processes that may use 150 MB."""
    script = (
        "import sys\n"
        "from localreg.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "with open('/proc/self/status') as status:\n"
        "    (most,) = [line for line in status if line.startswith('VmHWM')]\n"
        "print(most.split()[1], file=sys.stderr)\n"
        "raise SystemExit(code)\n"
    )
    with Registry(tmp_path / "source", durability="fast") as registry:
        for number in range(3):
            with open(tmp_path / "large", "wb") as file:
                file.write(os.urandom(1_000_000))
                file.truncate(100_000_000)
            registry.add(tmp_path / "large", f"m{number}", mode="move")
    environ = os.environ | {"LOCALREG_DURABILITY": "fast"}

    def command(*arguments, **options):
        return subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            stderr=subprocess.PIPE, env=environ, **options,
        )  # fmt: skip

    out = command("-R", tmp_path / "source", "export", "--all", "-o", "-", stdout=subprocess.PIPE)
    into = command("-R", tmp_path / "target", "import", "-", stdin=out.stdout)
    out.stdout.close()
    said = [(each.communicate(timeout=100)[1], each.returncode) for each in (into, out)]
    for err, code in said:
        assert code == 0, err
        assert int(err.splitlines()[-1]) < 150_000, "kB"
    with Registry(tmp_path / "target") as registry:
        assert len(registry.models()) == 3


def test_a_read_only_bundle_and_one_that_is_copied_bring_the_same(target, everything, tmp_path):
    shutil.copy(everything, tmp_path / "copy.tar")
    (tmp_path / "copy.tar").chmod(0o444)
    target.import_bundle(everything)
    assert target.import_bundle(tmp_path / "copy.tar").events == 0
