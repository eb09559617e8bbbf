"""The lookup chain: registries behind the one that is written to are seen, and never written to."""

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
    """Return a function that opens a registry with others behind it, filled one after another.

    Each of `fills` gets a registry; that of the first directory is the one in front.
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


def named(*names, project=None, **told):
    """Return what imports models of these names, in this order."""

    def fill(registry):
        for name in names:
            url = f"s3://{registry.path.name}/{name}.pt"
            InputModel.import_model(url, name=name, project=project, **told)

    return fill


def nothing(registry):
    """Leave a registry empty."""


def bytes_in(root):
    """Return what files a directory holds, byte for byte, and the times of their last change.

    Whoever reads a database with a log makes an empty log and an index of it, if he may, which
    SQLite deletes when the last one closes it.
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


# what is upstream --------------------------------------------------------------------------


def test_a_model_upstream_is_found_by_all_that_finds_models(chain):
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


def test_everything_of_it_can_be_read(chain):
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
def test_a_write_to_it_says_whose_it_is_and_what_to_do(write, chain, tmp_path):
    registry = chain(nothing, named("net"))
    before = bytes_in(tmp_path / "second")
    with pytest.raises(ReadOnlyRegistryError) as raised:
        write(only(registry), registry)
    assert str(tmp_path / "second") in str(raised.value)
    assert "upstream" in str(raised.value)
    assert f"-R {tmp_path / 'second'}" in str(raised.value)
    registry.model("net").history()
    assert bytes_in(tmp_path / "second") == before


def test_new_models_go_to_the_first(chain, tmp_path):
    registry = chain(nothing, named("net"))
    made = InputModel.import_model("s3://b/mine.pt", name="mine")
    assert made._subject.registry.root == tmp_path / "first"
    with Registry(tmp_path / "first") as alone:
        assert [model.name for model in alone.models()] == ["mine"]
    assert {model.name for model in registry.models()} == {"mine", "net"}


# who answers -------------------------------------------------------------------------------


def test_the_first_that_has_a_name_answers_for_it(chain):
    registry = chain(named("net"), named("net", "net", "other"), named("other", "last"))

    def home(reference):
        return registry.model(reference)._subject.registry.root.name

    assert home("net") == home("net:1") == "first"
    assert home("other") == "second"
    assert home("last") == "third"


def test_another_version_of_a_name_that_is_here_is_not_taken_from_upstream(chain, tmp_path):
    """Or adding a second version would change what "net:2" means."""

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


def test_a_reference_that_nobody_knows_is_told_with_what_is_like_it_anywhere(chain):
    registry = chain(named("aaaa"), named("resnet", project="vision"))
    with pytest.raises(ModelNotFoundError, match=r"Did you mean vision/resnet\?"):
        registry.model("vision/resne")


def test_digits_that_begin_ids_of_several_registries_are_ambiguous(chain, tmp_path):
    def with_id(id_):
        def fill(registry):
            with registry._chain.first.store.write() as change:
                from localreg.values.records import ModelRecord

                record = ModelRecord(id=id_, name=id_[-4:], labels={}, metadata={})
                change.record("model.created", id_, record.payload())

        return fill

    one, two = "abcdef01" + "0" * 24, "abcdef02" + "1" * 24
    registry = chain(with_id(one), with_id(two))
    assert registry.model("abcdef01").id == one
    assert registry.model("abcdef02").id == two
    with pytest.raises(AmbiguousReferenceError) as raised:
        registry.model("abcdef")
    assert set(raised.value.hits) == {one, two}


def test_a_copy_of_a_directory_shows_nothing_twice_and_the_first_wins(chain, tmp_path):
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
    # Its URL is known: what is archived here is not taken for known because of the copy.
    again = InputModel.import_model("s3://first/archived.pt", name="again")
    assert again._subject.registry.root.name == "first"


def test_a_limit_counts_what_is_shown(chain, tmp_path):
    """Those of the copy that hide those upstream do not count, however many they are."""
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


# order -------------------------------------------------------------------------------------


def test_models_of_all_registries_come_in_one_order(chain, tmp_path):
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


def test_models_of_all_registries_are_ordered_by_a_metric(chain):
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


