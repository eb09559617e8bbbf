"""The command line: what is printed where, and the exit codes."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from support.command_line import run_cli

from localreg import Registry, Task
from localreg.cli.main import COMMANDS, cli


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command in the test's folder; return exit code, stdout and stderr."""
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "registry"))
    monkeypatch.setenv("LOCALREG_DURABILITY", "fast")
    monkeypatch.chdir(tmp_path)
    return run_cli


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    return path


class Site(http.server.ThreadingHTTPServer):
    """A loopback server of one content, which notes the paths that it is asked for."""

    def __init__(self):
        site = self
        self.gets = []
        self.headers = {}  # more of an answer
        self.first = lambda: None  # done before an answer
        self.answer = None  # gets the handler, and answers by itself

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.gets.append(self.path)
                site.first()
                if site.answer is not None:
                    site.answer(self)
                    return
                self.send_response(404 if "missing" in self.path else 200)
                for name, value in {"Content-Length": "7", **site.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"weights")

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, path="/models/resnet.onnx"):
        return f"http://127.0.0.1:{self.server_port}{path}"


@pytest.fixture
def site():
    with Site() as site:
        thread = threading.Thread(target=site.serve_forever, args=(0.01,))
        thread.start()
        yield site
        site.shutdown()
        thread.join()


def add(run, weights, *options) -> str:
    code, out, err = run("add", weights, "-q", *options)
    assert (code, err) == (0, "")
    return out.strip()


def test_add_keeps_a_file_as_the_next_version(run, weights):
    code, out, err = run("add", weights, "-n", "vision/resnet", "--tag", "prod")
    assert code == 0
    assert out.startswith("vision/resnet:1  ")
    assert "Kept 7 B" in err
    add(run, weights, "-n", "vision/resnet")
    weights.unlink()
    assert run("ls", "-q")[1].count("\n") == 2
    path = run("path", "vision/resnet")[1].strip()
    assert Path(path).name == "model.safetensors"
    assert Path(path).read_bytes() == b"weights"


def test_add_records_all_options(run, weights, tmp_path):
    config, labels = tmp_path / "c.toml", tmp_path / "l.json"
    config.write_text("lr = 0.1\n")
    labels.write_text('{"cat": 1}')
    code, out, _ = run(
        "add", weights, "-p", "a/b", "-n", "c/d", "-t", "x", "-t", "y", "-m", "k=1=2", "-c", "note",
        "--alias", "best", "--framework", "JAX", "--config", config, "--labels", labels,
        "--publish", "--json",
    )  # fmt: skip
    values = json.loads(out)
    assert code == 0
    assert (values["project"], values["name"], values["ref"]) == ("a/b", "c/d", "a/b/c/d:1")
    assert values["tags"] == ["x", "y"]
    assert values["metadata"] == {"k": {"value": "1=2", "type": "str"}}
    assert (values["comment"], values["aliases"], values["framework"]) == ("note", ["best"], "JAX")
    assert (values["config"], values["labels"]) == ("lr = 0.1\n", {"cat": 1})
    assert values["published"]


def test_add_by_a_task_makes_the_model_its_output(run, weights):
    from localreg import Registry, Task

    with Registry() as registry:
        task = Task.create("p", "train")
    model = add(run, weights, "--task", task.id)
    with Registry() as registry:
        assert registry.model(model).original_task == task.id
        assert Task.get_task(task.id).output_models_id == {"model": model}
    assert json.loads(run("show", model, "--json")[1])["tasks"][0]["role"] == "output"


def test_add_downloads_and_keeps_what_a_url_serves(run, site):
    code, out, err = run("add", site.url(), "-n", "vision/resnet")
    assert code == 0
    assert out.startswith("vision/resnet:1  ")
    assert "Kept 7 B" in err
    assert site.gets == ["/models/resnet.onnx"]
    values = json.loads(run("show", "vision/resnet", "--json")[1])
    assert (values["kept"], values["size"], values["url"]) == (True, 7, site.url())
    assert values["framework"] == "ONNX"
    path = Path(run("path", "vision/resnet")[1].strip())
    assert (path.name, path.read_bytes()) == ("resnet.onnx", b"weights")
    assert len(site.gets) == 1


