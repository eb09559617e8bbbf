"""Importing models: decisions 6 to 11, 35, 42, 43 and 46 of localreg/guide/decisions.md."""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path

import pytest
from support.command_line import run_cli

import localreg.errors
from localreg import Framework, InputModel, OutputModel, Registry, Task, use_registry
from localreg.errors import InvalidURLError, InvalidValueError

URL = "s3://bucket/model.pt"
SHA_OF_FIRST = hashlib.sha256(b"first").hexdigest()


def dump(registry):
    return "\n".join(registry.db.conn.iterdump())


# decision 6: a URL that is known -----------------------------------------------------------


def test_a_known_url_returns_its_model_with_a_warning(registry, caplog):
    first = InputModel.import_model(URL, name="a")
    before = dump(registry)
    again = InputModel.import_model(
        URL, name="b", tags=["t"], comment="c", is_package=True, create_as_published=True
    )
    assert again.id == first.id
    assert dump(registry) == before
    (record,) = caplog.records
    assert (record.levelname, record.name) == ("WARNING", "localreg")
    assert URL in record.getMessage()
    assert first.id in record.getMessage()


def test_the_url_of_an_archived_model_makes_a_new_model(registry, caplog):
    archived = InputModel.import_model(URL)
    archived.archive()
    second = InputModel.import_model(URL)
    assert second.id != archived.id
    assert caplog.text == ""
    archived.unarchive()
    assert len(InputModel.query_models()) == 2
    # Of two, the one created last, as in load_model.
    assert InputModel.import_model(URL).id == second.id


def test_the_url_of_a_removed_model_makes_a_new_model(registry):
    gone = InputModel.import_model(URL, name="a")
    InputModel.remove(gone)
    assert InputModel.import_model(URL, name="a").id != gone.id


def test_secrets_of_a_known_url_are_not_logged(registry, caplog):
    url = "https://me:hunter2@example.org/a.pt?X-Signature=topsecret"
    InputModel.import_model(url)
    InputModel.import_model(url)
    assert "example.org" in caplog.text
    assert "hunter2" not in caplog.text
    assert "topsecret" not in caplog.text


# decision 6: with copy=True the bytes count --------------------------------------------------


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "last.ckpt"
    path.write_bytes(b"first")
    return path


def take(file, name="net", **given):
    return InputModel.import_model(file, name=name, copy=True, **given)


def content(model):
    return Path(model.get_local_copy(raise_on_error=True)).read_bytes()


def test_other_bytes_are_the_next_version_with_all_that_was_given(registry, file, caplog):
    first = take(file, metadata={"epoch": 1})
    file.write_bytes(b"second")
    second = take(file, metadata={"epoch": 2}, tags=["t"], comment="c")
    assert (first.ref, second.ref) == ("net:1", "net:2")
    assert (content(first), content(second)) == (b"first", b"second")
    assert second.get_metadata("epoch") == "2"
    assert (second.tags, second.comment) == (["t"], "c")
    assert caplog.text == ""


def test_the_same_bytes_are_the_known_model(registry, file, caplog):
    first = take(file)
    before = dump(registry)
    assert take(file, name="other", tags=["t"]) == first
    assert dump(registry) == before
    assert "already known" in caplog.text


def test_bytes_that_were_there_before_are_a_new_version_again(registry, file):
    """The newest model of the file counts: its bytes are other ones."""
    take(file)
    file.write_bytes(b"second")
    take(file)
    file.write_bytes(b"first")
    third = take(file)
    assert (third.ref, content(third)) == ("net:3", b"first")


def test_other_bytes_get_the_given_name_and_project(registry, file):
    take(file, project="a")
    file.write_bytes(b"second")
    assert take(file, name="other", project="b").ref == "b/other:1"


def test_other_bytes_of_a_published_model_are_a_new_version(registry, file):
    first = take(file, create_as_published=True)
    file.write_bytes(b"second")
    assert take(file).ref == "net:2"
    assert content(first) == b"first"


def test_the_same_bytes_as_an_archived_model_are_a_new_version(registry, file):
    take(file).archive()
    assert take(file).ref == "net:2"


