"""A repository that DVC made, brought here, and such repositories as strangers may make."""

from __future__ import annotations

import json
import shutil
from hashlib import md5
from pathlib import Path

import pytest
from support.command_line import run_cli
from support.foreign_stores import brought, counts, files_of, said_of, survives, unpacked
from support.proofs import TIMES, random_numbers

from localreg import Registry, Task
from localreg.errors import InvalidValueError, SourceError
from localreg.operations.importers import dvc_files


@pytest.fixture
def repository(tmp_path):
    """Return the folder of a repository of DVC."""
    return unpacked("dvc", tmp_path) / "churn"


def change(file, old, new):
    """Replace a text in a file."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def values_of(model):
    """Return the metadata of a model."""
    return {key: each["value"] for key, each in model.get_all_metadata_casted().items()}


def test_what_is_tracked_comes_as_dvc_says_it(registry, repository):
    done = brought(registry, repository, "dvc")
    said = said_of("dvc")
    artifacts = {each["path"]: {**each, "name": name} for name, each in said["artifacts"].items()}
    cached = {path: each for path, each in said["outs"].items() if each["cached"]}
    assert counts(registry)["model"] == len(cached)
    assert done.arrived.missing == ()
    for path, known in cached.items():
        model = registry.model(f"churn/{path}:1")
        annotated = known["annotations"] | artifacts.get(path, {})
        labels = {
            *known["annotations"].get("labels", []),
            *artifacts.get(path, {}).get("labels", []),
        }
        kind = {annotated["type"]} if "type" in annotated else set()
        assert set(model.tags) == labels | kind
        assert model.comment == annotated.get("desc")
        expected = {"dvc.md5": known["md5"], **annotated.get("meta", {})}
        if known["stage"]:
            expected["dvc.stage"] = known["stage"]
        if path in artifacts:
            expected["dvc.artifact"] = artifacts[path]["name"]
        assert values_of(model) == expected
        assert {name: data.hex() for name, data in files_of(model).items()} == known["files"]


def test_a_stage_is_a_task_with_its_parameters_and_metrics(registry, repository):
    done = brought(registry, repository, "dvc")
    said = said_of("dvc")
    net = registry.model("churn/model.bin")
    task = Task.get_task(net.task)
    assert (task.name, task.get_project_name(), task.status) == ("train", "churn", "completed")
    assert task.comment == "Trains the net."
    parameters = task.get_parameters_as_dict(cast=True)["General"]
    params = said["params"]
    assert parameters == {
        "seed": params["seed"],
        **{f"train.{key}": value for key, value in params["train"].items()},
    }
    metrics = said["metrics"]
    assert task.get_reported_single_values() == {
        "accuracy": metrics["accuracy"],
        "loss.train": metrics["loss"]["train"],
        "loss.test": metrics["loss"]["test"],
    }
    assert done.left["metrics that are no numbers"] == 1
    kept = Path(task.artifacts["metrics.json"].get_local_copy())
    assert json.loads(kept.read_text(encoding="utf-8")) == metrics
    assert "cp scores.txt metrics.json" in task.get_configuration_object("command")
    (used,) = task.models["input"]
    assert used.id == registry.model("churn/data/prepared").id
    (made,) = task.models["output"]
    assert made.id == net.id


def test_twice_is_once_and_another_state_is_another_version(registry, repository):
    brought(registry, repository, "dvc")
    before = counts(registry)
    brought(registry, repository, "dvc")
    assert counts(registry) == before
    new = b"b,2\r\nc,3\r\n"
    (repository / "data/raw.csv").write_bytes(new)
    change(
        repository / "data/raw.csv.dvc",
        "f7e49acd5057d8a80a45917962efba5b",
        md5(new, usedforsecurity=False).hexdigest(),
    )
    brought(registry, repository, "dvc")
    assert counts(registry)["model"] == before["model"] + 1
    assert files_of(registry.model("churn/data/raw.csv:2")) == {"raw.csv": new}


@pytest.mark.parametrize("name", ["data/images.dvc", "old/words.dvc", "dvc.lock", "dvc.yaml"])
def test_one_file_may_be_given(registry, repository, name):
    code, out, err = run_cli("import", repository / name, "-R", registry.path)
    assert (code, "files that DVC tracks" in out + err) == (0, True)
    names = {each.name for each in registry.query_models()}
    expected = {"model.bin", "data/prepared"} if name.startswith("dvc") else {name[:-4]}
    assert names == expected


def test_what_only_the_working_copy_has_comes(registry, repository):
    shutil.rmtree(repository / ".dvc/cache")
    done = brought(registry, repository, "dvc")
    missing = {each.ref for each in done.arrived.missing}
    # The zip has no working copy of these.
    assert missing == {"churn/data/images:1", "churn/model.bin:1"}
    files = files_of(registry.model("churn/old/words"))
    assert {name: data.hex() for name, data in files.items()} == (
        said_of("dvc")["outs"]["old/words"]["files"]
    )
    assert "dvc fetch" in done.arrived.missing[0].why


def test_a_changed_working_copy_is_not_what_was_tracked(registry, repository):
    shutil.rmtree(repository / ".dvc/cache")
    (repository / "data/raw.csv").write_bytes(b"other")
    (repository / "old/words/more.txt").write_bytes(b"new")
    done = brought(registry, repository, "dvc")
    missing = {each.ref for each in done.arrived.missing}
    assert missing == {
        f"churn/{name}:1" for name in ("data/images", "model.bin", "data/raw.csv", "old/words")
    }


def test_the_cache_may_be_another_folder_of_the_repository(registry, repository):
    (repository / ".dvc/cache").rename(repository / "kept")
    (repository / ".dvc/config").write_text("[cache]\n    dir = ../kept\n", encoding="utf-8")
    assert brought(registry, repository, "dvc").arrived.missing == ()


@pytest.mark.parametrize("place", ["../../elsewhere", "/var/cache/dvc"])
def test_a_cache_elsewhere_is_not_read(registry, repository, place):
    (repository / ".dvc/cache").rename(repository.parent / "elsewhere")
    (repository / ".dvc/config").write_text(f"[cache]\n    dir = {place}\n", encoding="utf-8")
    done = brought(registry, repository, "dvc")
    missing = {each.ref: each.why for each in done.arrived.missing}
    assert missing.keys() == {"churn/data/images:1", "churn/model.bin:1"}
    assert place in missing["churn/model.bin:1"]


def test_a_path_that_no_system_has_is_missing(registry, repository):
    change(repository / "data/raw.csv.dvc", "path: raw.csv", f"path: {'a' * 300}")
    shutil.rmtree(repository / ".dvc/cache")
    done = brought(registry, repository, "dvc")
    assert f"churn/data/{'a' * 300}:1" in {each.ref for each in done.arrived.missing}


def test_a_file_that_was_imported_says_from_where(registry, repository):
    file = repository / "old/notes.txt.dvc"
    text = file.read_text(encoding="utf-8")
    deps = "deps:\n- path: notes.txt\n  repo:\n    url: https://me:secret@example.org/r\n"
    file.write_text(f"frozen: true\n{deps}{text}", encoding="utf-8")
    brought(registry, repository, "dvc")
    values = values_of(registry.model("churn/old/notes.txt"))
    assert values["dvc.from"] == "https://***@example.org/r notes.txt"
    assert values["dvc.frozen"] is True


def test_links_in_the_working_copy_do_not_matter(registry, repository):
    (repository / "venv").symlink_to("/usr")
    (repository / "hidden.dvc").symlink_to("/etc/passwd")
    assert brought(registry, repository, "dvc").arrived.missing == ()


def test_what_cannot_come_is_counted(registry, repository):
    (repository / "cloud.dvc").write_text(
        "outs:\n- path: s3://bucket/a\n  etag: x\n- path: b\n  etag: y\n", encoding="utf-8"
    )
    change(repository / "dvc.yaml", "artifacts:", "metrics: [live/metrics.json]\nartifacts:")
    change(repository / "dvc.yaml", "path: data/raw.csv", "path: data/gone.csv")
    (repository / "sub/.dvc").mkdir(parents=True)
    assert brought(registry, repository, "dvc").left == {
        "outputs that are not in the repository": 1,
        "outputs without an md5": 1,
        "files of metrics that no stage makes, as of DVCLive": 1,
        "artifacts of dvc.yaml that DVC does not track": 1,
        "repositories of DVC inside of this one: import them too": 1,
        "metrics that are no numbers": 1,
    }


def test_another_folder_is_refused(registry, tmp_path):
    assert not dvc_files.is_one(tmp_path)
    with pytest.raises(InvalidValueError, match="repository of DVC"):
        brought(registry, tmp_path, "dvc")


def test_outputs_may_be_above_the_folder_of_their_pipeline(registry, repository):
    (repository / "pipelines").mkdir()
    for name in ("dvc.yaml", "dvc.lock"):
        (repository / name).rename(repository / "pipelines" / name)
    file = repository / "pipelines/dvc.yaml"
    change(file, "  train:\n", "  train:\n    wdir: ..\n")
    change(file, "  prepare:\n", "  prepare:\n    wdir: ..\n")
    change(file, "path: model.bin", "path: ../model.bin")
    change(file, "path: data/raw.csv", "path: ../data/raw.csv")
    brought(registry, repository, "dvc")
    model = registry.model("churn/model.bin")
    assert values_of(model)["dvc.artifact"] == "net"
    assert Task.get_task(model.task).name == "pipelines/train"


# what strangers make ------------------------------------------------------------------------


def refused(registry, repository, match):
    """Check that a repository is refused, and that nothing came."""
    before = counts(registry)
    with pytest.raises(SourceError, match=match):
        brought(registry, repository, "dvc")
    assert counts(registry) == before


@pytest.mark.parametrize(
    "text",
    ["../../etc/passwd", "a" * 31, "A" * 32, "a" * 32 + "/../x", "[]", "12", "a" * 32 + ".dir.dir"],
)
def test_an_md5_that_is_none_is_refused(registry, repository, text):
    change(repository / "data/raw.csv.dvc", "f7e49acd5057d8a80a45917962efba5b", text)
    refused(registry, repository, "where an md5 should be")


@pytest.mark.parametrize(
    "path",
    [
        "../../x",
        "/etc/passwd",
        "../../../etc/passwd",
        "..",
        "a/../../../b",
        '"a\\0b"',
        '"a\\\\b"',
    ],
)
def test_a_path_that_leads_out_is_refused(registry, repository, path):
    change(repository / "data/raw.csv.dvc", "path: raw.csv", f"path: {path}")
    refused(registry, repository, r"raw\.csv\.dvc.*(not in the repository)|cannot be in it|should")


@pytest.mark.parametrize("wdir", ["../../..", "/etc", "[]"])
def test_a_folder_that_leads_out_is_refused(registry, repository, wdir):
    file = repository / "data/raw.csv.dvc"
    file.write_text(f"wdir: {wdir}\n{file.read_text(encoding='utf-8')}", encoding="utf-8")
    refused(registry, repository, r"raw\.csv\.dvc")


def keep_list(repository, listed):
    """Put a list of files into the cache, and let data/images be it."""
    text = json.dumps(listed).encode()
    digest = md5(text, usedforsecurity=False).hexdigest()
    place = repository / ".dvc/cache/files/md5" / digest[:2] / f"{digest[2:]}.dir"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(text)
    change(repository / "data/images.dvc", "e9c3e5d1a168e1ed9061541fedf01e5d", digest)


KNOWN = "f7e49acd5057d8a80a45917962efba5b"


@pytest.mark.parametrize(
    "listed",
    [
        [{"md5": KNOWN, "relpath": "../../x"}],
        [{"md5": KNOWN, "relpath": "/etc/passwd"}],
        [{"md5": KNOWN, "relpath": "a\0b"}],
        [{"md5": KNOWN, "relpath": "a"}, {"md5": KNOWN, "relpath": "a"}],
        [{"md5": KNOWN, "relpath": "a"}, {"md5": KNOWN, "relpath": "a/b"}],
        [{"md5": "../../etc/passwd", "relpath": "a"}],
        [{"md5": f"{KNOWN}.dir", "relpath": "a"}],
        [{"relpath": "a"}],
        ["a"],
        {"a": 1},
    ],
    ids=str,
)
def test_a_list_of_files_that_leads_out_is_refused(registry, repository, listed):
    keep_list(repository, listed)
    refused(registry, repository, r"\.dir|no package|be a package")


def test_a_list_with_another_md5_is_refused(registry, repository):
    (listed,) = (repository / ".dvc/cache/files/md5/e9").iterdir()
    listed.write_bytes(listed.read_bytes() + b" ")
    refused(registry, repository, "does not have the md5")


def test_a_file_with_another_md5_is_refused(registry, repository):
    place = repository / ".dvc/cache/files/md5/13/d44d170f75c89a929421fcb39c43a0"
    place.chmod(0o644)
    place.write_bytes(b"forged")
    refused(registry, repository, "should have the md5 13d44d17")


@pytest.mark.parametrize("name", [".dvc/cache", ".dvc", ".dvc/cache/files/md5/13"])
def test_a_cache_that_leads_out_is_refused(registry, repository, tmp_path, name):
    shutil.move(repository / name, tmp_path / "moved")
    (repository / name).symlink_to(tmp_path / "moved")
    refused(registry, repository, "outside")


def test_yaml_that_grows_is_refused(registry, repository):
    (repository / "dvc.lock").write_text("a: &a [*a]", encoding="utf-8")
    refused(registry, repository, "is not YAML that can be read")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("stages:", "stages: []\nx:", "stages should be"),
        ("    cmd: mkdir", "    outs: {}\n    cmd: mkdir", "is not YAML"),
        ("        seed: 7", "        seed: 7\n        1: 2\n        a: 3", ""),
        ("        seed: 7", "        ? [1]\n        : 2", ""),
        ("      params.yaml:", "      params.yaml: 3\n      x:", "values of params"),
        ("    deps:\n    - path: data/raw.csv", "    deps:\n    - 3", "is not YAML|deps"),
    ],
)
def test_a_lock_of_another_form_is_refused_or_comes(registry, repository, old, new, match):
    file = repository / "dvc.lock"
    file.write_text(file.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    if match:
        refused(registry, repository, match)
    else:
        brought(registry, repository, "dvc")
        assert Task.get_task(registry.model("churn/model.bin").task).name == "train"


@pytest.mark.parametrize(
    "text", ['{"a": 1' + "0" * 400 + "}", "nul", "[1]", '{"a": "\\ud800"}', "{" * 5_000]
)
def test_metrics_of_another_form_are_refused(registry, repository, text):
    digest = md5(text.encode(), usedforsecurity=False).hexdigest()
    (repository / "metrics.json").write_text(text, encoding="utf-8")
    change(repository / "dvc.lock", "41db4f391762dbb3ecd3cb54e5e84703", digest)
    before = counts(registry)
    if "ud800" in text:
        assert brought(registry, repository, "dvc").left["metrics that are no numbers"] == 1
        return
    with pytest.raises(SourceError):
        brought(registry, repository, "dvc")
    assert counts(registry) == before


@pytest.mark.long
def test_random_damages_are_errors_or_come(repository, tmp_path):
    luck = random_numbers(20)
    files = [
        *repository.rglob("*.dvc/config"), *repository.rglob("*.dvc"), *repository.rglob("dvc.*"),
        *repository.rglob("*.dir"), repository / "metrics.json",
    ]  # fmt: skip
    files = [each for each in files if each.is_file()]
    with Registry(tmp_path / "registry", durability="fast") as registry:
        refusals = sum(
            survives(registry, repository, "dvc", luck, luck.choice(files))
            for _ in range(60 * TIMES)
        )
    assert refusals > 20