def test_add_only_records_a_url_by_reference(run, site):
    code, out, err = run("add", site.url(), "--reference")
    assert code == 0
    assert out.startswith("resnet:1  "), "its name is the file's without its ending, as of files"
    assert "Recorded the location; nothing was copied" in err
    assert site.gets == []
    values = json.loads(run("show", "resnet", "--json")[1])
    assert (values["kept"], values["digest"], values["url"]) == (False, None, site.url())
    assert Path(run("path", "resnet")[1].strip()).read_bytes() == b"weights"
    assert run("add", "s3://bucket/a.pt", "--reference", "-q")[0] == 0


@pytest.mark.parametrize("mode", ["--copy", "--reference"])
def test_add_records_all_options_with_a_url(mode, run, site, tmp_path):
    from localreg import Registry, Task

    with Registry():
        task = Task.create("p", "train")
    config, labels = tmp_path / "c.toml", tmp_path / "l.json"
    config.write_text("lr = 0.1\n")
    labels.write_text('{"cat": 1}')
    code, out, err = run(
        "add", site.url("/download?id=7"), mode, "-p", "a/b", "-n", "c/d", "-t", "x", "-m", "k=1",
        "-c", "note", "--alias", "best", "--framework", "JAX", "--config", config, "--labels",
        labels, "--publish", "--task", task.id, "--filename", "d.npz", "--json",
        "--sha256", hashlib.sha256(b"weights").hexdigest(),
    )  # fmt: skip
    assert (code, err) == (0, "")
    values = json.loads(out)
    assert (values["project"], values["name"], values["ref"]) == ("a/b", "c/d", "a/b/c/d:1")
    assert (values["tags"], values["comment"], values["aliases"]) == (["x"], "note", ["best"])
    assert values["metadata"] == {"k": {"value": "1", "type": "int"}}
    assert (values["framework"], values["config"], values["labels"]) == (
        "JAX",
        "lr = 0.1\n",
        {"cat": 1},
    )
    assert (values["published"], values["task"], values["filename"]) == (True, task.id, "d.npz")
    assert values["pinned"] == hashlib.sha256(b"weights").hexdigest()
    with Registry():
        assert Task.get_task(task.id).output_models_id == {"c/d": values["id"]}


def test_local_copies_of_a_url_have_the_name_given_by_filename(run, site):
    """The server's name is used only when --filename is not given."""
    site.headers["Content-Disposition"] = 'attachment; filename="server.pt"'
    add(run, site.url("/one"), "-n", "asked", "--filename", "weights")
    add(run, site.url("/two"))
    for name, filename in (("asked", "weights"), ("server", "server.pt")):
        assert Path(run("path", name)[1].strip()).name == filename


def test_add_prints_the_model_of_a_url_that_is_known(run, site):
    model = add(run, site.url(), "-n", "p/resnet", "-t", "x")
    code, out, err = run("add", site.url(), "-n", "other", "-t", "y", "--alias", "new")
    assert (code, out) == (0, f"p/resnet:1  {model}\n")
    assert "is known already" in err
    assert "Kept" not in err
    for options, read in ((["-q"], str.strip), (["--json"], lambda out: json.loads(out)["id"])):
        code, out, err = run("add", site.url(), "--reference", *options)
        assert (code, read(out)) == (0, model)
        assert "is known already" in err
    assert run("ls", "-q")[1].split() == [model]
    assert json.loads(run("show", model, "--json")[1])["tags"] == ["x"]
    assert run("add", site.url(), "--sha256", "0" * 64)[0] == 4
    assert len(site.gets) == 1


def test_a_url_that_becomes_known_while_it_is_downloaded_is_not_added_again(run, site, tmp_path):
    from localreg import InputModel, Registry

    def import_it():
        with Registry(tmp_path / "registry"):
            models.append(InputModel.import_model(site.url(), name="first").id)

    models, site.first = [], import_it
    code, out, err = run("add", site.url(), "-q")
    assert (code, [out.strip()]) == (0, models)
    assert "is known already" in err
    assert run("ls", "-q")[1].split() == models


@pytest.mark.parametrize("option", [["--move"], ["--link"], ["--reference", "--hash"]])
def test_what_a_url_cannot_be_added_with_is_wrong_usage(option, run, site):
    code, out, err = run("add", site.url(), *option)
    assert (code, out) == (2, "")
    assert option[-1] in err
    assert site.gets == []
    assert run("ls", "-q")[1] == ""