def test_of_equals_the_one_updated_last_comes_first(chain):
    def rated(*names):
        def fill(registry):
            for name in names:
                InputModel.import_model(f"s3://b/{name}", name=name).report_single_value("f1", 0.5)

        return fill

    registry = chain(rated("a", "b"), rated("c"), rated("d", "e"))
    found = registry.models(order_by="metrics.f1")
    assert [model.name for model in found] == ["e", "d", "c", "b", "a"]


def test_filters_hold_in_each_registry(chain):
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
    assert names(project="nobody's") == set()


# import ------------------------------------------------------------------------------------


def test_a_url_that_is_known_upstream_gives_that_model_with_a_warning(chain, caplog):
    registry = chain(nothing, named("net"))
    model = InputModel.import_model("s3://second/net.pt", name="mine")
    assert (model.name, model._subject.registry.root.name) == ("net", "second")
    home = registry.path.with_name("second")
    told = f"is already known as model {model.id} of the upstream registry {home},"
    assert told in caplog.text
    assert len(registry.models()) == 1


def test_the_first_comes_before_those_upstream_when_a_url_is_known_to_both(chain, tmp_path):
    def same(registry):
        InputModel.import_model("s3://b/net.pt", name=registry.path.name)

    chain(same, same)
    assert InputModel.import_model("s3://b/net.pt").name == "first"
    assert InputModel.load_model("s3://b/net.pt").name == "second"  # the newest by creation


def test_a_checksum_that_one_upstream_does_not_have_makes_a_model_here(chain):
    """Its record cannot be mended from here, so it must not stand in the way."""
    wrong, right = "0" * 64, "1" * 64
    chain(nothing, lambda registry: InputModel.import_model("s3://b/a", expected_sha256=wrong))
    assert InputModel.import_model("s3://b/a")._subject.registry.root.name == "second"
    mine = InputModel.import_model("s3://b/a", expected_sha256=right)
    assert mine._subject.registry.root.name == "first"
    with pytest.raises(DigestMismatchError):
        InputModel.import_model("s3://b/a", expected_sha256=wrong)


# tasks -------------------------------------------------------------------------------------


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


def test_what_is_connected_outlives_the_registry_upstream(chain, tmp_path):
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
        assert f"{base.id[:8]}… (removed)" in repr(Model(made.id).lineage())
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


def test_a_task_that_is_run_again_takes_a_model_upstream(chain, monkeypatch):
    chain(nothing, with_design)
    task = Task.create(task_name="t")
    task.set_input_model(model_id=InputModel(name="base").id, name="base")
    monkeypatch.setenv("LOCALREG_TASK_ID", task.id)
    model = InputModel.import_model("s3://b/other.pt", name="other")
    Task.init(task_name="t").connect(model, "base")
    assert model.name == "base"


def test_a_model_of_a_stranger_is_not_connected(chain, tmp_path):
    chain(nothing, with_design)
    with Registry(tmp_path / "stranger", durability="fast") as stranger:
        model = InputModel.import_model("s3://b/x.pt", name="x", registry=stranger)
    task = Task.create(task_name="t")
    with pytest.raises(InvalidValueError, match="upstream"):
        task.connect(model)


def test_tasks_upstream_are_found_and_only_read(chain):
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


def test_a_task_of_a_copied_directory_is_there_once_and_as_it_is_in_the_first(chain, tmp_path):
    with Registry(tmp_path / "second", durability="fast"):
        task = Task.create(project_name="p", task_name="old name")
    shutil.copytree(tmp_path / "second", tmp_path / "first")
    with Registry(tmp_path / "first", durability="fast"):
        Task.get_task(task.id).set_name("new name")
    chain(nothing, nothing)
    assert [each.name for each in Task.get_tasks()] == ["new name"]
    assert Task.get_tasks(task_name="old") == []
    assert Task.get_task(task.id).name == "new name"


# pages -------------------------------------------------------------------------------------


def test_pages_name_models_upstream(chain):
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


# which registries stand behind ------------------------------------------------------------


@pytest.fixture
def located(monkeypatch, tmp_path):
    """Make two registries, and have the environment name them."""
    for name in ("home", "behind"):
        with Registry(tmp_path / name, durability="fast"):
            InputModel.import_model(f"s3://b/{name}.pt", name=name)
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOCALREG_UPSTREAM", str(tmp_path / "behind"))
    with ambient.isolated():
        yield tmp_path


