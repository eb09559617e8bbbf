"""What a bundle holds: which models, what goes with them, what does not, and the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from support.contents import blobs

from localreg import InputModel, Model, OutputModel, Registry, Task
from localreg.errors import (
    AmbiguousReferenceError,
    CorruptBlobError,
    InvalidValueError,
    ModelNotFoundError,
    NotFoundError,
    PathExistsError,
)


@pytest.fixture
def model(registry, write_file):
    """vision/resnet:1, with a few changes."""
    model = registry.add(
        write_file("resnet.pt", b"weights"), "resnet", "vision", alias="prod", tags=["good"]
    )
    model.set_metadata("accuracy", 0.9)
    return model


class Read:
    """A bundle in a tar, read by Python's own tarfile."""

    def __init__(self, path):
        with tarfile.open(path) as tar:
            self.names = tar.getnames()
            self.files = {each.name: tar.extractfile(each).read() for each in tar}
        self.index = json.loads(self.files["index.json"])
        self.manifests = [self.blob(each["digest"]) for each in self.index["manifests"]]

    def blob(self, digest):
        return json.loads(self.bytes(digest))

    def bytes(self, digest):
        return self.files[f"blobs/sha256/{digest.removeprefix('sha256:')}"]

    def has(self, data):
        return f"blobs/sha256/{hashlib.sha256(data).hexdigest()}" in self.names

    @property
    def refs(self):
        found = (each.get("annotations", {}) for each in self.index["manifests"])
        return sorted(
            each["org.opencontainers.image.ref.name"] for each in found if "org.op" in str(each)
        )

    def layers(self, kind):
        """Return the layers of all manifests whose media type has this word."""
        return [
            layer
            for manifest in self.manifests
            for layer in manifest["layers"]
            if f".{kind}." in layer["mediaType"]
        ]

    @property
    def events(self):
        lines = [self.bytes(each["digest"]).splitlines() for each in self.layers("events")]
        return [json.loads(line) for some in lines for line in some]

    @property
    def kinds(self):
        return sorted(each["kind"] for each in self.events)


def test_a_bundle_of_one_model_has_its_weights_and_its_events(registry, model, tmp_path):
    done = registry.export("vision/resnet:1", path=tmp_path / "b.tar")
    bundle = Read(done.path)
    assert bundle.refs == ["vision/resnet:1"]
    assert bundle.has(b"weights")
    assert bundle.kinds == ["model.created", "model.metadata", "project.created"]
    assert [(each.id, each.size) for each in done.models] == [(model.id, 7)]
    assert (done.events, done.blobs, done.missing) == (3, 1, ())
    assert done.size == (tmp_path / "b.tar").stat().st_size


def test_the_manifest_names_the_file_and_its_blob(registry, model, tmp_path):
    """Other tools find the weights by the digest that this registry has for them."""
    bundle = Read(registry.export(model, path=tmp_path / "b.tar").path)
    (layer,) = bundle.layers("weight")
    assert layer["digest"] == f"sha256:{model.digest}"
    assert layer["annotations"]["org.opencontainers.image.title"] == "resnet.pt"


def test_a_partial_bundle_has_no_events_of_aliases_and_others(registry, model, tmp_path):
    registry.add(io.BytesIO(b"other"), "other", "vision", filename="o.pt", alias="prod")
    bundle = Read(registry.export(model, path=tmp_path / "b.tar").path)
    assert {each["subject"] for each in bundle.events if each["kind"] != "project.created"} == {
        model.id
    }
    assert not bundle.has(b"other")


def test_the_whole_registry_has_aliases_tasks_and_what_was_removed(registry, model, tmp_path):
    task = Task.create(project_name="vision", task_name="train")
    gone = registry.add(io.BytesIO(b"gone"), "gone", filename="g.pt")
    Model.remove(gone)
    bundle = Read(registry.export(everything=True, path=tmp_path / "b.tar").path)
    assert {"alias.set", "task.created", "model.removed"} <= set(bundle.kinds)
    subjects = {each["subject"] for each in bundle.events}
    assert {model.id, task.id, gone.id} <= subjects
    assert len(bundle.events) == registry.db["event"].count
    assert len({each["event_id"] for each in bundle.events}) == len(bundle.events)