def test_a_url_that_cannot_be_added_is_an_error_and_not_recorded(run, site):
    code, _, err = run("add", site.url("/missing.pt"))
    assert (code, "404" in err) == (1, True)
    code, _, err = run("add", "s3://bucket/a.pt")
    assert (code, "cannot be fetched" in err) == (1, True)
    assert run("add", site.url(), "--alias", "a/b")[0] == 1
    assert run("add", "http://", "-n", "a")[0] == 1
    assert len(site.gets) == 1
    assert run("ls", "-q")[1] == ""


def test_add_prints_no_secret_of_a_url(run, site):
    url = site.url("/a.pt?sig=hunter2").replace("//", "//me:hunter2@")
    for options in ([], [], ["--json"], ["--move"]):
        assert "hunter2" not in "".join(run("add", url, *options)[1:])
    assert "hunter2" not in "".join(run("add", url.replace("a.pt", "missing"))[1:])
    assert "hunter2" not in "".join(
        run("add", url.replace("a.pt", "b.pt"), "--sha256", "0" * 64)[1:]
    )


def test_a_terminal_shows_how_far_a_download_is_and_no_secret(site, tmp_path):
    """The server goes on until something is shown."""
    shown = threading.Event()

    def send(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(400):
            if shown.wait(0.05):
                break
            handler.wfile.write(b"40000\r\n" + bytes(0x40000) + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    site.answer = send
    url = site.url("/a.pt?sig=hunter2").replace("//", "//me:hunter2@")
    terminal, end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "localreg.cli", "-R", tmp_path / "r", "add", url],
        stderr=end, stdout=subprocess.PIPE, env=os.environ | {"LOCALREG_HTTP_TIMEOUT": "60"},
    ) as process:  # fmt: skip
        os.close(end)
        with open(terminal, "rb", buffering=0) as reader:
            text = reader.read(1_000)
            shown.set()
            with suppress(OSError):  # how Linux tells that the other end was closed
                while data := reader.read(1_000):
                    text += data
        assert process.wait() == 0
    assert b"Keeping http://***@127.0.0.1" in text
    assert b"Kept" in text
    assert b"hunter2" not in text


def test_ls_takes_the_filters_of_queries(run, weights):
    a = add(run, weights, "-n", "p/a", "-t", "x", "-t", "y", "-m", "k=1")
    b = add(run, weights, "-n", "p/b", "-t", "x")
    c = add(run, weights, "-n", "c", "-t", "z", "--publish")
    assert run("ls", "-q")[1].split() == [c, b, a]
    assert run("ls", "-q", "-p", "p")[1].split() == [b, a]
    assert run("ls", "-q", "p/a")[1].split() == [a]
    assert run("ls", "-q", "c")[1].split() == [c]
    assert run("ls", "-q", "-t", "x", "-t", "-y")[1].split() == [b]
    assert run("ls", "-q", "-t", "__$all", "-t", "x", "-t", "y")[1].split() == [a]
    assert run("ls", "-q", "-m", "k=1")[1].split() == [a]
    assert run("ls", "-q", "--published")[1].split() == [c]
    run("archive", a)
    assert run("ls", "-q")[1].split() == [c, b]
    assert run("list", "-q", "-a")[1].split() == [a, c, b]
    code, out, err = run("ls", "-q", "-l", "1")
    assert (code, out.split()) == (0, [c])
    assert "-l 0 shows all" in err
    assert [each["id"] for each in json.loads(run("ls", "--json")[1])] == [c, b]


def test_ls_of_nothing_says_so_on_stderr(run):
    run("init", "registry")
    assert run("ls")[1] == ""
    assert "There are no models in" in run("ls")[2]
    assert "localreg add FILE" in run("ls")[2]
    assert "No models match" in run("ls", "-t", "none")[2]
    assert json.loads(run("ls", "--json")[1]) == []


def test_lines_in_a_pipe_have_one_line_a_model_whatever_is_in_it(run, weights):
    add(run, weights, "-n", "a\tb\nc\x1b[31m")
    out = run("ls")[1]
    assert out.count("\n") == 1
    assert "\x1b" not in out


def test_show_prints_everything(run, weights):
    model = add(
        run, weights, "-n", "p/a", "-t", "x", "-m", "k=v", "-c", "two\nlines", "--alias", "q"
    )
    out = run("show", "p/a@q")[1]
    for values in (model, "p/a:1", "x", "k = v", "lines", "q", "kept here", "PyTorch", "draft"):
        assert values in out
    said = run("rm", "p/a", "--delete-weights")[2]
    assert said.endswith("brings it back without its weights: 7 B were deleted for good.\n")
    run("restore", "p/a")
    assert "MISSING" in run("show", "p/a")[1]