def names(**options):
    return {model.name for model in Model.query_models(**options)}


def test_the_variable_counts_for_the_located_registry(located):
    assert names() == {"home", "behind"}
    assert current_registry().upstream == (located / "behind",)
    with Registry() as registry:
        assert registry.upstream == (located / "behind",)


def test_the_variable_does_not_count_for_a_registry_that_is_named(located):
    with Registry(located / "home") as registry:
        assert registry.upstream == ()
        assert names() == {"home"}


def test_the_variable_counts_for_a_registry_of_the_working_directory(located, monkeypatch):
    monkeypatch.delenv("LOCALREG_HOME")
    (located / "home").rename(located / ".localreg")
    monkeypatch.chdir(located)
    assert names() == {"home", "behind"}


def test_an_argument_takes_the_place_of_the_variable(located):
    with Registry(upstream=[]) as registry:
        assert registry.upstream == ()
    with Registry(located / "other", upstream=[located / "home"], durability="fast") as registry:
        assert registry.upstream == (located / "home",)


def test_several_are_asked_in_order_and_none_twice(located, monkeypatch):
    (located / "link").symlink_to(located / "behind")
    with Registry(located / "third", durability="fast"):
        pass
    parts = [located / each for each in ("third", "behind", "link", "home", "third")]
    monkeypatch.setenv("LOCALREG_UPSTREAM", os.pathsep.join(["", *map(str, parts), ""]))
    assert current_registry().upstream == (located / "third", located / "behind")


@pytest.mark.parametrize("what", ["nothing", "a file", "an empty folder", "a damaged database"])
def test_one_that_cannot_be_opened_is_left_out_with_one_warning(what, located, monkeypatch, caplog):
    place = located / "stick"
    if what == "a file":
        place.write_text("x")
    elif what != "nothing":
        place.mkdir()
    if what == "a damaged database":
        (place / "registry.db").write_bytes(b"no database" * 100)
    monkeypatch.setenv("LOCALREG_UPSTREAM", f"{place}{os.pathsep}{located / 'behind'}")
    before = bytes_in(place)
    for _ in range(2):
        with Registry() as registry:
            assert names() == {"home", "behind"}
            assert registry.upstream == (located / "behind",)
    (record,) = (each for each in caplog.records if "left out" in each.getMessage())
    assert str(place) in record.getMessage()
    assert bytes_in(place) == before


@pytest.mark.parametrize("value", ["~nobody-at-all/reg", "s3://bucket/registry"])
def test_a_value_that_names_no_directory_is_an_error(value, located, monkeypatch):
    monkeypatch.setenv("LOCALREG_UPSTREAM", value)
    monkeypatch.setenv("LOCALREG_HOME", str(located / "new"))
    with pytest.raises(InvalidValueError, match="LOCALREG_UPSTREAM"):
        Model.query_models()
    assert not (located / "new").exists()


@pytest.mark.parametrize("given", ["reg", b"reg", 5, [5], ["a\0b"], [""]])
def test_an_argument_that_is_no_list_of_directories_is_an_error(given, tmp_path):
    with pytest.raises(InvalidValueError, match="upstream"):
        Registry(tmp_path / "new", upstream=given)
    assert not (tmp_path / "new").exists()


def test_reading_one_upstream_changes_nothing_in_it(tmp_path):
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
    assert not list((tmp_path / "second").glob("registry.db-*")), "as its owner left it"


def test_one_on_a_read_only_mount_is_read(chain, small_disk, tmp_path):
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


def test_one_that_goes_away_is_passed_over_with_a_warning(chain, tmp_path, caplog):
    registry = chain(named("mine"), named("theirs"))
    shutil.rmtree(tmp_path / "second")
    with ThreadPoolExecutor(1) as thread:  # this one has the file open, and could go on reading
        assert thread.submit(lambda: [each.name for each in registry.models()]).result() == ["mine"]
        assert f"{tmp_path / 'second'} is skipped" in caplog.text
        with pytest.raises(ModelNotFoundError):
            thread.submit(registry.model, "theirs").result()


