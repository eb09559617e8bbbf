"""A store that modelstore made, brought here, and such stores as strangers may make."""

from __future__ import annotations

import io
import json
import tarfile
from datetime import UTC, datetime

import pytest
from support.command_line import run_cli
from support.foreign_stores import brought, counts, files_of, said_of, survives, unpacked
from support.proofs import TIMES, random_numbers

from localreg import Registry
from localreg.errors import InvalidValueError, SourceError
from localreg.operations.importers import modelstore_folder
from localreg.operations.importers.found import Given

ROOT = "operatorai-model-store"


@pytest.fixture
def store(tmp_path):
    """Return the folder of a store."""
    return unpacked("modelstore", tmp_path)


def upload_of(store, name="second-try"):
    """Return the file that says what is known of an upload."""
    return store / ROOT / "churn/versions" / f"{name}.json"


def archive_of(store, name="second-try"):
    """Return the archive of an upload."""
    return next((store / ROOT / "churn").glob(f"*/{name}/artifacts.tar.gz"))


def change(file, **parts):
    """Change parts of a JSON file."""
    known = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(known | parts), encoding="utf-8")


def test_everything_comes_as_the_api_of_modelstore_says_it(registry, store):
    done = brought(registry, store, "modelstore")
    for domain, said in said_of("modelstore").items():
        models = registry.query_models(
            model_name=domain.rpartition("/")[2], project_name=domain.rpartition("/")[0] or None
        )
        created = {each.id: each.created for each in models.records()}
        oldest_first = sorted(models, key=lambda each: each.version)
        assert len(oldest_first) == len(said["models"])
        for model, known in zip(oldest_first, reversed(said["models"]), strict=True):
            info = known["info"]
            metadata = model.get_all_metadata_casted()
            values = {key: each["value"] for key, each in metadata.items()}
            own = {key: values.pop(key) for key in [*values] if key.startswith("modelstore.")}
            assert values == (info["extra"] or {})
            assert own == {
                "modelstore.id": info["model"]["model_id"],
                "modelstore.version": info["modelstore"],
                "modelstore.runtime": info["code"]["runtime"],
                "modelstore.dependencies": info["code"]["dependencies"],
                "modelstore.states": sorted(known["states"]),
            }
            assert model.framework == info["model"]["model_type"]["library"]
            made = datetime.strptime(info["code"]["created"], "%Y/%m/%d/%H:%M:%S")
            assert created[model.id] == made.replace(tzinfo=UTC)
            found = {name: data.hex() for name, data in files_of(model).items()}
            assert found == known["files"]
            is_latest = said["latest"] == info["model"]["model_id"]
            assert ("latest" in model.aliases) is is_latest
    assert done.left == {"models that were deleted": 1}


def test_a_state_is_an_alias_of_the_newest_model_that_has_it(registry, store):
    brought(registry, store, "modelstore")
    assert registry.model("churn@production").version == 2
    assert registry.model("churn@staging").version == 3
    assert registry.model("vision/cats@production").version == 1


def test_a_state_that_was_moved_moves_its_alias(registry, store):
    brought(registry, store, "modelstore")
    states = store / ROOT / "churn/versions"
    moved = states / "production/second-try.json"
    other = next(each for each in (states / "staging").iterdir() if each.name != moved.name)
    moved.unlink()
    (states / "production" / other.name).write_bytes(other.read_bytes())
    brought(registry, store, "modelstore")
    assert registry.model("churn@production").version == 3
    second = registry.model("churn:2").get_all_metadata_casted()
    assert second["modelstore.states"]["value"] == ["staging"]


def test_twice_is_once_and_new_uploads_come(registry, store, tmp_path):
    upload = upload_of(store)
    hidden = tmp_path / "hidden.json"
    upload.rename(hidden)
    brought(registry, store, "modelstore")
    before = counts(registry)
    brought(registry, store, "modelstore")
    assert counts(registry) == before
    hidden.rename(upload)
    brought(registry, store, "modelstore")
    assert counts(registry)["model"] == before["model"] + 1


def test_the_folder_itself_may_be_given(registry, store):
    code, out, err = run_cli("import", store / ROOT, "-R", registry.path)
    assert (code, "a store of modelstore" in out + err) == (0, True)


def test_parameters_become_the_configuration(registry, store):
    known = json.loads(upload_of(store).read_text(encoding="utf-8"))
    known["model"]["parameters"] = {"C": 1.5, "penalty": "l2", "nested": {"a": [1]}}
    upload_of(store).write_text(json.dumps(known), encoding="utf-8")
    brought(registry, store, "modelstore")
    assert registry.model("churn:2").config_dict == known["model"]["parameters"]


def test_a_project_takes_all_of_them(registry, store):
    brought(registry, store, "modelstore", project="old")
    assert registry.model("old/churn:2").version == 2
    assert registry.model("old/cats:1").version == 1


def test_the_files_of_an_archive_come_also_by_reference(registry, store):
    brought(registry, store, "modelstore", reference=True)
    names = [*files_of(registry.model("churn:2"))]
    assert names == ["extras/notes.txt", "model-info.json", "net.bin"]