def test_show_has_values_and_every_version(run, weights):
    add(run, weights, "-n", "a")
    add(run, weights, "-n", "a")
    run("alias", "a:1", "prod")
    with Registry(os.environ["LOCALREG_HOME"]) as registry:
        model = registry.model("a:2")
        for iteration, loss in enumerate((0.5, 0.125, 0.25)):
            model.report_scalar("val", "loss", loss, iteration)
        model.report_single_value("size", 3)
    shown = run("show", "a")[1].splitlines()
    metrics = next(index for index, line in enumerate(shown) if line.startswith("metrics"))
    assert shown[metrics].split() == ["metrics", "size", "3"]
    assert shown[metrics + 1].split() == ["val/loss", "0.25", "min", "0.125", "max", "0.5"]
    assert shown[-1].split()[0] == ":1"
    assert shown[-1].endswith(" @prod")
    assert shown[-2].endswith(" (this one)")
    values = json.loads(run("show", "a", "--json")[1])
    assert values["metrics"]["val/loss"] == {"last": 0.25, "min": 0.125, "max": 0.5, "points": 3}
    assert [(each["alias"], each["version"]) for each in values["line"]] == [("prod", 1)]


def test_tag_untag_meta(run, weights):
    add(run, weights, "-n", "a")
    assert run("tag", "a", "x", "y")[0] == 0
    assert run("untag", "a", "x", "never")[0] == 0
    assert json.loads(run("show", "a", "--json")[1])["tags"] == ["y"]
    done = "Set metadata of a:1: lr, n.\n"
    assert run("meta", "a", "lr=0.1", "n=3", "--type", "float") == (0, "", done)
    assert run("meta", "a")[1] == "lr\t0.1\tfloat\nn\t3\tfloat\n"
    assert run("meta", "a", "--drop", "n", "--drop", "never")[2] == (
        "Removed metadata of a:1: n.\nNothing changed: a:1 has no metadata 'never'.\n"
    )
    assert run("meta", "a")[1] == "lr\t0.1\tfloat\n"
    assert run("meta", "a", "no-equals")[0] == 2


def test_alias_moves_and_conflicts_leave_with_5(run, weights):
    add(run, weights, "-n", "a")
    add(run, weights, "-n", "a")
    assert run("alias", "a:1", "prod", "--expect", "none")[0] == 0
    assert run("alias", "a:2", "prod", "--expect", "none")[0] == 5
    assert run("alias", "a:2", "prod", "--expect", "a:2")[0] == 5
    assert run("alias", "a:1")[1].split("\t")[:2] == ["prod", "a:1"]
    assert run("alias", "a")[1].split("\t")[:2] == ["prod", "a:1"], "of every version of the name"
    assert run("alias", "a:2")[1:] == ("", "a:2 has no aliases.\n")
    assert run("alias", "a:2", "prod", "--expect", "a:1")[0] == 0
    assert run("alias", "a@prod")[1].split("\t")[:2] == ["prod", "a:2"]
    assert run("alias", "a", "prod", "--drop")[0] == 0
    assert run("alias", "a", "prod", "--drop")[0] == 3


def test_publish_archive_unarchive_take_several_models(run, weights):
    add(run, weights, "-n", "a")
    add(run, weights, "-n", "b")
    for command, key, value in (("publish", "published", True), ("archive", "archived", True),
                                ("unarchive", "archived", False)):  # fmt: skip
        done = {"publish": "Published", "archive": "Archived", "unarchive": "Unarchived"}[command]
        assert run(command, "a", "b") == (0, "", f"{done} a:1.\n{done} b:1.\n")
        err = run(command, "a")[2]
        assert err.startswith("Nothing changed: a:1 is ")
        values = json.loads(run("ls", "-a", "--json")[1])
        assert [each[key] for each in values] == [value, value]


def test_one_unknown_model_among_several_changes_nothing(run, weights):
    add(run, weights, "-n", "a")
    assert run("publish", "a", "nothing")[0] == 3
    assert not json.loads(run("show", "a", "--json")[1])["published"]