def test_changes_of_its_owner_are_seen(chain, tmp_path):
    registry = chain(nothing, named("net"))
    with Registry(tmp_path / "second", durability="fast") as owner:
        owner.model("net").add_tags("new")
        assert registry.model("net").tags == ["new"]
        named("later")(owner)
        assert {model.name for model in registry.models()} == {"net", "later"}


def test_the_fixture_never_has_any(tmp_path, monkeypatch, request):
    with Registry(tmp_path / "shared", durability="fast"):
        InputModel.import_model("s3://b/x.pt", name="x")
    monkeypatch.setenv("LOCALREG_UPSTREAM", str(tmp_path / "shared"))
    registry = request.getfixturevalue("localreg_registry")
    assert (registry.upstream, registry.models()) == ((), [])
    with Registry() as same:  # as a process would that a test starts
        assert (same.path, same.upstream) == (registry.path, ())


# the command line --------------------------------------------------------------------------


@pytest.fixture
def run(located, monkeypatch):
    """Run a command with one registry behind the first; return exit code, stdout, stderr."""
    monkeypatch.setenv("LOCALREG_DURABILITY", "fast")
    monkeypatch.chdir(located)
    return run_cli


def test_ls_lists_all_and_says_where_they_are(run, located):
    code, out, _ = run("ls")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert [(row[0], row[-1]) for row in rows] == [
        ("behind:1", str(located / "behind")), ("home:1", "")
    ]  # fmt: skip
    told = json.loads(run("ls", "--json", "-l", "1")[1])
    assert [(each["name"], each["registry"]) for each in told] == [
        ("behind", str(located / "behind"))
    ]
    assert run("-R", located / "home", "ls")[1].startswith("home:1")
    assert len(run("-R", located / "home", "ls")[1].splitlines()) == 1


def test_commands_that_show_follow_a_model_upstream(run, located):
    assert "s3://b/behind.pt" in run("show", "behind")[1]
    assert json.loads(run("show", "behind", "--json")[1])["registry"] == str(located / "behind")
    assert "created as behind" in run("history", "behind")[1]
    assert run("lineage", "behind")[1].startswith("behind:1")
    assert run("verify", "behind", "home")[0] == 0
    assert run("compare", "behind", "home")[0] == 0
    assert run("report", "behind", "-o", located / "p.html")[0] == 0
    assert "behind:1" in (located / "p.html").read_text()