def test_a_known_model_that_only_pointed_to_its_file_is_kept_from_now_on(registry, file):
    known = InputModel.import_model(file, name="net")
    assert take(file) == known
    file.unlink()
    assert content(known) == b"first"
    assert registry.gc(grace_seconds=0, dry_run=False).freed == 0
    assert content(known) == b"first"
    assert "kept" in known.history()[0].text


def test_a_known_model_whose_sha256_was_recorded_is_not_made_one_of_other_bytes(registry, file):
    known = InputModel.import_model(file, name="net", expected_sha256=SHA_OF_FIRST)
    file.write_bytes(b"second")
    second = take(file)
    assert (second.ref, content(second)) == ("net:2", b"second")
    with pytest.raises(localreg.errors.DigestMismatchError):
        known.get_local_copy(raise_on_error=True)


def test_a_folder_that_a_model_pointed_to_is_packed_as_the_next_version(registry, file):
    folder = file.parent / "folder"
    folder.mkdir()
    (folder / "w").write_bytes(b"w")
    pointing = InputModel.import_model(folder, name="net")
    packed = take(folder)
    assert packed != pointing
    assert take(folder) == packed
    (folder / "w").write_bytes(b"other")
    assert take(folder).version == packed.version + 1


def test_expected_bytes_that_are_not_the_known_ones_are_a_new_version(registry, file):
    take(file)
    file.write_bytes(b"second")
    with pytest.raises(localreg.errors.DigestMismatchError):
        take(file, expected_sha256=SHA_OF_FIRST)
    expected = hashlib.sha256(b"second").hexdigest()
    assert take(file, expected_sha256=expected).ref == "net:2"


def test_an_uploaded_file_that_was_replaced_is_the_next_version(registry, file, tmp_path):
    """A model has the URL of the file, because it was uploaded there."""
    made = OutputModel(Task.init("p", "t"), name="made")
    made.update_weights(file, upload_uri=str(tmp_path / "uploads"), async_enable=False)
    uploaded = Path(made.url.removeprefix("file://"))
    assert take(uploaded) == InputModel(made.id)
    uploaded.unlink()
    uploaded.write_bytes(b"second")
    second = take(uploaded, project="q")
    assert (second.ref, content(second)) == ("q/net:1", b"second")


def test_a_url_that_the_registry_keeps_is_not_downloaded_again(registry, site):
    first = InputModel.import_model(site.url(), name="net", copy=True)
    assert InputModel.import_model(site.url(), name="net", copy=True) == first
    assert site.gets == ["/net.pt"]


def test_a_url_that_a_model_only_pointed_to_is_downloaded_and_kept(registry, site):
    known = InputModel.import_model(site.url(), name="net")
    assert InputModel.import_model(site.url(), copy=True) == known
    assert site.gets == ["/net.pt"]
    assert content(known) == site.files["/net.pt"]
    assert site.gets == ["/net.pt"]


def test_the_same_bytes_upstream_are_the_known_model_and_others_are_new(tmp_path, file):
    with Registry(tmp_path / "up", durability="fast"):
        upstream = take(file)
    with Registry(tmp_path / "mine", durability="fast", upstream=[tmp_path / "up"]):
        assert take(file) == upstream
        file.write_bytes(b"second")
        second = take(file)
        assert content(second) == b"second"
        assert second.id != upstream.id


def test_many_processes_that_import_one_file_make_one_model(tmp_path, file, children):
    children.crowd(4, import_with_copy, tmp_path / "registry", file)
    with Registry(tmp_path / "registry", durability="fast") as registry:
        assert len(registry.models()) == 1


def import_with_copy(number, barrier, registry, file):
    from localreg import InputModel, Registry

    barrier.wait()
    with Registry(registry, durability="fast"):
        InputModel.import_model(file, name="net", copy=True)
    return True


def test_add_on_the_command_line_makes_a_version_each_time(registry, file):
    for version in (1, 2):
        code, out, _ = run_cli("add", file, "-n", "net", "-R", registry.path)
        assert (code, out.split()[0]) == (0, f"net:{version}")


# decision 7: one transaction, nothing read -------------------------------------------------


