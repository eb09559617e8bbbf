"""A store that BentoML made, brought here, and such stores as strangers may make."""

from __future__ import annotations

import shutil
from datetime import datetime

import pytest
from support.command_line import run_cli
from support.foreign_stores import brought, counts, files_of, said_of, survives, unpacked
from support.proofs import TIMES, random_numbers

from localreg import Registry
from localreg.errors import InvalidValueError, SourceError
from localreg.operations.importers import bentoml_store


@pytest.fixture
def store(tmp_path):
    """Return the home of BentoML."""
    return unpacked("bentoml", tmp_path)


def model_yaml(store):
    """Return the file that says what is known of a version."""
    return store / "models/cats/1e5/model.yaml"


def change(file, old, new):
    """Replace a text in a file."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_everything_comes_as_the_api_of_bentoml_says_it(registry, store):
    done = brought(registry, store, "bentoml")
    said = said_of("bentoml")
    assert done.arrived.missing == ()
    assert done.left == {}
    assert counts(registry)["model"] == len(said)
    for name in {each["name"] for each in said}:
        known = sorted(
            (each for each in said if each["name"] == name), key=lambda each: each["created"]
        )
        models = registry.query_models(model_name=name)
        created = {each.id: each.created for each in models.records()}
        for number, each in enumerate(known, 1):
            model = registry.model(f"{name}:{number}")
            values = {key: held["value"] for key, held in model.get_all_metadata_casted().items()}
            own = {key: values.pop(key) for key in [*values] if key.startswith("bentoml.")}
            assert values == each["metadata"]
            expected = {
                "bentoml.version": each["version"],
                "bentoml.module": each["module"],
                "bentoml.api_version": each["api_version"],
                "bentoml.signatures": each["signatures"],
                "bentoml.framework_versions": each["framework_versions"],
                "bentoml.bentoml_version": each["bentoml_version"],
                "bentoml.python_version": each["python_version"],
            }
            assert own == {key: value for key, value in expected.items() if value}
            assert model.framework == (each["framework"] or None)
            assert sorted(model.tags) == sorted(f"{a}={b}" for a, b in each["labels"].items())
            assert created[model.id] == datetime.fromisoformat(each["created"])
            assert {name: data.hex() for name, data in files_of(model).items()} == each["files"]
            assert ("latest" in model.aliases) is (each["latest"] == each["version"])


def test_twice_is_once_and_new_versions_come(registry, store, tmp_path):
    newest = (store / "models/churn/latest").read_text(encoding="utf-8")
    (store / "models/churn" / newest).rename(tmp_path / newest)
    brought(registry, store, "bentoml")
    before = counts(registry)
    brought(registry, store, "bentoml")
    assert counts(registry) == before
    (tmp_path / newest).rename(store / "models/churn" / newest)
    brought(registry, store, "bentoml")
    assert counts(registry)["model"] == before["model"] + 1
    assert registry.model("churn@latest").version == 2


def test_the_folder_of_models_may_be_given(registry, store):
    code, out, err = run_cli("import", store / "models", "-R", registry.path)
    assert (code, "a store of BentoML" in out + err) == (0, True)


def test_bentos_and_unfinished_versions_are_counted(registry, store):
    (store / "bentos/service/abc").mkdir(parents=True)
    (store / "models/churn/unfinished").mkdir()
    done = brought(registry, store, "bentoml")
    assert done.left == {
        "bentos: they are services, made from models": 1,
        "folders of versions without model.yaml": 1,
    }


def test_a_project_takes_all_of_them(registry, store):
    brought(registry, store, "bentoml", project="old")
    assert registry.model("old/cats@latest").framework == "scikit-learn"


def test_dates_in_metadata_become_texts(registry, store):
    change(model_yaml(store), "  n: 3", "  n: 2026-01-02\n  days: [2026-01-03T04:05:06Z]")
    brought(registry, store, "bentoml")
    values = registry.model("cats:1").get_all_metadata_casted()
    assert values["n"]["value"] == "2026-01-02"
    assert values["days"]["value"] == ["2026-01-03T04:05:06+00:00"]


def test_another_folder_is_refused(registry, tmp_path):
    assert not bentoml_store.is_one(tmp_path)
    with pytest.raises(InvalidValueError, match="NAME/VERSION"):
        brought(registry, tmp_path, "bentoml")


# what strangers make ------------------------------------------------------------------------


def refused(registry, store, match):
    """Check that a store is refused, and that nothing came."""
    before = counts(registry)
    with pytest.raises(SourceError, match=match):
        brought(registry, store, "bentoml")
    assert counts(registry) == before


def test_a_file_that_is_a_link_out_is_refused(registry, store, tmp_path):
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (store / "models/cats/1e5/more").symlink_to(tmp_path / "secret")
    refused(registry, store, "outside")


@pytest.mark.parametrize("name", ["cats", "cats/1e5"])
def test_a_folder_that_is_a_link_out_is_refused(registry, store, tmp_path, name):
    folder = store / "models" / name
    shutil.move(folder, tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    refused(registry, store, "outside")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("name: cats", "name: ../../etc", "about another model"),
        ("version: 1e5", "version: 1e6", "about another model"),
        ("version: 1e5", "version: [1]", "version should be"),
        ("labels: {}", "labels: [a]", "labels should be"),
        ("labels: {}", "labels: {a: &a [*a]}", "repeats its anchors"),
        ("labels: {}", "labels: !!python/object/apply:os.getcwd []", "is not YAML"),
        ("labels: {}", "labels: {a: 1, a: 2}", "is not YAML"),
        ("  n: 3", "  '': 3", "cannot be kept"),
        ("  n: 3", '  n: "\\ud800"', "surrogate"),
        ("'2026-", "'20260-", "time should be"),
        ("creation_time: '2026", "creation_time: '1026", "time should be"),
        ("creation_time:", "made:", "time should be"),
        ("name: cats", "name: cats\0", "is not YAML"),
        ("name: cats", "name: \xe4\n- x", "is not YAML"),
    ],
)  # fmt: skip
def test_what_has_another_form_is_refused(registry, store, old, new, match):
    change(model_yaml(store), old, new)
    refused(registry, store, match)


def test_yaml_that_grows_is_refused(registry, store):
    model_yaml(store).write_text("a: &a {<<: *a}", encoding="utf-8")
    refused(registry, store, "is not YAML that can be read")


def test_a_long_file_is_refused(registry, store):
    model_yaml(store).write_text("a: b\n" * 1_000_000, encoding="utf-8")
    refused(registry, store, "at most 4,000,000 are read")


@pytest.mark.long
def test_random_damages_are_errors_or_come(store, tmp_path):
    luck = random_numbers(20)
    files = [*store.rglob("model.yaml"), *store.rglob("latest")]
    with Registry(tmp_path / "registry", durability="fast") as registry:
        refusals = sum(
            survives(registry, store, "bentoml", luck, luck.choice(files))
            for _ in range(60 * TIMES)
        )
    assert refusals > 20


def test_a_model_yaml_of_another_program_makes_no_store(tmp_path, store):
    (tmp_path / "mine/net/v1").mkdir(parents=True)
    (tmp_path / "mine/net/v1/model.yaml").write_text("layers: 3\n", encoding="utf-8")
    assert not bentoml_store.is_one(tmp_path / "mine")
    assert bentoml_store.is_one(store)