@pytest.mark.parametrize(
    "command",
    [
        ["tag", "behind", "x"], ["untag", "behind", "x"], ["meta", "behind", "k=1"],
        ["alias", "behind", "prod"], ["publish", "behind"], ["archive", "behind"],
        ["unarchive", "behind"], ["rm", "behind"], ["report", "behind"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_commands_that_change_a_model_upstream_say_whose_it_is(command, run, located):
    before = bytes_in(located / "behind")
    code, _, err = run(*command)
    assert code == 1
    assert f"upstream registry {located / 'behind'}" in err
    assert bytes_in(located / "behind") == before


def test_add_get_and_adopt(run, located):
    weights = located / "net.pt"
    weights.write_bytes(b"weights")
    run("-R", located / "behind", "add", weights, "-n", "kept")
    code, _, err = run("add", weights, "-n", "mine")
    assert code == 0
    assert f"kept in the upstream registry {located / 'behind'}" in err
    assert f"kept by the registry {located / 'behind'}" in run("show", "mine")[1]
    assert run("path", "mine")[1].startswith(str(located / "behind"))
    assert run("get", "kept", "-o", located / "out.pt")[0] == 0
    assert (located / "out.pt").read_bytes() == b"weights"
    assert "Kept only upstream: 7 B." in run("du")[2]
    assert "has 1 blob of 0.0 MB of this registry" in run("doctor")[1]
    code, out, err = run("adopt")
    assert (code, out.split("\t")[1:]) == (0, ["7 B", str(located / "behind"), "mine:1\n"])
    assert "Copied 7 B (1 blob)" in err
    assert "Nothing to adopt" in run("adopt")[2]
    assert run("path", "mine")[1].startswith(str(located / "home"))


def test_adopt_leaves_with_an_error_when_something_is_lost(run, located, monkeypatch):
    weights = located / "net.pt"
    weights.write_bytes(b"weights")
    run("-R", located / "behind", "add", weights, "-n", "kept")
    run("add", weights, "-n", "mine")
    weights.unlink()
    monkeypatch.delenv("LOCALREG_UPSTREAM")
    assert run("path", "mine")[0] == 4
    code, out, _ = run("adopt", "--json")
    assert code == 4
    assert str(located / "behind") in json.loads(out)["failed"][0]
    assert run("verify")[0] == run("repair")[0] == 4


def test_a_known_url_of_one_upstream_is_told(run, located):
    code, out, err = run("add", "s3://b/behind.pt", "--reference")
    assert (code, out.split()[0]) == (0, "behind:1")
    assert f"known already in the upstream registry {located / 'behind'}" in err


def test_env_lists_those_upstream(run, located, monkeypatch, caplog):
    monkeypatch.setenv("LOCALREG_UPSTREAM", f"{located / 'behind'}{os.pathsep}{located / 'stick'}")
    _, out, _ = run("env")
    assert re.search(rf"^upstream +{located / 'behind'}$", out, re.MULTILINE)
    assert re.search(rf"^left out +{located / 'stick'}: there is no registry", out, re.MULTILINE)
    assert "left out" in caplog.text
    told = json.loads(run("env", "--json")[1])
    assert told["upstream"] == [str(located / "behind")]
    assert list(told["upstream_left_out"]) == [str(located / "stick")]


def test_tasks_of_the_command_line(run, located, tmp_path):
    with Registry(located / "behind", durability="fast"):
        task = Task.create(project_name="p", task_name="theirs")
        task.set_input_model(model_name="behind", name="base")
    assert run("task", "ls")[1].startswith("theirs\t")
    assert "base: behind:1" in run("task", "show", task.id[:8])[1]
    code, _, err = run("task", "rm", task.id)
    assert code == 3, err
    with Registry(located / "home", durability="fast"):
        own = Task.create(task_name="own")
    copy = run("task", "clone", own.id, "--set-input", "base=behind")[1].strip()
    assert "base: behind:1" in run("task", "show", copy)[1]


def test_env_tells_that_the_variable_does_not_count_for_a_registry_that_is_named(run, located):
    assert "LOCALREG_UPSTREAM" in run("env")[1]
    assert "not used with" not in run("env")[1]
    line = re.search(r"^LOCALREG_UPSTREAM.*$", run("-R", located / "home", "env")[1], re.MULTILINE)
    assert "not used with -R" in line[0]


def test_a_task_that_is_run_has_the_same_registries_behind_it(run, located, monkeypatch):
    script = located / "script.py"
    script.write_text(
        "from localreg import current_registry\n"
        "open('seen', 'w').write(' '.join(map(str, current_registry().upstream)))\n"
    )
    with Registry(located / "home", durability="fast"):
        task = Task.create(task_name="t", script=script, working_directory=located)
    assert run("task", "run", task.id)[0] == 0
    assert (located / "seen").read_text() == str(located / "behind")
    assert run("-R", located / "home", "task", "run", task.id)[0] == 0
    assert (located / "seen").read_text() == ""


def test_a_task_that_is_run_is_told_of_the_absent_ones_in_their_order(run, located, monkeypatch):
    """A stick that is pulled out may come back while the task runs; or the child warns of it."""
    places = [located / "stick", located / "behind", located / "other"]
    monkeypatch.setenv("LOCALREG_UPSTREAM", os.pathsep.join(map(str, places)))
    script = located / "script.py"
    script.write_text("import os\nopen('seen', 'w').write(os.environ['LOCALREG_UPSTREAM'])\n")
    with Registry(located / "home", durability="fast"):
        task = Task.create(task_name="t", script=script, working_directory=located)
    assert run("task", "run", task.id)[0] == 0
    assert (located / "seen").read_text().split(os.pathsep) == [str(each) for each in places]


def test_show_names_the_registry_that_missing_weights_were_left_in(run, located, tmp_path):
    (tmp_path / "w.bin").write_bytes(b"weights")
    with Registry(located / "behind", durability="fast") as behind:
        behind.add(tmp_path / "w.bin", "theirs")
    assert run("add", tmp_path / "w.bin", "-n", "mine")[0] == 0
    shutil.rmtree(located / "behind")
    out = run("show", "mine")[1]
    assert f"MISSING: their bytes are kept by the upstream registry {located / 'behind'}" in out
    assert "repair" not in out
