"""Upstream registries: look-ups find what they have, and nothing is ever written to them."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.command_line import run_cli

from localreg import InputModel, Model, OutputModel, Registry, Task, current_registry
from localreg.api import ambient
from localreg.errors import (
    AmbiguousReferenceError,
    DigestMismatchError,
    InvalidValueError,
    ModelNotFoundError,
    ReadOnlyRegistryError,
    TaskNotFoundError,
)


@pytest.fixture
def chain(tmp_path):
    """Return a function that makes registries and opens the first with the others upstream.

    Each of `fills` fills one registry.
    """
    with ExitStack() as stack:

        def build(*fills, names=("first", "second", "third"), **options):
            roots = [tmp_path / name for name in names[: len(fills)]]
            for root, fill in zip(roots, fills, strict=True):
                with Registry(root, durability="fast") as registry:
                    fill(registry)
            return stack.enter_context(
                Registry(roots[0], upstream=roots[1:], durability="fast", **options)
            )

        yield build


def named(*names, project=None, **options):
    """Return a function that imports models with these names, in this order."""

    def fill(registry):
        for name in names:
            url = f"s3://{registry.path.name}/{name}.pt"
            InputModel.import_model(url, name=name, project=project, **options)

    return fill


def nothing(registry):
    """Leave a registry empty."""


def bytes_in(root):
    """Return the files of a directory, with their bytes and the times of their last change.

    A reader of a database with a log makes an empty log and an index of it, if it may write there.
    SQLite deletes them when the last reader closes the database. They are not counted.
    """
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith("-shm")
        if path.stat().st_size or not path.name.endswith("-wal")
    }


def only(registry):
    (each,) = registry.models()
    return each


# models upstream --------------------------------------------------------------------------


def test_every_lookup_finds_a_model_upstream(chain):
    registry = chain(nothing, nothing, named("net", project="vision", tags=["t"]))
    id_ = only(registry).id
    found = [
        InputModel(id_),
        Model(id_),
        InputModel(name="net"),
        InputModel(project="vision", tags=["t"]),
        InputModel.load_model("s3://third/net.pt"),
        registry.model("vision/net"),
        registry.model("vision/net:1"),
        registry.model(id_),
        registry.model(id_[:8]),
        *Model.query_models(model_name="net"),
        *registry.models("vision"),
    ]
    assert {model.id for model in found} == {id_}
    assert {model._subject.registry.root.name for model in found} == {"third"}
    assert {model.ref for model in found} == {"vision/net:1"}


def test_every_property_of_a_model_upstream_can_be_read(chain):
    def fill(registry):
        model = InputModel.import_model(
            "s3://b/net.pt", name="net", tags=["t"], metadata={"k": 1}, comment="c",
            config_text="a: 1", label_enumeration={"cat": 1},
        )  # fmt: skip
        registry.set_alias(model, "prod")
        model.report_scalar("loss", "train", 0.5, 3)

    registry = chain(nothing, fill)
    model = registry.model("net@prod")
    assert (model.tags, model.comment, model.config_text) == (["t"], "c", "a: 1")
    assert (model.labels, model.aliases, model.version) == ({"cat": 1}, ["prod"], 1)
    assert model.get_metadata("k") == "1"
    assert model.get_last_scalar_metrics()["loss"]["train"]["last"] == 0.5
    assert model.history()[-1].kind == "model.created"


WRITES = {
    "name": lambda model, registry: setattr(model, "name", "x"),
    "project": lambda model, registry: setattr(model, "project", "x"),
    "comment": lambda model, registry: setattr(model, "comment", "x"),
    "tags": lambda model, registry: setattr(model, "tags", ["x"]),
    "add_tags": lambda model, registry: model.add_tags("x"),
    "set_metadata": lambda model, registry: model.set_metadata("k", 1),
    "publish": lambda model, registry: model.publish(),
    "archive": lambda model, registry: model.archive(),
    "report_scalar": lambda model, registry: (model.report_scalar("a", "b", 1, 1), model.flush()),
    "report": lambda model, registry: model.report(),
    "remove": lambda model, registry: Model.remove(model, raise_on_errors=True),
    "set_alias": lambda model, registry: registry.set_alias(model, "prod"),
    "set_alias by reference": lambda model, registry: registry.set_alias("net", "prod"),
    "remove_alias": lambda model, registry: registry.remove_alias(model, "prod"),
    "OutputModel": lambda model, registry: OutputModel(
        Task.create(task_name="t"), base_model_id=model.id
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_changing_a_model_upstream_names_its_registry_and_what_to_do(write, chain, tmp_path):
    registry = chain(nothing, named("net"))
    before = bytes_in(tmp_path / "second")
    with pytest.raises(ReadOnlyRegistryError) as raised:
        write(only(registry), registry)
    assert str(tmp_path / "second") in str(raised.value)
    assert "upstream" in str(raised.value)
    assert f"-R {tmp_path / 'second'}" in str(raised.value)
    registry.model("net").history()
    assert bytes_in(tmp_path / "second") == before


def test_new_models_go_to_the_first_registry(chain, tmp_path):
    registry = chain(nothing, named("net"))
    made = InputModel.import_model("s3://b/mine.pt", name="mine")
    assert made._subject.registry.root == tmp_path / "first"
    with Registry(tmp_path / "first") as alone:
        assert [model.name for model in alone.models()] == ["mine"]
    assert {model.name for model in registry.models()} == {"mine", "net"}


# which registry is asked ------------------------------------------------------------------


def test_a_name_means_the_models_of_the_first_registry_that_has_it(chain):
    registry = chain(named("net"), named("net", "net", "other"), named("other", "last"))

    def name_of_registry(reference):
        return registry.model(reference)._subject.registry.root.name

    assert name_of_registry("net") == name_of_registry("net:1") == "first"
    assert name_of_registry("other") == "second"
    assert name_of_registry("last") == "third"


def test_versions_of_a_name_in_the_first_registry_are_not_looked_up_upstream(chain, tmp_path):
    """Else adding a second version would change what "net:2" means."""

    def two(registry):
        named("net", "net")(registry)  # two URLs would be one
        InputModel.import_model("s3://b/second.pt", name="net")
        registry.set_alias("net:2", "prod")

    registry = chain(named("net"), two)
    (other,) = (each for each in registry.models() if each.ref == "net:2")
    for reference in ("net:2", "net@prod"):
        with pytest.raises(
            ModelNotFoundError, match=f"in {tmp_path}/second, with the id {other.id}"
        ):
            registry.model(reference)
    with pytest.raises(ModelNotFoundError, match=f"means the models in {tmp_path}/first"):
        registry.model("net:7")


def test_the_error_of_an_unknown_reference_names_similar_models_upstream(chain):
    registry = chain(named("aaaa"), named("resnet", project="vision"))
    with pytest.raises(ModelNotFoundError, match=r"Did you mean vision/resnet\?"):
        registry.model("vision/resne")


def test_digits_that_begin_ids_in_two_registries_are_ambiguous(chain, tmp_path):
    def with_id(id_):
        def fill(registry):
            with registry._chain.first.store.write() as change:
                from localreg.values.records import ModelRecord

                record = ModelRecord(id=id_, name=id_[-4:], version=1, labels={}, metadata={})
                change.record("model.created", id_, record.payload())

        return fill

    one, two = "abcdef01" + "0" * 24, "abcdef02" + "1" * 24
    registry = chain(with_id(one), with_id(two))
    assert registry.model("abcdef01").id == one
    assert registry.model("abcdef02").id == two
    with pytest.raises(AmbiguousReferenceError) as raised:
        registry.model("abcdef")
    assert set(raised.value.hits) == {one, two}


def test_models_in_a_copied_directory_are_listed_once_and_the_first_counts(chain, tmp_path):
    def fill(registry):
        named("kept", "changed", "archived")(registry)

    with Registry(tmp_path / "first", durability="fast") as registry:
        fill(registry)
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    with Registry(tmp_path / "first", durability="fast") as registry:
        registry.model("changed").comment = "mine"
        registry.model("archived").archive()
    with Registry(tmp_path / "second", durability="fast") as registry:
        named("new")(registry)
    registry = chain(nothing, nothing)
    assert sorted(model.name for model in registry.models()) == ["changed", "kept", "new"]
    assert registry.model("changed").comment == "mine"
    assert {model.id for model in registry.models(archived=True)} >= {registry.model("archived").id}
    assert len(registry.models(archived=True)) == 4
    digits = registry.model("kept").id[:8]
    assert registry.model(digits)._subject.registry.root.name == "first"
    # The model of this URL is archived in the first registry, so its copy upstream does not count.
    again = InputModel.import_model("s3://first/archived.pt", name="again")
    assert again._subject.registry.root.name == "first"


def test_a_limit_does_not_count_hidden_models(chain, tmp_path):
    """Archived models of the first registry hide their copies upstream, here 20 of them."""
    with Registry(tmp_path / "second", durability="fast") as registry:
        named("old")(registry)
        named(*(f"m{number}" for number in range(20)))(registry)
    shutil.copytree(tmp_path / "second", tmp_path / "first")
    with Registry(tmp_path / "first", durability="fast") as registry:
        for number in range(20):
            registry.model(f"m{number}").archive()
        Model.remove(registry.model("old"))
    registry = chain(nothing, nothing)
    assert [model.name for model in registry.models(limit=1)] == ["old"]
    assert [model.name for model in registry.models()] == ["old"]


# order ------------------------------------------------------------------------------------


def test_models_of_all_registries_are_sorted_together(chain, tmp_path):
    registry = chain(nothing, nothing, nothing)
    expected = []
    for number in range(9):
        root = tmp_path / ("first", "second", "third")[number % 3]
        with Registry(root, durability="fast") as each:
            InputModel.import_model(f"s3://b/{number}.pt", name=f"m{8 - number}", registry=each)
        expected.append(f"m{8 - number}")
    newest = expected[::-1]

    def names(**options):
        return [model.name for model in registry.models(**options)]

    assert names() == newest
    for limit in (1, 4, 9, 20):
        assert names(limit=limit) == newest[:limit]
    assert names(order_by="created", limit=5) == newest[:5]
    assert names(order_by="+updated") == expected
    assert names(order_by="name") == sorted(newest)
    assert names(order_by="-name", limit=4) == sorted(newest, reverse=True)[:4]
    assert InputModel(project="").name == newest[0]


def test_models_of_all_registries_are_sorted_by_a_metric(chain):
    def reported(**values):
        def fill(registry):
            for name, value in values.items():
                model = InputModel.import_model(f"s3://b/{name}.pt", name=name)
                model.report_scalar("loss", "train", value, 1)
                model.report_single_value("accuracy", value)

        return fill

    registry = chain(reported(a=0.5, b=0.1), reported(c=0.3, d=0.9), named("without"))

    def names(order, **options):
        return [model.name for model in registry.models(order_by=order, **options)]

    assert names("metrics.loss/train") == ["b", "c", "a", "d"]
    assert names("metrics.loss/train", limit=2) == ["b", "c"]
    assert names("metrics.accuracy") == ["d", "a", "c", "b"]


def test_of_equal_metrics_the_model_updated_last_comes_first(chain):
    def rated(*names):
        def fill(registry):
            for name in names:
                InputModel.import_model(f"s3://b/{name}", name=name).report_single_value("f1", 0.5)

        return fill

    registry = chain(rated("a", "b"), rated("c"), rated("d", "e"))
    found = registry.models(order_by="metrics.f1")
    assert [model.name for model in found] == ["e", "d", "c", "b", "a"]


def test_filters_apply_to_each_registry(chain):
    registry = chain(
        named("a", tags=["x"], metadata={"k": 1}),
        named("b", tags=["x", "y"], metadata={"k": 2}),
        named("c", metadata={"k": 1}, create_as_published=True),
    )

    def names(**options):
        return {model.name for model in registry.models(**options)}

    assert names(tags=["x"]) == {"a", "b"}
    assert names(tags=["x", "-y"]) == {"a"}
    assert names(tags=[None]) == {"c"}
    assert names(metadata={"k": 1}) == {"a", "c"}
    assert names(published=True) == {"c"}
    assert names(project="unknown") == set()


# import -----------------------------------------------------------------------------------


def test_importing_a_url_known_upstream_returns_that_model_with_a_warning(chain, caplog):
    registry = chain(nothing, named("net"))
    model = InputModel.import_model("s3://second/net.pt", name="mine")
    assert (model.name, model._subject.registry.root.name) == ("net", "second")
    second = registry.path.with_name("second")
    warning = f"is already known as model {model.id} of the upstream registry {second},"
    assert warning in caplog.text
    assert len(registry.models()) == 1


def test_a_url_known_to_two_registries_is_imported_from_the_first(chain, tmp_path):
    def same(registry):
        InputModel.import_model("s3://b/net.pt", name=registry.path.name)

    chain(same, same)
    assert InputModel.import_model("s3://b/net.pt").name == "first"
    assert InputModel.load_model("s3://b/net.pt").name == "second"  # the one created last


def test_a_url_known_upstream_with_another_checksum_becomes_a_new_model(chain):
    """The record upstream cannot be corrected, so it must not prevent the import."""
    wrong, right = "0" * 64, "1" * 64
    chain(nothing, lambda registry: InputModel.import_model("s3://b/a", expected_sha256=wrong))
    assert InputModel.import_model("s3://b/a")._subject.registry.root.name == "second"
    mine = InputModel.import_model("s3://b/a", expected_sha256=right)
    assert mine._subject.registry.root.name == "first"
    with pytest.raises(DigestMismatchError):
        InputModel.import_model("s3://b/a", expected_sha256=wrong)


# tasks ------------------------------------------------------------------------------------


def with_design(registry):
    InputModel.import_model(
        "s3://b/base.pt", name="base", config_text="lr: 1", label_enumeration={"cat": 3}
    )


def test_a_model_upstream_becomes_the_input_of_a_task(chain, tmp_path):
    registry = chain(nothing, with_design)
    base = InputModel(name="base")
    task = Task.init(task_name="train")
    assert task.connect(base) is base
    assert task.input_models_id == {"base": base.id}
    assert task.models["input"]["base"].name == "base"
    assert task.models["input"][0] == base
    assert (task.get_model_config_text(), task.get_labels_enumeration()) == ("lr: 1", {"cat": 3})
    assert base.task == task.id
    assert Task.get_task(base.task) == task
    output = OutputModel(task, name="base")
    assert f"child of base:1  {base.id[:8]}" in repr(output.lineage())
    assert "taken as 'base' by task train" in repr(base.lineage())
    task.close()
    assert registry.verify().ok


def test_an_input_model_stays_connected_without_its_upstream_registry(chain, tmp_path):
    chain(nothing, with_design)
    base = InputModel(name="base")
    task = Task.init(task_name="train")
    base.connect(task)
    made = OutputModel(task, name="base")
    task.close()
    with Registry(tmp_path / "first") as alone:
        again = Task.get_task(task.id)
        assert again.input_models_id == {"base": base.id}
        assert list(again.models["input"]) == []
        assert f"{base.id[:8]}… (not in this registry)" in repr(Model(made.id).lineage())
        assert alone.verify().ok


def test_other_ways_to_connect_a_model_upstream(chain):
    chain(nothing, with_design)
    base = InputModel(name="base")
    task = Task.create(task_name="t")
    task.set_input_model(model_id=base.id, name="by id")
    task.set_input_model(model_name="base", name="by name")
    base.connect(task, "by connect")
    assert task.input_models_id == dict.fromkeys(("by id", "by name", "by connect"), base.id)
    clone = Task.clone(task)
    assert clone.models["input"]["by id"] == base


def test_a_task_that_is_run_again_can_take_a_model_upstream(chain, monkeypatch):
    chain(nothing, with_design)
    task = Task.create(task_name="t")
    task.set_input_model(model_id=InputModel(name="base").id, name="base")
    monkeypatch.setenv("LOCALREG_TASK_ID", task.id)
    model = InputModel.import_model("s3://b/other.pt", name="other")
    Task.init(task_name="t").connect(model, "base")
    assert model.name == "base"


def test_a_model_of_an_unrelated_registry_is_not_connected(chain, tmp_path):
    chain(nothing, with_design)
    with Registry(tmp_path / "stranger", durability="fast") as stranger:
        model = InputModel.import_model("s3://b/x.pt", name="x", registry=stranger)
    task = Task.create(task_name="t")
    with pytest.raises(InvalidValueError, match="upstream"):
        task.connect(model)


def test_tasks_upstream_are_found_and_cannot_be_changed(chain):
    def fill(registry):
        task = Task.init(project_name="p", task_name=f"of {registry.path.name}")
        task.connect({"lr": 1})
        task.upload_artifact("words", {"a": 1})
        task.close()

    registry = chain(fill, fill)
    assert [task.name for task in Task.get_tasks()] == ["of second", "of first"]
    task = Task.get_task(project_name="p", task_name="of second")
    assert Task.get_task(task.id) == task
    assert task.get_parameters() == {"General/lr": "1"}
    assert task.artifacts["words"].get() == {"a": 1}
    with pytest.raises(ReadOnlyRegistryError, match="upstream"):
        task.set_name("x")
    with pytest.raises(TaskNotFoundError):
        Task.get_task("f" * 32)
    assert len(Task.query_tasks(project_name="p")) == 2
    assert registry.verify().ok


def test_a_task_in_a_copied_directory_is_listed_once_and_the_first_counts(chain, tmp_path):
    with Registry(tmp_path / "second", durability="fast"):
        task = Task.create(project_name="p", task_name="old name")
    shutil.copytree(tmp_path / "second", tmp_path / "first")
    with Registry(tmp_path / "first", durability="fast"):
        Task.get_task(task.id).set_name("new name")
    chain(nothing, nothing)
    assert [each.name for each in Task.get_tasks()] == ["new name"]
    assert Task.get_tasks(task_name="old") == []
    assert Task.get_task(task.id).name == "new name"


# pages ------------------------------------------------------------------------------------


def test_pages_show_models_upstream(chain):
    registry = chain(nothing, with_design)
    task = Task.init(task_name="train")
    task.connect(InputModel(name="base"))
    made = OutputModel(task, name="tuned")
    task.close()
    for page in (task.report(), made.report()):
        text = Path(page).read_text()
        assert "base:1" in text
        assert "(removed)" not in text
    registry.render()


def test_models_of_several_registries_are_compared(chain, tmp_path):
    registry = chain(named("mine"), named("theirs"))
    page = registry.compare("mine", "theirs")
    assert page.is_relative_to(tmp_path / "first")
    assert "theirs:1" in page.read_text()


def test_the_page_of_a_model_upstream_can_be_written_elsewhere(chain, tmp_path):
    registry = chain(nothing, named("net"))
    page = registry.model("net").report(path=tmp_path / "page.html")
    assert "net:1" in Path(page).read_text()


# which registries are upstream ------------------------------------------------------------


@pytest.fixture
def located(monkeypatch, tmp_path):
    """Make two registries, and name them in environment variables."""
    for name in ("home", "shared"):
        with Registry(tmp_path / name, durability="fast"):
            InputModel.import_model(f"s3://b/{name}.pt", name=name)
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOCALREG_UPSTREAM", str(tmp_path / "shared"))
    with ambient.isolated():
        yield tmp_path


def names(**options):
    return {model.name for model in Model.query_models(**options)}


def test_the_variable_applies_to_the_default_registry(located):
    assert names() == {"home", "shared"}
    assert current_registry().upstream == (located / "shared",)
    with Registry() as registry:
        assert registry.upstream == (located / "shared",)


def test_the_variable_does_not_apply_to_a_registry_given_by_its_path(located):
    with Registry(located / "home") as registry:
        assert registry.upstream == ()
        assert names() == {"home"}


def test_the_variable_applies_to_a_registry_in_the_working_directory(located, monkeypatch):
    monkeypatch.delenv("LOCALREG_HOME")
    (located / "home").rename(located / ".localreg")
    monkeypatch.chdir(located)
    assert names() == {"home", "shared"}


def test_the_argument_replaces_the_variable(located):
    with Registry(upstream=[]) as registry:
        assert registry.upstream == ()
    with Registry(located / "other", upstream=[located / "home"], durability="fast") as registry:
        assert registry.upstream == (located / "home",)


def test_several_directories_are_opened_in_order_and_each_once(located, monkeypatch):
    (located / "link").symlink_to(located / "shared")
    with Registry(located / "third", durability="fast"):
        pass
    parts = [located / each for each in ("third", "shared", "link", "home", "third")]
    monkeypatch.setenv("LOCALREG_UPSTREAM", os.pathsep.join(["", *map(str, parts), ""]))
    assert current_registry().upstream == (located / "third", located / "shared")


@pytest.mark.parametrize("what", ["nothing", "a file", "an empty folder", "a damaged database"])
def test_a_directory_that_cannot_be_opened_is_skipped_with_one_warning(
    what, located, monkeypatch, caplog
):
    place = located / "stick"
    if what == "a file":
        place.write_text("x")
    elif what != "nothing":
        place.mkdir()
    if what == "a damaged database":
        (place / "registry.db").write_bytes(b"no database" * 100)
    monkeypatch.setenv("LOCALREG_UPSTREAM", f"{place}{os.pathsep}{located / 'shared'}")
    before = bytes_in(place)
    for _ in range(2):
        with Registry() as registry:
            assert names() == {"home", "shared"}
            assert registry.upstream == (located / "shared",)
    (record,) = (each for each in caplog.records if "left out" in each.getMessage())
    assert str(place) in record.getMessage()
    assert bytes_in(place) == before


@pytest.mark.parametrize("value", ["~no-such-user/reg", "s3://bucket/registry"])
def test_a_value_that_names_no_directory_is_an_error(value, located, monkeypatch):
    monkeypatch.setenv("LOCALREG_UPSTREAM", value)
    monkeypatch.setenv("LOCALREG_HOME", str(located / "new"))
    with pytest.raises(InvalidValueError, match="LOCALREG_UPSTREAM"):
        Model.query_models()
    assert not (located / "new").exists()


@pytest.mark.parametrize("given", ["reg", b"reg", 5, [5], ["a\0b"], [""]])
def test_an_argument_other_than_a_list_of_directories_is_an_error(given, tmp_path):
    with pytest.raises(InvalidValueError, match="upstream"):
        Registry(tmp_path / "new", upstream=given)
    assert not (tmp_path / "new").exists()


def test_reading_an_upstream_registry_changes_nothing_in_it(tmp_path):
    with Registry(tmp_path / "second", durability="fast") as owner:
        named("net")(owner)
        owner.add(io.BytesIO(b"weights"), "kept", filename="kept.pt")
    before = bytes_in(tmp_path / "second")
    with Registry(tmp_path / "first", upstream=[tmp_path / "second"]) as registry:
        model = registry.model("net")
        model.history(), model.lineage(), registry.models(tags=["t"])
        registry.add(io.BytesIO(b"weights"), "mine", filename="mine.pt").get_local_copy()
        registry.gc(dry_run=False), registry.verify(full=True), registry.repair(), registry.du()
    assert bytes_in(tmp_path / "second") == before
    assert not list((tmp_path / "second").glob("registry.db-[wsj]*")), "no file was added"


def test_an_upstream_registry_on_a_read_only_mount_can_be_read(chain, small_disk, tmp_path):
    mounted = small_disk("-t", "tmpfs", "-o", "size=8m", "tmpfs")
    with Registry(mounted / "reg", durability="fast") as registry:
        registry.add(io.BytesIO(b"weights"), "net", filename="net.pt")
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
    with Registry(tmp_path / "first", upstream=[mounted / "reg"], durability="fast") as registry:
        model = registry.model("net")
        assert Path(model.get_local_copy()).read_bytes() == b"weights"
        assert (
            registry.add(io.BytesIO(b"weights"), "mine", filename="net.pt").digest == model.digest
        )
        assert registry.du().upstream == 7


def test_an_upstream_registry_that_disappears_is_skipped_with_a_warning(chain, tmp_path, caplog):
    registry = chain(named("mine"), named("theirs"))
    shutil.rmtree(tmp_path / "second")
    with ThreadPoolExecutor(1) as thread:  # this thread has the file open and could still read it
        assert thread.submit(lambda: [each.name for each in registry.models()]).result() == ["mine"]
        assert f"{tmp_path / 'second'} is skipped" in caplog.text
        with pytest.raises(ModelNotFoundError):
            thread.submit(registry.model, "theirs").result()


def test_changes_made_in_an_upstream_registry_are_seen(chain, tmp_path):
    registry = chain(nothing, named("net"))
    with Registry(tmp_path / "second", durability="fast") as owner:
        owner.model("net").add_tags("new")
        assert registry.model("net").tags == ["new"]
        named("later")(owner)
        assert {model.name for model in registry.models()} == {"net", "later"}


def test_the_pytest_fixture_has_no_upstream_registries(tmp_path, monkeypatch, request):
    with Registry(tmp_path / "shared", durability="fast"):
        InputModel.import_model("s3://b/x.pt", name="x")
    monkeypatch.setenv("LOCALREG_UPSTREAM", str(tmp_path / "shared"))
    registry = request.getfixturevalue("localreg_registry")
    assert (registry.upstream, registry.models()) == ((), [])
    with Registry() as same:  # as in a process that a test starts
        assert (same.path, same.upstream) == (registry.path, ())


# the command line -------------------------------------------------------------------------


@pytest.fixture
def run(located, monkeypatch):
    """Run a command with one upstream registry; return exit code, stdout, stderr."""
    monkeypatch.setenv("LOCALREG_DURABILITY", "fast")
    monkeypatch.chdir(located)
    return run_cli


def test_ls_lists_all_models_with_their_registries(run, located):
    code, out, _ = run("ls")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert [(row[0], row[-1]) for row in rows] == [
        ("shared:1", str(located / "shared")), ("home:1", "")
    ]  # fmt: skip
    listed = json.loads(run("ls", "--json", "-l", "1")[1])
    assert [(each["name"], each["registry"]) for each in listed] == [
        ("shared", str(located / "shared"))
    ]
    assert run("-R", located / "home", "ls")[1].startswith("home:1")
    assert len(run("-R", located / "home", "ls")[1].splitlines()) == 1


def test_commands_that_only_read_accept_a_model_upstream(run, located):
    assert "s3://b/shared.pt" in run("show", "shared")[1]
    assert json.loads(run("show", "shared", "--json")[1])["registry"] == str(located / "shared")
    assert "created as shared" in run("history", "shared")[1]
    assert run("lineage", "shared")[1].startswith("shared:1")
    assert run("verify", "shared", "home")[0] == 0
    assert run("compare", "shared", "home")[0] == 0
    assert run("report", "shared", "-o", located / "p.html")[0] == 0
    assert "shared:1" in (located / "p.html").read_text()


@pytest.mark.parametrize(
    "command",
    [
        ["tag", "shared", "x"], ["untag", "shared", "x"], ["meta", "shared", "k=1"],
        ["alias", "shared", "prod"], ["publish", "shared"], ["archive", "shared"],
        ["unarchive", "shared"], ["rm", "shared"], ["report", "shared"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_commands_that_change_a_model_upstream_name_its_registry(command, run, located):
    before = bytes_in(located / "shared")
    code, _, err = run(*command)
    assert code == 1
    assert f"upstream registry {located / 'shared'}" in err
    assert bytes_in(located / "shared") == before


def test_add_get_and_adopt(run, located):
    weights = located / "net.pt"
    weights.write_bytes(b"weights")
    run("-R", located / "shared", "add", weights, "-n", "kept")
    code, _, err = run("add", weights, "-n", "mine")
    assert code == 0
    assert f"kept in the upstream registry {located / 'shared'}" in err
    assert f"kept by the registry {located / 'shared'}" in run("show", "mine")[1]
    assert run("path", "mine")[1].startswith(str(located / "shared"))
    assert run("get", "kept", "-o", located / "out.pt")[0] == 0
    assert (located / "out.pt").read_bytes() == b"weights"
    assert "Kept only upstream: 7 B." in run("du")[2]
    assert "has 1 blob of 0.0 MB of this registry" in run("doctor")[1]
    code, out, err = run("adopt")
    assert (code, out.split("\t")[1:]) == (0, ["7", str(located / "shared"), "mine:1\n"])
    assert "Copied 7 B (1 blob)" in err
    assert "Nothing to adopt" in run("adopt")[2]
    assert run("path", "mine")[1].startswith(str(located / "home"))


def test_adopt_exits_with_an_error_if_bytes_are_missing(run, located, monkeypatch):
    weights = located / "net.pt"
    weights.write_bytes(b"weights")
    run("-R", located / "shared", "add", weights, "-n", "kept")
    run("add", weights, "-n", "mine")
    weights.unlink()
    monkeypatch.delenv("LOCALREG_UPSTREAM")
    assert run("path", "mine")[0] == 4
    code, out, _ = run("adopt", "--json")
    assert code == 4
    assert str(located / "shared") in json.loads(out)["failed"][0]
    assert run("verify")[0] == run("repair")[0] == 4


def test_add_reports_a_url_that_is_known_upstream(run, located):
    code, out, err = run("add", "s3://b/shared.pt", "--reference")
    assert (code, out.split()[0]) == (0, "shared:1")
    assert f"known already in the upstream registry {located / 'shared'}" in err


def test_env_lists_the_upstream_registries(run, located, monkeypatch, caplog):
    monkeypatch.setenv("LOCALREG_UPSTREAM", f"{located / 'shared'}{os.pathsep}{located / 'stick'}")
    _, out, _ = run("env")
    assert re.search(rf"^upstream +{located / 'shared'}$", out, re.MULTILINE)
    assert re.search(rf"^left out +{located / 'stick'}: there is no registry", out, re.MULTILINE)
    assert "left out" in caplog.text
    printed = json.loads(run("env", "--json")[1])
    assert printed["upstream"] == [str(located / "shared")]
    assert list(printed["upstream_left_out"]) == [str(located / "stick")]


def test_task_commands_accept_tasks_and_models_upstream(run, located, tmp_path):
    with Registry(located / "shared", durability="fast"):
        task = Task.create(project_name="p", task_name="theirs")
        task.set_input_model(model_name="shared", name="base")
    assert run("task", "ls")[1].startswith("theirs\t")
    assert "base: shared:1" in run("task", "show", task.id[:8])[1]
    code, _, err = run("task", "rm", task.id)
    assert code == 3, err
    with Registry(located / "home", durability="fast"):
        own = Task.create(task_name="own")
    copy = run("task", "clone", own.id, "--set-input", "base=shared")[1].strip()
    assert "base: shared:1" in run("task", "show", copy)[1]


def test_env_says_that_the_variable_does_not_apply_with_a_given_registry(run, located):
    assert "LOCALREG_UPSTREAM" in run("env")[1]
    assert "not used with" not in run("env")[1]
    line = re.search(r"^LOCALREG_UPSTREAM.*$", run("-R", located / "home", "env")[1], re.MULTILINE)
    assert "not used with -R" in line[0]


def test_a_task_that_is_run_has_the_same_upstream_registries(run, located, monkeypatch):
    script = located / "script.py"
    script.write_text(
        "from localreg import current_registry\n"
        "open('seen', 'w').write(' '.join(map(str, current_registry().upstream)))\n"
    )
    with Registry(located / "home", durability="fast"):
        task = Task.create(task_name="t", script=script, working_directory=located)
    assert run("task", "run", task.id)[0] == 0
    assert (located / "seen").read_text() == str(located / "shared")
    assert run("-R", located / "home", "task", "run", task.id)[0] == 0
    assert (located / "seen").read_text() == ""


def test_a_task_that_is_run_gets_missing_upstream_registries_in_their_order(
    run, located, monkeypatch
):
    """A USB stick may be plugged in again while the task runs; else the child process warns."""
    places = [located / "stick", located / "shared", located / "other"]
    monkeypatch.setenv("LOCALREG_UPSTREAM", os.pathsep.join(map(str, places)))
    script = located / "script.py"
    script.write_text("import os\nopen('seen', 'w').write(os.environ['LOCALREG_UPSTREAM'])\n")
    with Registry(located / "home", durability="fast"):
        task = Task.create(task_name="t", script=script, working_directory=located)
    assert run("task", "run", task.id)[0] == 0
    assert (located / "seen").read_text().split(os.pathsep) == [str(each) for each in places]


def test_show_names_the_upstream_registry_of_missing_weights(run, located, tmp_path):
    (tmp_path / "w.bin").write_bytes(b"weights")
    with Registry(located / "shared", durability="fast") as shared:
        shared.add(tmp_path / "w.bin", "theirs")
    assert run("add", tmp_path / "w.bin", "-n", "mine")[0] == 0
    shutil.rmtree(located / "shared")
    out = run("show", "mine")[1]
    assert f"MISSING: their bytes are kept by the upstream registry {located / 'shared'}" in out
    assert "repair" not in out
