"""A cache that huggingface_hub made, parts of it, folders of models, and the hub itself."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from support.command_line import run_cli
from support.foreign_stores import STORES, brought, counts, files_of, said_of, survives
from support.proofs import TIMES, random_numbers
from support.servers.fake_hub import FakeHub, serving
from support.stores.make_huggingface import REPOSITORIES, safetensors

from localreg import Registry
from localreg.errors import InvalidValueError, SourceError

ONE, TWO, OTHER = "1" * 40, "2" * 40, "3" * 40
ALIASES = {"main": "main", "v1.0": "v1.0", "feature/x": "feature-x", "refs/pr/1": "pr-1"}


@pytest.fixture
def cache(tmp_path):
    """Return the folder of a cache."""
    with tarfile.open(STORES / "huggingface.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    return tmp_path / "hub"


def version(registry, project, name, commit):
    """Return the version of a commit."""
    (found,) = registry.query_models(
        project_name=project, model_name=name, metadata={"commit": commit}
    )
    return found


def snapshot(cache, name="models--acme--tiny", commit=TWO):
    """Return the folder of a snapshot."""
    return cache / name / "snapshots" / commit


def test_every_revision_comes_as_the_library_says_it(registry, cache):
    done = brought(registry, cache, "huggingface")
    said = {
        key.removeprefix("model/"): revisions
        for key, revisions in said_of("huggingface").items()
        if key.startswith("model/")
    }
    assert len(registry.query_models()) == sum(map(len, said.values())) == 5
    for repo, revisions in said.items():
        project, _, name = repo.rpartition("/")
        for commit, revision in revisions.items():
            model = version(registry, project or None, name, commit)
            assert sorted(registry.model(model.id).aliases) == sorted(
                ALIASES[each] for each in revision["refs"]
            )
            assert {
                path: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
                for path, data in files_of(model).items()
            } == {
                path: {"sha256": file["sha256"], "size": file["size"]}
                for path, file in revision["files"].items()
            }
    assert dict(done.left) == {"data sets": 1}
    assert not done.arrived.missing


def test_versions_are_in_the_order_in_which_they_came(registry, cache):
    brought(registry, cache, "huggingface")
    numbers = [version(registry, "acme", "tiny", each).version for each in (ONE, OTHER, TWO)]
    assert numbers == [1, 2, 3]


def test_the_head_of_a_card_becomes_tags_and_metadata(registry, cache):
    brought(registry, cache, "huggingface")
    model = version(registry, "acme", "tiny", TWO)
    assert sorted(model.tags) == ["text", "tiny"]
    assert model.framework == "PyTorch"
    values = {key: each["value"] for key, each in model.get_all_metadata_casted().items()}
    assert values == {
        "commit": TWO,
        "repo_id": "acme/tiny",
        "language": ["en", "de"],
        "license": "apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "datasets": ["acme/words"],
        "metrics": ["accuracy"],
    }


def test_a_card_stays_the_card(registry, cache, tmp_path):
    brought(registry, cache, "huggingface")
    code, out, _ = run_cli("card", "acme/tiny@main", "-o", "-")
    assert code == 0
    assert out.startswith("---\nlanguage:\n- en\n- de\nlicense: apache-2.0\n")
    assert "A model of 3 numbers." in out


def test_the_model_that_an_adapter_names_is_its_parent(registry, cache):
    brought(registry, cache, "huggingface")
    (adapter,) = registry.query_models(project_name="acme", model_name="tiny-lora")
    base = version(registry, "acme", "tiny", TWO)
    (record,) = [each for each in registry.query_models().records() if each.id == adapter.id]
    assert record.parent == base.id
    assert adapter.get_metadata("base_model") == "acme/tiny"


def test_twice_is_once(registry, cache):
    brought(registry, cache, "huggingface")
    before = counts(registry)
    done = brought(registry, cache, "huggingface")
    assert counts(registry) == before
    assert done.arrived.events == done.arrived.blobs == 0


def test_a_revision_that_came_later_is_the_next_version_and_its_branch_moves(registry, cache):
    later = snapshot(cache)
    elsewhere = cache.parent / "later"
    later.rename(elsewhere)
    main = cache / "models--acme--tiny/refs/main"
    main.write_text(ONE, encoding="ascii")
    brought(registry, cache, "huggingface")
    assert version(registry, "acme", "tiny", ONE).id == registry.model("acme/tiny@main").id
    elsewhere.rename(later)
    main.write_text(TWO, encoding="ascii")
    done = brought(registry, cache, "huggingface")
    assert done.arrived.models == ("acme/tiny:3",)
    assert registry.model("acme/tiny@main").id == version(registry, "acme", "tiny", TWO).id
    assert [*registry.model("acme/tiny:1").aliases] == ["feature-x", "v1.0"]


def test_files_that_are_downloaded_later_become_the_next_weights_of_the_version(registry, cache):
    place = snapshot(cache) / "onnx"
    place.rename(cache.parent / "onnx")
    assert brought(registry, cache, "huggingface").left == {
        "data sets": 1,
        "files of revisions that were not downloaded": 1,
    }
    (cache.parent / "onnx").rename(place)
    done = brought(registry, cache, "huggingface")
    assert not done.arrived.models
    assert "onnx/note.txt" in files_of(version(registry, "acme", "tiny", TWO))


def test_one_repository_or_snapshot_is_the_same_as_of_the_whole_cache(registry, cache, tmp_path):
    brought(registry, snapshot(cache), "huggingface")
    assert len(registry.query_models()) == 1
    brought(registry, cache / "models--acme--tiny", "huggingface")
    assert len(registry.query_models()) == 3
    brought(registry, cache.parent, "huggingface")  # the folder that the cache is in
    assert len(registry.query_models()) == 5
    assert registry.model("acme/tiny@main").get_metadata("commit") == TWO


def test_a_linked_cache_is_read_where_it_is(registry, cache, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(snapshot(cache))
    brought(registry, link, "huggingface")
    assert registry.model("acme/tiny:1").get_metadata("commit") == TWO


def test_registries_that_imported_different_revisions_meet(registry, cache, tmp_path):
    with Registry(tmp_path / "other") as other:
        brought(other, snapshot(cache, commit=ONE), "huggingface")
    brought(registry, snapshot(cache), "huggingface")
    registry.merge(tmp_path / "other", renumber=True)
    assert len(registry.query_models(model_name="tiny")) == 2
    brought(registry, cache, "huggingface")
    assert len(registry.query_models(model_name="tiny")) == 3


def test_references_leave_the_bytes_in_the_cache(registry, cache):
    brought(registry, cache, "huggingface", reference=True)
    model = version(registry, "acme", "tiny", TWO)
    assert model.url == snapshot(cache).as_uri()
    assert files_of(model)["model.safetensors"] == safetensors(1.0, 2.0, 3.0)


def test_links_take_no_space_and_make_the_blobs_of_the_cache_read_only(registry, cache):
    brought(registry, cache, "huggingface", link=True)
    blob = (snapshot(cache) / "model.safetensors").stat()
    assert (blob.st_nlink, blob.st_mode & 0o222) == (2, 0)
    assert files_of(version(registry, "acme", "tiny", TWO))["model.safetensors"] == safetensors(
        1.0, 2.0, 3.0
    )


def test_a_project_takes_all_models(registry, cache):
    brought(registry, cache, "huggingface", project="hub")
    assert len(registry.query_models(project_name="hub")) == 5
    assert registry.model("hub/tiny@main").get_metadata("repo_id") == "acme/tiny"
    assert registry.model("hub/old@main").get_metadata("repo_id") == "old"


# --- what is not whole, or was forged


def test_a_blob_that_is_gone_is_listed_and_the_other_files_come(registry, cache):
    link = snapshot(cache) / "config.json"
    for each in cache.glob("models--acme--tiny/snapshots/*/config.json"):
        target = Path(os.path.realpath(each))
    target.unlink()
    assert link.is_symlink()
    done = brought(registry, cache, "huggingface")
    assert [each.why for each in done.arrived.missing] == [
        f"the bytes of config.json of revision {each[:8]} are not in the cache"
        for each in (ONE, OTHER, TWO)
    ]
    assert "config.json" not in files_of(version(registry, "acme", "tiny", TWO))


def test_downloads_that_were_not_finished_are_counted(registry, cache):
    (cache / "models--old/blobs" / ("ab" * 32 + ".incomplete")).write_bytes(b"a part")
    done = brought(registry, cache, "huggingface")
    assert done.left["downloads that were not finished"] == 1


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_damage_names_the_file(registry, cache, name):
    path = snapshot(cache) / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    Path(os.path.realpath(path)).write_bytes(data)
    before = counts(registry)
    with pytest.raises(SourceError, match=name) as caught:
        brought(registry, cache, "huggingface")
    assert caught.value.file.endswith(f"/{name}")
    assert counts(registry) == before


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../../../../../../../etc/passwd", "../../..", ".", "../.."]
)
def test_links_that_lead_elsewhere_are_errors(registry, cache, target):
    (snapshot(cache) / "config.json").unlink()
    (snapshot(cache) / "config.json").symlink_to(target)
    with pytest.raises(SourceError, match=r"config\.json"):
        brought(registry, cache, "huggingface")
    assert not registry.query_models()


def test_a_link_into_another_repository_is_an_error(registry, cache):
    blob = next((cache / "models--old/blobs").iterdir())
    (snapshot(cache) / "config.json").unlink()
    (snapshot(cache) / "config.json").symlink_to(blob)
    with pytest.raises(SourceError, match="outside of what is imported"):
        brought(registry, cache, "huggingface")


@pytest.mark.parametrize("part", ["snapshots", "refs", "blobs", "trees"])
def test_folders_that_are_links_out_of_the_repository_are_errors(registry, cache, tmp_path, part):
    place = cache / "models--acme--tiny" / part
    (tmp_path / "away").mkdir()
    shutil.move(place, tmp_path / "away" / part)
    place.symlink_to(tmp_path / "away" / part)
    with pytest.raises(SourceError, match="outside"):
        brought(registry, cache, "huggingface")


def test_a_link_to_itself_counts_as_gone(registry, cache):
    (snapshot(cache) / "config.json").unlink()
    (snapshot(cache) / "config.json").symlink_to("config.json")
    done = brought(registry, cache, "huggingface")
    assert [each.ref for each in done.arrived.missing] == ["acme/tiny:3"]


def test_a_repository_that_is_a_link_is_not_followed(registry, cache, tmp_path):
    shutil.move(cache / "models--old", tmp_path / "models--old")
    (cache / "models--old").symlink_to(tmp_path / "models--old")
    done = brought(registry, cache, "huggingface")
    assert done.left["repositories that are links: import the folder they lead to"] == 1
    assert not registry.query_models(model_name="old")


def test_a_pipe_is_an_error(registry, cache):
    os.mkfifo(snapshot(cache) / "pipe")
    with pytest.raises(SourceError, match="is no file"):
        brought(registry, cache, "huggingface")


def test_strange_names_are_counted_and_read_no_further(registry, cache):
    refs = os.fsencode(cache / "models--acme--tiny/refs")
    for name in (b"a\nb", b"-", b"a:b@c", b"x" * 200, b"\xff"):
        Path(os.fsdecode(refs + b"/" + name)).write_text(TWO, encoding="ascii")
    (cache / "models--acme--tiny/refs/empty").touch()
    (cache / "models--acme--tiny/refs/path").write_text("../../../etc", encoding="ascii")
    (cache / "models--a--b--c").mkdir()
    (cache / "models--..").mkdir()
    (cache / "models--acme--tiny/snapshots/not-a-commit").mkdir()
    (snapshot(cache) / "a\nb").write_bytes(b"")
    done = brought(registry, cache, "huggingface")
    aliases = {*registry.model("acme/tiny@main").aliases}
    assert aliases == {"main", "a-b", "a-b-c", "-", "x" * 200}
    assert done.left == {
        "data sets": 1,
        "names of versions that are no aliases here": 1,  # bytes that are no text, as "-"
        "names of revisions without a commit": 2,
        "folders whose names are not those of models": 2,
        "snapshots whose names are no commits": 1,
        "files whose names no package can have": 1,
    }


HEADS = {
    "python tag": b"---\nlicense: !!python/object/apply:os.system ['touch hacked']\n---\n",
    "not yaml": b"---\nlicense: [\n---\n",
    "bomb": b"---\nlanguage: &a [[x], [x], [x], [x], [x], [x]]\ndatasets: &b [*a, *a, *a, *a, *a]\n"
    b"metrics: &c [*b, *b, *b, *b, *b, *b, *b]\ntags: [*c, *c, *c, *c, *c, *c, *c]\n---\n",
    "long": b"---\nlicense: " + b"x" * 200_000 + b"\n---\n",
    "long list": b"---\ntags: ["
    + b", ".join(b"%0300d" % each for each in range(500))
    + b"]\n---\n",
    "deep": b"---\nlicense: " + b"[" * 5_000 + b"]" * 5_000 + b"\n---\n",
    "number": b"---\nlicense: 1" + b"0" * 5_000 + b"\n---\n",
    "nul": b'---\nlicense: "a\\0b"\n---\n',
    "surrogate": b'---\nlicense: "\\ud800"\n---\n',
    "mapping": b"---\nlicense: {a: b}\n---\n",
    "binary": b"---\nlicense: !!binary aGk=\n---\n",
    "many": b"---\ntags: [" + b"a, " * 2_000 + b"a]\n---\n",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_heads_that_are_no_text_are_counted_and_the_card_stays(registry, tmp_path, head):
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "config.json").write_bytes(b"{}")
    (folder / "model.safetensors").write_bytes(safetensors(1.0))
    (folder / "README.md").write_bytes(head + b"# Net\n")
    done = brought(registry, folder, "huggingface")
    model = registry.model("net:1")
    assert files_of(model)["README.md"] == head + b"# Net\n"
    assert not (tmp_path / "hacked").exists()
    assert not Path("hacked").exists()
    assert model.get_all_metadata() == {}
    assert not model.tags
    assert sum(done.left.values()) >= 1


# --- a folder of a model


@pytest.fixture
def folder(cache, tmp_path):
    """Return a folder as `snapshot_download(local_dir=…)` leaves it."""
    place = tmp_path / "net"
    shutil.copytree(snapshot(cache), place)
    notes = place / ".cache/huggingface/download"
    notes.mkdir(parents=True)
    for each in ("config.json", "model.safetensors"):
        (notes / f"{each}.metadata").write_text(f"{TWO}\netag\n1700000000.0\n", encoding="ascii")
    return place


def test_a_folder_is_a_version_by_what_is_in_it(registry, folder):
    done = brought(registry, folder, "huggingface")
    assert done.arrived.models == ("net:1",)
    model = registry.model("net:1")
    assert sorted(files_of(model)) == [
        "README.md", "config.json", "model.safetensors", "onnx/note.txt",
    ]  # fmt: skip
    assert model.get_metadata("commit") == TWO
    assert model.get_metadata("license") == "apache-2.0"
    assert not brought(registry, folder, "huggingface").arrived.events
    (folder / "model.safetensors").write_bytes(safetensors(1.0, 2.0, 4.0))
    assert brought(registry, folder, "huggingface").arrived.models == ("net:2",)


def test_a_folder_is_found_out(registry, folder, tmp_path, cache):
    for place in (folder, snapshot(cache), cache, cache.parent, cache / "models--old"):
        code, _, err = run_cli("import", place, "--dry-run")
        assert (code, "Hugging Face" in err) == (0, True), err
    (folder / "MLmodel").touch()
    code, _, err = run_cli("import", folder, "--dry-run")
    assert not err.startswith(f"{folder} is a model")


def test_the_folder_of_a_pipeline_has_its_weights_in_folders(registry, tmp_path):
    (tmp_path / "paint/unet").mkdir(parents=True)
    (tmp_path / "paint/model_index.json").write_bytes(b"{}")
    (tmp_path / "paint/unet/model.safetensors").write_bytes(safetensors(1.0))
    code, _, err = run_cli("import", tmp_path / "paint")
    assert (code, "Hugging Face" in err) == (0, True), err
    assert sorted(files_of(registry.model("paint:1"))) == [
        "model_index.json", "unet/model.safetensors",
    ]  # fmt: skip


def test_weights_beside_a_card_with_a_head_are_a_model(registry, tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net/weights.gguf").write_bytes(b"x")
    (tmp_path / "net/README.md").write_bytes(b"# Net\n")
    with pytest.raises(InvalidValueError, match="no folder of a model"):
        brought(registry, tmp_path / "net", "huggingface")
    (tmp_path / "net/README.md").write_bytes(b"---\nlicense: mit\n---\n# Net\n")
    brought(registry, tmp_path / "net", "huggingface")
    assert registry.model("net:1").get_metadata("license") == "mit"


def test_downloads_into_a_folder_that_were_not_finished_are_counted(registry, folder):
    (folder / ".cache/huggingface/download/x.incomplete").write_bytes(b"a part")
    assert brought(registry, folder, "huggingface").left == {"downloads that were not finished": 1}


def test_what_is_no_model_is_refused(registry, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for name in ("empty", "file"):
        with pytest.raises(InvalidValueError, match="no folder of a model"):
            brought(registry, tmp_path / name, "huggingface")
    assert not registry.query_models()


# --- the hub


def run(tmp_path, hub, *arguments, **more):
    """Run the command in a process of its own, since the library reads its settings once."""
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
    }
    command = [sys.executable, "-m", "localreg", *map(str, arguments)]
    return subprocess.run(
        command, env=environment | more, capture_output=True, text=True, check=False
    )


def test_a_model_of_the_hub_comes_by_its_cache_and_later_without_a_network(registry, tmp_path):
    with serving(FakeHub(REPOSITORIES)) as hub:
        dry = run(tmp_path, hub, "import", "hf://acme/tiny@v1.0", "--dry-run")
        assert dry.returncode != 0
        assert "a dry run downloads nothing" in dry.stderr
        assert not hub.requests
        done = run(tmp_path, hub, "import", "hf://acme/tiny@v1.0")
        assert done.returncode == 0, done.stderr
        assert "new: acme/tiny:1" in done.stdout
        asked = len(hub.requests)
        offline = run(tmp_path, hub, "import", "hf://acme/tiny@v1.0", HF_HUB_OFFLINE="1")
        assert offline.returncode == 0, offline.stderr
        assert len(hub.requests) == asked
    model = registry.model("acme/tiny@v1.0")
    assert files_of(model)["model.safetensors"] == safetensors(1.0, 2.0)
    gone = run(tmp_path, hub, "import", "hf://acme/tiny@v1.0")  # no server is there any more
    assert gone.returncode == 0, gone.stderr
    never = run(tmp_path, hub, "import", "hf://acme/tiny-lora")
    assert "the hub cannot be reached, and the cache lacks it" in never.stderr


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("hf://acme/nothing", "hf://acme/nothing did not come: the hub has no such model"),
        ("hf://acme/tiny@v9", "hf://acme/tiny@v9 did not come: the hub has no such revision"),
    ],
)
def test_what_the_hub_does_not_have_is_an_error(registry, tmp_path, source, says):
    with serving(FakeHub(REPOSITORIES)) as hub:
        done = run(tmp_path, hub, "import", source)
    assert done.returncode not in (0, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "name",
    ["datasets/acme/words", "../x", "a/b/c", "", "acme/tiny@../../x", "acme/tiny@a b", "a@b\n",
     "acme/tiny@/..", "acme/tiny@" + "x" * 300],
)  # fmt: skip
def test_urls_that_name_no_model_of_the_hub_are_refused(registry, name):
    with pytest.raises(InvalidValueError, match=r"must be hf://ORG/REPO\[@REVISION\]"):
        brought(registry, f"hf://{name}", "huggingface")


# --- damage at random


@pytest.mark.long
@pytest.mark.parametrize("seed", range(40 * TIMES))
def test_no_damage_of_a_card_ref_or_listing_is_more_than_an_error(registry, cache, seed):
    made = random_numbers(seed)
    repository = cache / "models--acme--tiny"
    card = Path(os.path.realpath(snapshot(cache) / "README.md"))
    unnamed = card.with_name("f" * 10)  # no digest, so that it is read further
    card.rename(unnamed)
    (snapshot(cache) / "README.md").unlink()
    (snapshot(cache) / "README.md").symlink_to(f"../../blobs/{unnamed.name}")
    files = [unnamed, unnamed, repository / "refs/main", repository / f"trees/{TWO}.json"]
    survives(registry, cache, "huggingface", made, made.choice(files))