def test_an_import_is_one_transaction(registry):
    InputModel.import_model(
        URL, config_dict={"a": 1}, label_enumeration={"x": 1}, name="m", project="p",
        tags=["t", "u"], comment="c", is_package=True, create_as_published=True,
        framework="PyTorch", metadata={"k": "v"},
    )  # fmt: skip
    groups = registry.db.execute("SELECT DISTINCT grp FROM event").fetchall()
    assert len(groups) == 1
    assert [entry.kind for entry in registry.history()] == ["model.created", "project.created"]


@pytest.mark.parametrize("place", ["nowhere/m.pt", "/nowhere/at/all/m.pt"])
def test_a_local_path_becomes_a_file_url_and_need_not_exist(place, registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = InputModel.import_model(place)
    assert model.url == (tmp_path / place).as_uri()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_the_target_is_not_read(registry, tmp_path):
    """Opening this pipe would block for ever."""
    pipe = tmp_path / "pipe.pt"
    os.mkfifo(pipe)
    assert InputModel.import_model(pipe).url == pipe.as_uri()


# decision 8: default name, comment and project ---------------------------------------------


def test_without_a_task_the_name_has_the_time(registry):
    before = time.gmtime()
    model = InputModel.import_model(URL)
    after = time.gmtime()
    found = re.fullmatch(r"Anonymous model (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", model.name)
    form = "%Y-%m-%d %H:%M:%S"
    assert time.strftime(form, before) <= found[1] <= time.strftime(form, after)
    assert model.comment is None
    assert model.project is None


def test_without_a_task_the_comment_is_the_given_one(registry):
    assert InputModel.import_model(URL, comment="c").comment == "c"


def test_the_current_task_gives_name_comment_and_project(registry):
    task = Task.init(project_name="vision", task_name="train")
    model = InputModel.import_model(URL)
    assert model.name == "Imported by train"
    assert model.comment == f"Imported by task id: {task.id}"
    assert model.project == task.project
    assert model.project_name == "vision"
    # The task did not make it.
    assert model.original_task is None
    assert model.task is None


def test_given_values_win_over_those_of_the_task(registry):
    task = Task.init(project_name="vision", task_name="train")
    model = InputModel.import_model(URL, name="n", project="audio", comment="given\nlines")
    assert (model.name, model.project_name) == ("n", "audio")
    assert model.comment == f"Imported by task id: {task.id}\ngiven\nlines"


def test_a_closed_task_gives_no_name_comment_or_project(registry):
    Task.init(project_name="vision", task_name="train").close()
    model = InputModel.import_model(URL)
    assert model.name.startswith("Anonymous model ")
    assert (model.comment, model.project) == (None, None)


# decisions 9 and 43: frameworks ------------------------------------------------------------

BY_ENDING = {
    "a.pb": "TensorFlow",
    "a.meta": "TensorFlow",
    "a.pbtxt": "TensorFlow",
    "model.json": "TensorFlow_js",
    "a.tflite": "TensorFlow_Lite",
    "a.pth": "PyTorch",
    "a.pt": "PyTorch",
    "a.caffemodel": "Caffe",
    "a.prototxt": "Caffe",
    "predict_net.pb": "Caffe2",
    "predict_net.pbtxt": "Caffe2",
    "a.onnx": "ONNX",
    "a.h5": "Keras",
    "a.hdf5": "Keras",
    "a.keras": "Keras",
    "a.model": "MXNet",
    "a-symbol.json": "MXNet",
    "a.cntk": "CNTK",
    "a.t7": "Torch",
    "a.cfg": "Darknet",
    "__model__": "PaddlePaddle",
    "a.pkl": "ScikitLearn",
    "a.parquet": "Parquet",
    "a.cbm": "CatBoost",
    "a.plan": "TensorRT",
    # decision 43
    "a.safetensors": "PyTorch",
    "a.ckpt": "PyTorch",
    "a.joblib": "ScikitLearn",
    "a.npz": "NumPy",
    "a.gguf": "GGUF",
    "a.bst": "XGBoost",
    "a.ubj": "XGBoost",
    "a.mlmodel": "CoreML",
    "a.zip": None,
    "a.tgz": None,
    "a.tar.gz": None,
    "a.tar": None,
    # neither
    "a.bin": None,
    "a.json": None,
    "a": None,
}


@pytest.mark.parametrize(("name", "framework"), BY_ENDING.items(), ids=BY_ENDING)
def test_the_ending_of_the_path_gives_the_framework(name, framework, registry):
    assert InputModel.import_model(f"s3://bucket/{name}").framework == framework
    assert InputModel.import_model(f"s3://bucket/up/{name.upper()}").framework == framework


def test_query_and_fragment_do_not_decide_the_framework(registry):
    for url in ("https://example.org/m.onnx?sig=x.pt", "https://example.org/m.onnx#a.pt"):
        assert InputModel.import_model(url).framework == "ONNX"
    assert InputModel.import_model("https://example.org/get?file=m.onnx").framework is None


def test_a_local_file_has_a_framework_too(registry, tmp_path):
    assert InputModel.import_model(tmp_path / "my model.pt").framework == "PyTorch"


@pytest.mark.parametrize("given", ["PyTorch", "pytorch", "my own", "ONNX"])
def test_a_given_framework_is_kept_unchanged(given, registry):
    assert InputModel.import_model("s3://bucket/a.h5", framework=given).framework == given


def test_a_framework_constant_is_a_str(registry):
    model = InputModel.import_model("s3://bucket/a.bin", framework=Framework.pytorch)
    assert model.framework == "PyTorch"


# decision 10: load_model -------------------------------------------------------------------


def test_load_model_returns_the_newest_by_creation(registry):
    first = InputModel.import_model(URL, name="first")
    first.archive()
    second = InputModel.import_model(URL, name="second")
    first.unarchive()
    first.set_metadata("updated", "last")
    assert InputModel.load_model(URL).id == second.id
    second.archive()
    assert InputModel.load_model(URL).id == first.id
    assert InputModel.load_model(URL, load_archived=True).id == second.id


def test_load_model_returns_none_for_an_unknown_url(registry):
    assert InputModel.load_model(URL) is None
    assert InputModel.load_model(URL, load_archived=True) is None


# decision 11: config_text and config_dict --------------------------------------------------


@pytest.mark.parametrize(
    "make", [InputModel.empty, lambda **given: InputModel.import_model(URL, **given)]
)
def test_config_text_and_config_dict_together_are_a_value_error(make, registry):
    with pytest.raises(ValueError, match="config_text and config_dict"):
        make(config_text="a = 1", config_dict={"a": 1})
    assert make(config_text="a = 1", config_dict={}).config_text == "a = 1"


def test_config_text_and_config_dict_are_refused_for_a_known_url_too(registry):
    InputModel.import_model(URL)
    with pytest.raises(InvalidValueError):
        InputModel.import_model(URL, config_text="a = 1", config_dict={"a": 1})


def test_empty_text_together_with_a_dict_does_not_count(registry):
    model = InputModel.import_model(URL, config_text="", config_dict={"a": 1})
    assert model.config_dict == {"a": 1}


# decisions 35 and 42: paths ----------------------------------------------------------------


class Where(os.PathLike):
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return str(self.path)


@pytest.mark.parametrize("kind", [str, Path, Where])
def test_every_path_may_be_a_str_or_path_like(kind, registry, tmp_path):
    file = tmp_path / "m.pt"
    file.write_bytes(b"x")
    model = InputModel.import_model(kind(file), copy=True)
    assert model.url == file.as_uri()
    assert InputModel.load_model(kind(file)) == model
    with Registry(kind(tmp_path / "other"), durability="fast") as other:
        assert other.path == tmp_path / "other"
    third = use_registry(kind(tmp_path / "third"), durability="fast")
    assert third.path == tmp_path / "third"
    third.close()


ODD_NAMES = [
    "my model.pt", "100%.pt", "%20.pt", "a#b.pt", "a?b.pt", "a;b.pt", "größe.pt", "模型.pt",
    "a&b=c.pt", "a+b.pt", "'\".pt", "~a.pt", "[a].pt", "a\\b.pt",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_file_names_work_as_path_and_as_url(name, registry, tmp_path):
    file = tmp_path / name
    file.write_bytes(b"x")
    model = InputModel.import_model(str(file))
    assert model.url == file.as_uri()
    assert model.get_weights() == str(file)
    assert InputModel.load_model(file.as_uri()) == model
    assert InputModel.load_model(str(file)) == model
    assert InputModel.import_model(file.as_uri()) == model


def test_urls_are_decoded_once(registry, tmp_path):
    twice, once = tmp_path / "a%20b.pt", tmp_path / "a b.pt"
    model = InputModel.import_model(twice)
    assert InputModel.load_model(f"file://{tmp_path}/a%2520b.pt") == model
    assert InputModel.load_model(f"file://{tmp_path}/a%20b.pt") is None
    other = InputModel.import_model(once)
    assert InputModel.load_model(f"file://{tmp_path}/a%20b.pt") == other


@pytest.mark.parametrize(
    "spelling",
    ["file://{}/m.pt", "file://localhost{}/m.pt", "FILE://{}/m.pt", "file://{}/%6d.pt",
     "{}/m.pt", "{}/./m.pt", "{}//m.pt", "{}/sub/../m.pt", " file://{}/m.pt "],
)  # fmt: skip
def test_spellings_of_one_path_find_one_model(spelling, registry, tmp_path):
    (tmp_path / "sub").mkdir()
    model = InputModel.import_model(tmp_path / "m.pt")
    assert InputModel.load_model(spelling.format(tmp_path)) == model


def test_remote_urls_are_kept_unchanged(registry):
    for url in ("https://Example.org/a/../b%20c.pt?x=1&y#z", "s3://Bucket//a//", "gs://b/%zz"):
        assert InputModel.import_model(url).url == url
        assert InputModel.load_model(url) is not None
    assert InputModel.load_model("https://example.org/a/../b%20c.pt?x=1&y#z") is None


# decision 46: what names, tags and URLs may hold -------------------------------------------

UNSTORABLE = ["a\0b", "\ud800", "a\udfffb"]


@pytest.mark.parametrize("text", UNSTORABLE, ids=ascii)
@pytest.mark.parametrize("argument", ["name", "project", "tags", "weights_url", "framework"])
def test_nul_and_lone_surrogates_are_refused(argument, text, registry):
    given = {"weights_url": URL} | {argument: [text] if argument == "tags" else text}
    if argument == "weights_url":
        given[argument] = f"s3://bucket/{text}"
    before = dump(registry)
    with pytest.raises(InvalidValueError, match=argument) as raised:
        InputModel.import_model(**given)
    assert isinstance(raised.value, InvalidURLError) == (argument == "weights_url")
    assert dump(registry) == before


@pytest.mark.parametrize(
    "text",
    ["NUL \0 in it", "\r\nline ends\r", " blanks \t", "\ufeffmark", "emoji 🧪", "x" * 10**6],
    ids=lambda text: ascii(text)[:20],
)  # fmt: skip
def test_config_text_takes_any_text(text, registry):
    assert InputModel.import_model(URL, config_text=text).config_text == text
    with pytest.raises(InvalidValueError, match="config_text"):
        InputModel.import_model("s3://b/c", config_text="\udc80")


@pytest.mark.parametrize(
    "name", ["模型", "a/b:c@d", "  a  ", "-", "a\nb", "{}", "'; DROP TABLE model"]
)
def test_names_may_contain_any_other_text(name, registry):
    model = InputModel.import_model(URL, name=name, project=name, tags=[name])
    kept = name.strip()
    assert (model.name, model.project_name, model.tags) == (kept, kept, [kept])
    assert InputModel(name=name.strip(), project=name.strip()).id == model.id


def test_names_may_have_one_or_two_characters(registry):
    """ClearML's server refuses them, and leaves an empty record."""
    assert InputModel.import_model(URL, name="a").name == "a"


def test_tags_that_look_like_operators_are_refused(registry):
    with pytest.raises(InvalidValueError, match=re.escape("__$")):
        InputModel.import_model(URL, tags=["__$all"])


def test_every_error_of_an_import_is_a_localreg_error(registry):
    for given in ({"weights_url": ""}, {"weights_url": URL, "tags": "x"}):
        with pytest.raises(localreg.errors.LocalregError):
            InputModel.import_model(**given)