def test_rm_keeps_the_bytes_and_restore_brings_the_model_back(run, weights):
    model = add(run, weights, "-n", "p/a", "-t", "x", "--alias", "prod")
    said = f"Removed p/a:1; `localreg restore {model[:8]}` brings it back.\n"
    assert run("rm", "p/a") == (0, "", said)
    code, _, err = run("show", model)
    assert code == 3
    assert "restore" in err
    assert "removed p/a" in run("history", "p/a")[1]
    assert run("restore", "p/a:1")[2] == "Restored p/a:1.\n"
    assert run("show", "p/a@prod")[0] == 0
    assert run("path", "p/a")[0] == 0
    assert run("restore", "p/a:1")[0] == 3


def test_rm_refuses_the_input_of_a_task_without_force(run, weights):
    from localreg import InputModel, Registry, Task

    model = add(run, weights, "-n", "a")
    with Registry():
        InputModel(model).connect(Task.create("p", "t"))
    code, _, err = run("rm", "a")
    assert code == 5
    assert "--force" in err
    assert run("rm", "a", "--force")[0] == 0


def test_errors_say_how_weights_are_damaged(run, weights):
    model = add(run, weights, "-n", "a")
    (blob,) = (each for each in Path("registry/blobs/sha256").rglob("*") if each.is_file())
    os.truncate(blob, 3)
    assert "holds 3 bytes of 7" in run("path", model)[2]
    blob.unlink()
    assert "is missing" in run("path", model)[2]
    code, _, err = run("verify")
    assert code == 4
    assert "Checked 1 blob (7 B), hashed 0: 1 problem." in err


def test_get_copies_to_a_place_of_the_users(run, weights, tmp_path):
    add(run, weights, "-n", "a")
    weights.unlink()
    assert run("get", "a")[1] == "model.safetensors\n"
    assert weights.read_bytes() == b"weights"
    assert os.access(weights, os.W_OK)
    weights.write_bytes(b"mine")  # the copy is the user's, the registry keeps its own
    code, _, err = run("get", "a")
    assert (code, err) == (5, "localreg: model.safetensors exists already; -f replaces it\n")
    assert run("get", "a", "-o", tmp_path / "new" / "x.bin")[0] == 0
    assert (tmp_path / "new" / "x.bin").read_bytes() == b"weights"
    assert run("get", "a", "-f")[0] == 0
    assert weights.read_bytes() == b"weights"


def test_history_lists_changes_newest_first(run, weights):
    add(run, weights, "-n", "a")
    run("tag", "a", "x")
    lines = run("history", "a")[1].splitlines()
    assert lines[0].split("\t")[-1] == "tagged x"
    assert "created as a" in lines[1]
    assert [each["kind"] for each in json.loads(run("history", "--json", "-l", "1")[1])] == [
        "model.tag"
    ]
    assert run("history", "nothing")[0] == 3


def test_init_makes_a_registry_that_commands_below_find(run, monkeypatch, tmp_path):
    monkeypatch.delenv("LOCALREG_HOME")
    assert "Made a registry" in run("init")[2]
    assert "already" in run("init")[2]
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    values = json.loads(run("env", "--json")[1])
    assert values["registry"] == str(tmp_path / ".localreg")
    assert ".localreg" in values["chosen_by"]


def test_init_takes_the_journal(run, tmp_path):
    run("init", tmp_path / "shared", "--journal", "truncate")
    assert json.loads(run("-R", tmp_path / "shared", "env", "--json")[1])["journal"] == "truncate"


def test_the_registry_is_given_before_or_after_the_command(run, weights, tmp_path):
    run("-R", tmp_path / "one", "add", weights, "-n", "a")
    assert run("ls", "-q", "-R", tmp_path / "one")[1].strip()
    assert run("ls", "-q")[1] == ""


@pytest.mark.parametrize("option", ["--config", "--labels"])
def test_a_file_that_is_not_text_is_wrong_usage(run, weights, tmp_path, option):
    (tmp_path / "binary").write_bytes(b"\x82")
    code, _, err = run("add", weights, option, tmp_path / "binary")
    assert (code, f"{option}: {tmp_path}/binary is not text in UTF-8" in err) == (2, True)


def test_a_size_that_is_none_is_wrong_usage(run):
    run("init", "registry")
    code, _, err = run("cache", "prune", "--max-size", "much")
    assert (code, "500MB or 20GB, not 'much'" in err) == (2, True)


def test_a_mistyped_command_is_guessed(run):
    code, _, err = run("shwo")
    assert code == 2
    assert "Did you mean 'show'?" in err