def test_the_task_that_made_a_model_goes_along_with_its_artifacts(registry, tmp_path):
    task = Task.create(project_name="lab", task_name="train")
    task.get_logger().report_scalar("loss", "train", 0.5, 1)
    task.upload_artifact("table", {"rows": 3})
    model = OutputModel(task=task, name="net")
    (tmp_path / "net.pt").write_bytes(b"trained")
    model.update_weights(str(tmp_path / "net.pt"))
    other = Task.create(project_name="lab", task_name="other")
    bundle = Read(registry.export(model.id, path=tmp_path / "b.tar").path)
    subjects = {each["subject"] for each in bundle.events}
    assert task.id in subjects
    assert other.id not in subjects
    owners = {each["annotations"]["vnd.localreg.owner"] for each in bundle.layers("reports")}
    assert owners == {f"task/{task.id}"}
    artifact = registry.db.execute(
        "SELECT digest FROM artifact a JOIN blob b ON b.pk = a.blob"
    ).fetchone()[0]
    assert f"blobs/sha256/{artifact}" in bundle.names


def test_without_reports_and_without_history(registry, model, tmp_path):
    model.report_scalar("loss", "train", 0.5, iteration=1)
    whole = Read(registry.export(model, path=tmp_path / "a.tar").path)
    assert whole.layers("reports")
    assert not Read(registry.export(model, path=tmp_path / "b.tar", reports=False).path).layers(
        "reports"
    )
    copies = registry.export(model, path=tmp_path / "c.tar", history=False)
    assert copies.events == 0
    assert Read(copies.path).events == []


def test_a_package_goes_with_all_its_files(registry, tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "config.json").write_text('{"a": 1}')
    (tmp_path / "pkg" / "net.bin").write_bytes(b"net")
    model = registry.add(tmp_path / "pkg", "bert")
    bundle = Read(registry.export(model, path=tmp_path / "b.tar").path)
    titles = [
        each["annotations"]["org.opencontainers.image.title"]
        for manifest in bundle.manifests
        for each in manifest["layers"]
        if "cncf" in each["mediaType"]
    ]
    assert titles == ["config.json", "net.bin"]
    assert f"blobs/sha256/{model.digest}" in bundle.names, "its manifest"


def test_all_revisions_of_weights_go_along(registry, tmp_path):
    model = OutputModel(name="net", task=Task.create(project_name="lab", task_name="train"))
    for content in (b"first", b"second"):
        (tmp_path / "net.pt").write_bytes(content)
        model.update_weights(str(tmp_path / "net.pt"))
    bundle = Read(registry.export(model.id, path=tmp_path / "b.tar").path)
    assert bundle.has(b"first")
    assert bundle.has(b"second")


def test_the_same_models_give_the_same_bytes(registry, model, tmp_path):
    """In whatever order they are named; and nothing is written to the registry."""
    other = registry.add(io.BytesIO(b"other"), "other", "vision", filename="o.pt")
    model.report_scalar("loss", "train", 0.5, iteration=1)
    events = registry.db["event"].count
    names = []
    for number, chosen in enumerate(([model, other], [other, model], ["vision/other", model])):
        names.append(registry.export(*chosen, path=tmp_path / f"{number}.tar").path)
    assert len({Path(name).read_bytes() for name in names}) == 1
    assert registry.db["event"].count == events
    assert registry.gc(grace_seconds=0).garbage == ()


def test_queries_and_all_versions(registry, model, tmp_path):
    for content in (b"2", b"3"):
        registry.add(io.BytesIO(content), "resnet", "vision", filename="r.pt", tags=["new"])
    registry.add(io.BytesIO(b"x"), "bert", "nlp", filename="b.pt")

    def refs(file, *models, **filters):
        return Read(registry.export(*models, path=tmp_path / f"{file}.tar", **filters).path).refs

    versions = ["vision/resnet:1", "vision/resnet:2", "vision/resnet:3"]
    assert refs("a", "vision/resnet:2", versions=True) == versions
    assert refs("b", project="vision") == versions
    assert refs("c", tags=["new"]) == versions[1:]
    assert refs("d", name="bert") == ["nlp/bert:1"]
    assert refs("e", "vision/resnet") == versions[2:], "a name is one version, as everywhere"