def test_a_missing_archive_is_named(registry, store):
    archive_of(store).unlink()
    done = brought(registry, store, "modelstore")
    (missing,) = done.arrived.missing
    assert "artifacts.tar.gz" in missing.why
    assert registry.model("churn:2").digest is None


def test_what_was_unpacked_does_not_stay(store, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    given = Given(source=str(store), path=store, task=None, folder=folder)
    with modelstore_folder.opened(given) as source:
        unpacked_at_once = [len([*folder.iterdir()]) for _ in source.models()]
    assert unpacked_at_once == [1, 1, 1, 1]
    assert [*folder.iterdir()] == []


def test_another_folder_is_refused(registry, tmp_path):
    assert not modelstore_folder.is_one(tmp_path)
    with pytest.raises(InvalidValueError, match="domains"):
        brought(registry, tmp_path, "modelstore")


# what strangers make ------------------------------------------------------------------------


def refused(registry, store, match):
    """Check that a store is refused, and that nothing came."""
    before = counts(registry)
    with pytest.raises(SourceError, match=match):
        brought(registry, store, "modelstore")
    assert counts(registry) == before


@pytest.mark.parametrize(
    "path",
    [
        "/old/operatorai-model-store/../../../etc/passwd",
        "/old/operatorai-model-store//etc/passwd",
        "file:///etc/passwd",
        "../../etc/passwd",
        "operatorai-model-store/a\0b",
        "operatorai-model-store/",
        "operatorai-model-store/../" + "a" * 300,
    ],
)
def test_a_path_that_leads_out_is_refused(registry, store, path):
    change(upload_of(store), storage={"type": "file_system", "path": path})
    refused(registry, store, r"second-try\.json|operatorai-model-store")


def test_an_archive_that_is_a_link_out_is_refused(registry, store, tmp_path):
    (tmp_path / "secret").write_bytes(archive_of(store).read_bytes())
    archive = archive_of(store)
    archive.unlink()
    archive.symlink_to(tmp_path / "secret")
    refused(registry, store, "outside")


def test_a_domain_that_is_a_link_out_is_refused(registry, store, tmp_path):
    (store / ROOT / "churn").rename(tmp_path / "churn")
    (store / ROOT / "churn").symlink_to(tmp_path / "churn")
    refused(registry, store, "outside")


def member(name, kind=tarfile.REGTYPE, link=""):
    """Return a member of a tar."""
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, link
    return found


@pytest.mark.parametrize(
    "hostile",
    [
        member("../../escaped"),
        member("/tmp/escaped"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("hard", tarfile.LNKTYPE, "/etc/passwd"),
        member("device", tarfile.CHRTYPE),
        member("pipe", tarfile.FIFOTYPE),
        member("a\\b"),
    ],
    ids=lambda each: each.name,
)
def test_an_archive_with_such_a_member_is_refused(registry, store, hostile):
    with tarfile.open(archive_of(store), "w:gz") as archive:
        archive.addfile(hostile, io.BytesIO())
    refused(registry, store, "artifacts.tar.gz cannot be unpacked")
    assert not (registry.path / "escaped").exists()


def test_an_archive_that_grows_too_large_is_refused(registry, store, monkeypatch):
    monkeypatch.setenv("LOCALREG_UNPACK_BYTES", "100")
    refused(registry, store, "unpacks to more than")


def test_an_archive_without_files_is_refused(registry, store):
    with tarfile.open(archive_of(store), "w:gz") as archive:
        archive.addfile(member("empty", tarfile.DIRTYPE))
    refused(registry, store, "holds no files")


@pytest.mark.parametrize("made", ["yesterday", "9999/99/99/00:00:00", 5, [], "1969/01/01/00:00:00"])
def test_a_date_that_is_none_is_refused(registry, store, made):
    change(upload_of(store), code={"created": made})
    refused(registry, store, "where a time should be")


@pytest.mark.parametrize(
    "parts",
    [
        {"model": []},
        {"model": {"model_id": "another"}},
        {"model": {"model_id": 5}},
        {"storage": "here"},
        {"storage": {}},
        {"extra": ["a"]},
        {"extra": {"": 1}},
        {"extra": {"a": "\ud800"}},
        {"extra": {"k" * 2_000: 1}},
        {"code": {"git": 3}},
    ],
    ids=str,
)
def test_what_has_another_form_is_refused(registry, store, parts):
    change(upload_of(store), **parts)
    refused(registry, store, "second-try")


@pytest.mark.parametrize("text", ["", "[" * 100_000, "nul", "\x00", '{"a": 1' + "0" * 5_000 + "}"])
def test_what_is_no_json_is_refused(registry, store, text):
    upload_of(store).write_text(text, encoding="utf-8")
    refused(registry, store, "is not JSON")


@pytest.mark.long
def test_random_damages_are_errors_or_come(store, tmp_path):
    luck = random_numbers(20)
    files = [each for each in sorted(store.rglob("*")) if each.is_file()]
    with Registry(tmp_path / "registry", durability="fast") as registry:
        refusals = sum(
            survives(registry, store, "modelstore", luck, luck.choice(files))
            for _ in range(60 * TIMES)
        )
    assert refusals > 20