def test_a_mistyped_model_is_guessed(run, weights):
    add(run, weights, "-n", "vision/resnet")
    code, out, err = run("show", "vision/resnte")
    assert (code, out) == (3, "")
    assert "Did you mean vision/resnet?" in err


def test_a_damaged_registry_is_exit_code_4(run, tmp_path):
    run("init", "registry")
    (tmp_path / "registry" / "registry.db").write_bytes(b"garbage" * 1000)
    assert run("ls")[0] == 4


def test_path_of_weights_that_cannot_be_fetched_is_an_error(run):
    from localreg import InputModel, Registry

    with Registry():
        InputModel.import_model("s3://bucket/a.pt", name="a")
    code, _, err = run("path", "a")
    assert code == 1
    assert "cannot be fetched" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "Usage: localreg" in out
    assert cli.get_command(None, command).name == command


def test_a_reader_that_goes_away_is_no_error(tmp_path, weights):
    environment = os.environ | {"LOCALREG_HOME": str(tmp_path / "registry")}
    command = f"{sys.executable} -m localreg.cli"
    for _ in range(3):
        subprocess.run(f"{command} add {weights}", shell=True, env=environment, check=True,
                       capture_output=True)  # fmt: skip
    done = subprocess.run(
        f"{command} history -l 0 | true",
        shell=True, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == ""


def test_demo_trains_keeps_and_loads(run, tmp_path):
    code, out, err = run("demo", "--home", tmp_path / "demo")
    assert (code, err) == (0, "")
    assert "test accuracy 9" in out
    assert "demo/rings:2, loaded from the registry, has the same test accuracy: 9" in out
    assert run("-R", tmp_path / "demo", "show", "demo/rings@prod")[0] == 0
    reports = tmp_path / "demo" / "reports"
    (comparison,) = (reports / "compare").glob("*.html")
    page = comparison.read_text(encoding="utf-8")
    for shown in ("demo/rings:1", "demo/rings:2", "loss", "test points", "heatmap"):
        assert shown in page
    for task in (reports / "tasks").glob("*.html"):
        page = task.read_text(encoding="utf-8")
        for shown in ("loss", "test points", "heatmap", "learning_"):
            assert shown in page
    assert (reports / "index.html").exists()
    assert not (tmp_path / "localreg-demo").exists()
    assert run("demo", "--home", tmp_path / "demo")[0] == 0  # again: two more versions
    assert run("-R", tmp_path / "demo", "show", "demo/rings:4")[0] == 0


def test_the_last_lines_of_the_demo_show_the_runs_and_where_the_better_model_comes_from(
    run, tmp_path
):
    out = run("demo", "--home", tmp_path / "demo")[1]
    runs, _, lineage = out.partition("The runs (")[2].partition("Where the model comes from (")
    rows = [line.split("\t") for line in runs.splitlines() if "\t" in line]
    assert [(row[0], row[1], row[2], row[-1]) for row in rows] == [
        ("fine-tune", "completed", "200", "demo/rings:2"),
        ("first try", "completed", "10", "demo/rings:1"),
    ]
    assert [line[: line.find("  ")] for line in lineage.splitlines()[1:4]] == [
        "demo/rings:2", "├─ made by task fine-tune", "│"
    ]  # fmt: skip
    assert "which took demo/rings:1" in lineage
    with Registry(tmp_path / "demo") as registry:
        model = registry.model("demo/rings@prod")
        task = Task.get_task(task_id=model.original_task)
        assert task.output_models_id == {"rings": model.id}
        assert len(task.get_reported_scalars()["loss"]["train"]["x"]) == 200
        assert model.published


@pytest.mark.parametrize("command", ["ls", "history"])
def test_a_negative_limit_is_wrong_usage(run, command):
    code, out, err = run(command, "-l", "-3")
    assert (code, out) == (2, "")
    assert "-3" in err


# weights and their upkeep --------------------------------------------------------------------


def test_folders_and_the_standard_input_are_kept(run, tmp_path):
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text("{}")
    run("add", "bert", "-n", "nlp/bert")
    _, tree, _ = run("path", "nlp/bert")
    assert (Path(tree.strip()) / "config.json").read_text() == "{}"
    _, archive, _ = run("path", "nlp/bert", "--archive")
    assert archive.strip().endswith("bert.zip")
    assert run("get", "nlp/bert", "-o", "out/")[0] == 0
    (tmp_path / "out" / "bert" / "config.json").write_text("changed")
    code, _, err = run("get", "nlp/bert", "-o", "out/")
    assert (code, err) == (5, "localreg: out/bert exists already; delete it first\n")
    code, _, err = run("get", "nlp/bert", "-o", "out/", "-f")  # a folder may hold anything
    assert code == 5
    assert "only a file is replaced" in err
    assert (tmp_path / "out" / "bert" / "config.json").read_text() == "changed"
    (tmp_path / "mine").write_text("mine")
    assert run("get", "nlp/bert", "-o", "mine", "-f")[0] == 5
    assert (tmp_path / "mine").read_text() == "mine"
    assert run("add", "-", "-n", "piped", "--filename", "w.bin", stdin=b"piped")[0] == 0
    assert Path(run("path", "piped")[1].strip()).read_bytes() == b"piped"


def test_add_copies_moves_links_or_references(run, tmp_path):
    for mode in ("copy", "move", "link", "reference"):
        (tmp_path / f"{mode}.pt").write_bytes(mode.encode())
        code, _, err = run("add", f"{mode}.pt", f"--{mode}")
        assert code == 0
        assert ("Kept" in err) == (mode != "reference")
        assert (tmp_path / f"{mode}.pt").exists() == (mode != "move")
    _, out, _ = run("show", "reference")
    assert "referenced, not read yet" in out
    assert run("add", "copy.pt", "--hash")[0] == 2
    assert run("add", "copy.pt", "--sha256", "0" * 64)[0] == 4
    code, _, err = run("add", "copy.pt", "--reference", "--hash", "-n", "hashed")
    assert (code, "sha256" in err) == (0, True)


def test_damage_is_exit_code_4_and_can_be_repaired(run, tmp_path):
    (tmp_path / "m.pt").write_bytes(b"weights")
    run("add", "m.pt", "-n", "p/m")
    assert run("verify")[0] == 0
    (blob,) = (each for each in (tmp_path / "registry" / "blobs").rglob("*") if each.is_file())
    blob.chmod(0o644)
    blob.write_bytes(b"wEIGHTs")
    for arguments in (["verify"], ["verify", "p/m"], ["verify", "--full"]):
        code, out, err = run(*arguments)
        assert code == 4
        assert "p/m:1" in out
        assert "1 problem" in err
    assert json.loads(run("verify", "--json")[1])["problems"][0]["kind"] == "digest"
    code, out, _ = run("repair")
    assert (code, "copied from" in out) == (0, True)
    assert run("verify", "--full")[0] == 0
    assert run("repair")[2] == "Nothing to repair.\n"
    shutil.rmtree(tmp_path / "registry" / "files")
    blob.unlink()
    (tmp_path / "m.pt").unlink()
    code, out, err = run("repair")
    assert code == 4
    assert "p/m:1" in out
    assert "no source" in err


def test_nothing_is_deleted_in_bulk_unless_that_is_said(run, tmp_path):
    (tmp_path / "m.pt").write_bytes(b"weights")
    run("add", "m.pt")
    run("rm", "-f", "m")
    said = run("gc")[2]
    assert "Nothing to delete.\n7 B wait for the end of the grace period" in said
    assert re.search(r"from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC on, in (1 d|23 h 5\d min)\.", said)
    code, out, err = run("gc", "--grace", "0s")
    assert (code, "weights" in out, "--delete" in err) == (0, True, True)
    assert json.loads(run("gc", "--grace", "0s", "--json")[1])["dry_run"] is True
    assert "Freed 7 B" in run("gc", "--grace", "0s", "--delete")[2]
    assert "Nothing to delete" in run("gc", "--grace", "0s")[2]
    assert run("gc", "--grace", "soon")[0] == 2


def test_the_cache_is_listed_and_pruned(run, tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a").write_bytes(b"12345")
    (tmp_path / "pkg" / "a").chmod(0o755)  # a copy in the folder, which takes space
    run("add", "pkg")
    assert run("cache", "ls")[2] == "The cache is empty.\n"
    tree = Path(run("path", "pkg")[1].strip())
    assert tree.name[:12] in run("cache", "ls")[1]
    assert json.loads(run("cache", "ls", "--json")[1])[0]["kind"] == "copy"
    assert run("cache", "prune")[0] == 2
    run("cache", "prune", "--max-size", "0")
    assert tree.exists()
    run("cache", "prune", "--max-size", "0", "--delete")
    assert not tree.exists()
    run("path", "pkg")
    assert run("cache", "rm", tree.name[:8])[0] == 0
    assert not tree.exists()
    assert run("cache", "rm", tree.name[:8])[0] == 3


def test_du_prints_what_takes_space(run, tmp_path):
    (tmp_path / "m.pt").write_bytes(b"weights")
    run("add", "m.pt", "-n", "p/a")
    run("add", "m.pt", "-n", "q/b")
    assert run("du")[1] == "p\t7\t0\t1\t1\nq\t7\t0\t1\t1\n"
    assert run("du", "--by", "blob")[1].split("\t")[1:] == ["7", "7", "1", "2\n"]
    assert "kept 7 B" in run("du", "--by", "model")[2]
    assert json.loads(run("du", "--json")[1])["kept"] == 7


def test_the_doctor_finds_a_healthy_registry_healthy(run):
    run("init", "registry")
    code, out, _ = run("doctor", "--json")
    assert code == 0
    assert {each["state"] for each in json.loads(out)} <= {"ok", "note"}


def test_a_table_fits_a_terminal_of_80_columns_and_has_no_empty_columns(run, tmp_path, weights):
    add(run, weights, "-n", "a-project-with-a-long-name/a-model-with-a-long-name", "-t", "a" * 40)
    lines = on_a_terminal(tmp_path, "ls").splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["MODEL", "TAGS", "FRAMEWORK", "SIZE", "UPDATED", "ID"]
    assert on_a_terminal(tmp_path, "ls", "nothing").startswith("No models match")


def test_wrong_usage_on_a_terminal_is_broken_at_words(tmp_path):
    lines = on_a_terminal(tmp_path, "task", "ls", "--status", "complete").splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "Usage: localreg task ls [OPTIONS] [PATTERN]"
    assert lines[3].startswith("Error: ")
    assert "is not one of 'created', 'in_progress', 'completed'," in " ".join(lines)


def test_an_error_on_a_terminal_is_broken_at_words(run, tmp_path):
    run("init", "registry")
    lines = on_a_terminal(tmp_path, "show", "no-such-model").splitlines()
    assert len(lines) > 1
    assert all(len(line) <= 80 for line in lines if " " in line)  # a long path is one word
    assert " ".join(lines).startswith("localreg: there is no model 'no-such-model'")


def test_show_on_a_terminal_is_broken_at_words_and_indented(tmp_path, run, weights):
    comment = " ".join(["word"] * 40)
    add(run, weights, "-R", tmp_path / "registry", "-n", "m", "-c", comment)
    lines = on_a_terminal(tmp_path, "show", "m").splitlines()
    told = [line for line in lines if "word" in line]
    assert len(told) > 2
    assert max(map(len, told)) <= 80
    assert all(line.startswith(" " * 11 + "word") for line in told[1:])
    assert re.search("^weights    sha256\n {11}[0-9a-f]{64}$", "\n".join(lines), re.MULTILINE)


def on_a_terminal(folder, *arguments):
    """Return what a command prints on a terminal that is 80 columns wide."""
    terminal, end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "localreg.cli", "-R", folder / "registry", *arguments],
        stdin=end, stdout=end, stderr=end, env=os.environ | {"COLUMNS": "80", "NO_COLOR": "1"},
    ):  # fmt: skip
        os.close(end)
        text = b""
        with open(terminal, "rb", buffering=0) as reader, suppress(OSError):  # EIO at the end
            while data := reader.read(10_000):
                text += data
    return re.sub(r"\x1b\[[0-9;]*m", "", text.decode().replace("\r\n", "\n"))


@pytest.mark.parametrize(
    "command",
    [
        *([name] for name in COMMANDS),
        *(["task", name] for name in ("ls", "show", "clone", "run", "rm")),
        *(["dataset", name] for name in ("ls", "show", "get")),
        *(["cache", name] for name in ("ls", "rm", "prune")),
    ],
    ids=" ".join,
)
def test_help_begins_with_one_sentence_and_fits_80_columns(run, command):
    lines = run(*command, "--help")[1].splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[2].startswith("  "), "the first sentence"
    assert lines[2].endswith(".")
    assert lines[3] == ""


def test_help_shows_every_command_with_its_first_sentence(run):
    lines = run("--help")[1].splitlines()
    shown = {line.split()[0]: line for line in lines if line.startswith("  ") and line[2] != " "}
    assert set(COMMANDS) <= shown.keys()
    assert all(shown[name].endswith(".") for name in COMMANDS)
    assert max(map(len, lines)) <= 80