@pytest.mark.parametrize(
    ("models", "options"),
    [((), {}), (("vision/resnet",), {"everything": True}), ((), {"name": "x", "everything": True})],
)
def test_exactly_one_of_models_filters_and_all(registry, model, tmp_path, models, options):
    with pytest.raises(InvalidValueError, match="references of models, filters, or everything"):
        registry.export(*models, path=tmp_path / "b.tar", **options)


def test_nothing_found_is_an_error(registry, model, tmp_path):
    with pytest.raises(ModelNotFoundError):
        registry.export(tags=["unknown"], path=tmp_path / "b.tar")
    with pytest.raises(ModelNotFoundError):
        registry.export("vision/unknown", path=tmp_path / "b.tar")
    assert not (tmp_path / "b.tar").exists()


def test_a_file_that_exists_is_not_replaced(registry, model, tmp_path):
    (tmp_path / "b.tar").write_text("mine")
    with pytest.raises(PathExistsError, match="exists already"):
        registry.export(model, path=tmp_path / "b.tar")
    assert (tmp_path / "b.tar").read_text() == "mine"


@pytest.mark.parametrize("name", ["m.zip", "m.tar.gz", "m.TGZ"])
def test_a_compressed_file_is_refused_and_not_made_a_folder(name, registry, model, tmp_path):
    with pytest.raises(InvalidValueError, match="never compressed"):
        registry.export(model, path=tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_dry_run_writes_nothing_and_says_what_it_would(registry, model, tmp_path):
    dry = registry.export(model, path=tmp_path / "b.tar", dry_run=True)
    assert not (tmp_path / "b.tar").exists()
    done = registry.export(model, path=tmp_path / "b.tar")
    assert dry.dry_run
    assert (dry.models, dry.size, dry.events) == (done.models, done.size, done.events)


def test_damaged_weights_never_become_a_bundle(registry, model, tmp_path):
    (blob,) = blobs(registry.path)
    blob.chmod(0o644)
    blob.write_bytes(b"wrong!!")
    with pytest.raises(CorruptBlobError):
        registry.export(model, path=tmp_path / "b.tar")
    assert not (tmp_path / "b.tar").exists()
    assert [each.name for each in tmp_path.glob("*.tar*")] == []


def test_a_folder_a_stream_and_parts(registry, model, tmp_path):
    registry.export(model, path=tmp_path / "b.tar")
    whole = (tmp_path / "b.tar").read_bytes()
    registry.export(model, path=tmp_path / "folder")
    assert (tmp_path / "folder" / "index.json").read_bytes() == Read(tmp_path / "b.tar").files[
        "index.json"
    ]
    stream = io.BytesIO()
    assert registry.export(model, path=stream).path is None
    assert stream.getvalue() == whole
    parts = registry.export(model, path=tmp_path / "p.tar", split=8192).paths
    assert [each[-4:] for each in parts[:2]] == [".001", ".002"]
    assert b"".join(Path(each).read_bytes() for each in parts) == whole


def test_weights_that_are_only_pointed_to_go_along_if_the_file_fits(registry, tmp_path):
    (tmp_path / "here.pt").write_bytes(b"here")
    (tmp_path / "changed.pt").write_bytes(b"before")
    made = {}
    for path in sorted(tmp_path.glob("*.pt")):
        pin = hashlib.sha256(path.read_bytes()).hexdigest()
        made[path.stem] = registry.add(path, mode="reference", expected_sha256=pin)
    unknown = registry.add(tmp_path / "here.pt", "unknown", mode="reference")
    (tmp_path / "changed.pt").write_bytes(b"after!")
    done = registry.export(*made.values(), unknown, path=tmp_path / "b.tar")
    bundle = Read(done.path)
    assert bundle.has(b"here")
    assert not bundle.has(b"after!")
    missing = {each.ref: each for each in done.missing}
    assert missing.keys() == {"changed:1", "unknown:1"}
    assert missing["changed:1"].size == 6
    assert str(tmp_path / "changed.pt") in missing["changed:1"].why
    assert "sha256 is not recorded" in missing["unknown:1"].why


def test_secrets_of_urls_and_paths_of_this_machine_do_not_travel(registry, tmp_path):
    (tmp_path / "private.pt").write_bytes(b"p")
    InputModel.import_model("https://user:hunter2@example.com/net.pt?token=s3cret", name="net")
    registry.add(tmp_path / "private.pt", "local", mode="reference")
    done = registry.export(everything=True, path=tmp_path / "b.tar")
    data = (tmp_path / "b.tar").read_bytes()
    for secret in (b"hunter2", b"s3cret", str(tmp_path).encode()):
        assert secret not in data
    assert all("hunter2" not in each.why and "s3cret" not in each.why for each in done.missing)


def test_an_image_has_the_same_files_and_does_not_disturb_an_import(registry, model, tmp_path):
    done = registry.export(model, path=tmp_path / "b.tar", image=True)
    assert [each for each in Read(done.path).refs if each.startswith("vision/resnet:1-image")]
    with Registry(tmp_path / "target", durability="fast") as target:
        came = target.import_bundle(done.path)
        assert (came.models, came.blobs) == (("vision/resnet:1",), 1)


class TestSince:
    """What the other side has is left out."""

    def test_a_bundle_tells_what_it_holds(self, registry, model, tmp_path):
        first = registry.export(model, path=tmp_path / "1.tar")
        model.set_metadata("accuracy", 0.95)
        second = registry.add(io.BytesIO(b"second"), "resnet", "vision", filename="r.pt")
        done = registry.export(model, second, path=tmp_path / "2.tar", since=first.path)
        bundle = Read(done.path)
        assert bundle.kinds == ["model.created", "model.metadata"]
        assert bundle.has(b"second")
        assert not bundle.has(b"weights")

    def test_an_event_tells_what_was_known_then(self, registry, model, tmp_path):
        last = registry.db.execute("SELECT event_id FROM event ORDER BY pk DESC").fetchone()[0]
        model.set_metadata("accuracy", 0.95)
        second = registry.add(io.BytesIO(b"second"), "resnet", "vision", filename="r.pt")
        done = registry.export(model, second, path=tmp_path / "2.tar", since=last[:12])
        bundle = Read(done.path)
        assert bundle.kinds == ["model.created", "model.metadata"]
        assert bundle.has(b"second")
        assert not bundle.has(b"weights")

    def test_neither_a_file_nor_an_event(self, registry, model, tmp_path):
        with pytest.raises(NotFoundError, match="neither a file nor an event"):
            registry.export(model, path=tmp_path / "b.tar", since="abcdef")

    def test_too_few_digits(self, registry, tmp_path):
        for number in range(40):
            registry.add(io.BytesIO(b"%d" % number), f"m{number}", filename="m")
        ids = sorted(row[0] for row in registry.db.execute("SELECT event_id FROM event"))
        assert ids
        with registry._chain.first.store.write() as change:
            for last in "ab":
                event_id = f"abcdef{last * 26}"
                change.record("model.unknown", ids[0], {}, event_id=event_id)
        with pytest.raises(AmbiguousReferenceError, match="more digits"):
            registry.export(name="m1", path=tmp_path / "b.tar", since="abcdef")


def test_models_upstream_are_exported_from_there(registry, tmp_path):
    with Registry(tmp_path / "up", durability="fast") as up:
        up.add(io.BytesIO(b"upstream"), "net", "far", filename="n.pt")
    with Registry(registry.path, durability="fast", upstream=[tmp_path / "up"]) as here:
        bundle = Read(here.export("far/net", path=tmp_path / "b.tar").path)
    assert bundle.has(b"upstream")
    assert bundle.kinds == ["model.created", "project.created"]


def test_a_read_only_registry_can_be_exported(registry, model, tmp_path):
    with Registry(registry.path, readonly=True) as readonly:
        done = readonly.export(model.id, path=tmp_path / "b.tar")
    assert Read(done.path).has(b"weights")
