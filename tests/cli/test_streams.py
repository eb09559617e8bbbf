"""Standard streams that are closed, full, not read, or cannot encode what is printed."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest

LOCALREG = [sys.executable, "-m", "localreg"]


@pytest.fixture
def home(tmp_path, registry):
    """A registry with one model, "net:1", and a file a.pt beside it."""
    (tmp_path / "a.pt").write_bytes(b"weights")
    registry.add(tmp_path / "a.pt", "net")
    return registry.path


@pytest.fixture
def full(tmp_path):
    """A device that is always full: a node of our own with the numbers of /dev/full."""
    try:
        os.mknod(tmp_path / "full", stat.S_IFCHR | 0o666, os.makedev(1, 7))
    except PermissionError:
        pytest.skip("only root can make devices")
    with open(tmp_path / "full", "w") as file:
        yield file


@pytest.fixture
def run(home, tmp_path):
    """Run a command as a process of its own."""

    def run(*arguments, closed=(), environment=None, **streams):
        def close():
            for number in closed:
                os.close(number)

        streams = {"stdin": subprocess.DEVNULL, "stdout": -1, "stderr": -1} | streams
        return subprocess.run(
            [*LOCALREG, *arguments],
            cwd=tmp_path,
            env=os.environ | (environment or {}),
            preexec_fn=close,
            **streams,
        )

    return run


def said(done) -> str:
    return " ".join(done.stderr.decode().split())


def message(done, command: str) -> str:
    """Return what the error says, which is JSON if that was asked for."""
    if "--json" not in command:
        return said(done).removeprefix("localreg: ")
    return json.loads(done.stderr)["error"]["message"]


def models(run) -> list[str]:
    return [each["ref"] for each in json.loads(run("ls", "--json").stdout)]


READING = ("--help", "ls", "ls --json", "show net", "guide tasks", "path net", "get net -o -")


@pytest.mark.parametrize("command", READING)
def test_output_that_cannot_be_written_is_an_error_without_traceback(run, full, command):
    done = run(*command.split(), stdout=full)
    assert done.returncode == 1
    problem = "stdout could not be written: No space left on device"
    assert message(done, command) == problem


def test_what_was_done_is_said_when_the_output_fails(run, full):
    """The model is added: a second try would make a second version."""
    done = run("add", "a.pt", "-n", "vision/net", stdout=full)
    assert done.returncode == 1
    assert said(done) == (
        "localreg: vision/net:1 was added, but stdout could not be written: No space left on device"
    )
    assert sorted(models(run)) == ["net:1", "vision/net:1"]


def test_a_copy_that_was_written_is_named_when_the_output_fails(run, full, tmp_path):
    done = run("get", "net", "-o", "b.pt", stdout=full)
    assert done.returncode == 1
    assert said(done).startswith("localreg: b.pt was written, but stdout could not be written:")
    assert (tmp_path / "b.pt").read_bytes() == b"weights"


def test_remarks_that_cannot_be_written_do_not_change_the_result(run, full):
    done = run("add", "a.pt", "-n", "b", stderr=full)
    assert (done.returncode, done.stdout.decode().split()[0]) == (0, "b:1")
    done = run("show", "nothing", stderr=full)
    assert done.returncode == 3


@pytest.mark.parametrize("command", ["ls", "ls --json", "--help"])
def test_closed_stdout_is_an_error(run, command):
    done = run(*command.split(), closed=[1])
    assert done.returncode == 1
    assert message(done, command) == "stdout could not be written: it is closed"


def test_closed_streams_do_not_become_files_of_the_registry(run, home):
    """The next file that is opened would get the number of stdout or stderr."""
    done = run("add", "a.pt", "-n", "b", closed=[0, 1, 2])
    assert done.returncode == 1
    assert models(run) == ["b:1", "net:1"]
    assert run("verify", "--full").returncode == 0


def test_closed_stderr_is_no_error(run):
    done = run("add", "a.pt", "-n", "b", closed=[2])
    assert (done.returncode, done.stdout.decode().split()[0]) == (0, "b:1")
    assert run("show", "nothing", closed=[2]).returncode == 3
    assert run("bogus", closed=[2]).returncode == 2


def test_reading_from_closed_stdin_is_an_error(run):
    done = run("add", "-", "-n", "b", closed=[0])
    assert done.returncode == 1
    assert said(done) == "localreg: stdin is closed: nothing can be read from it"
    assert models(run) == ["net:1"]


def test_a_reader_that_leaves_is_no_error_to_speak_of(run):
    read, write = os.pipe()
    os.close(read)
    done = run("guide", "tasks", stdout=write)
    assert (done.returncode, done.stderr) == (1, b"")
    done = run("add", "a.pt", "-n", "b", stdout=write)
    os.close(write)
    assert said(done) == "localreg: b:1 was added, but stdout could not be written: Broken pipe"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
@pytest.mark.parametrize("command", ["ls", "show é漢", "history", "guide"])
def test_characters_that_stdout_cannot_encode_are_replaced(run, encoding, command):
    assert run("add", "a.pt", "-n", "é漢", "-c", "…").returncode == 0
    done = run(*command.split(), environment={"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Traceback" not in done.stdout


def test_json_is_complete_in_every_encoding(run):
    """What stdout cannot encode is escaped there."""
    run("add", "a.pt", "-n", "é漢")
    done = run("ls", "--json", environment={"PYTHONIOENCODING": "latin-1"})
    assert [each["name"] for each in json.loads(done.stdout.decode("latin-1"))] == ["é漢", "net"]


def test_nothing_raises_in_the_locale_c(run):
    """P18: also without UTF-8 mode, where arguments are read as bytes."""
    run("add", "a.pt", "-n", "é漢")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for command in ("ls", "show é漢"):
        done = run(*command.split(), environment=plain)
        assert b"Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("size", ["1", "20", "x"])
def test_any_width_of_a_terminal_works(run, size):
    """Also TERM=dumb, and widths that are not numbers."""
    import pty

    for command in (["ls"], ["show", "net"], ["history"], ["--help"], ["show", "no"], ["guide"]):
        terminal, end = pty.openpty()
        done = run(*command, stdout=end, stderr=subprocess.PIPE,
                   environment={"COLUMNS": size, "TERM": "dumb"})  # fmt: skip
        os.close(end)
        os.close(terminal)
        assert b"Traceback" not in done.stderr
        assert done.returncode == (3 if "no" in command else 0)


def test_without_home_and_account_the_message_says_what_to_name(run, tmp_path):
    """As in a container: a user id without an entry in passwd, and no HOME."""
    script = (
        "import os, sys\n"
        "from localreg.cli.main import main\n"
        "main(['ls', '-R', '/nothing-here'])  # imports what only root may read\n"
        "os.setuid(54321)\n"
        "sys.exit(main(['ls']))\n"
    )
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("HOME", "XDG_DATA_HOME", "LOCALREG_HOME")
    }
    if os.getuid() != 0:
        pytest.skip("only root can become a user without an account")
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd="/", capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "name one with LOCALREG_HOME or -R, or set HOME" in done.stderr
    assert "Traceback" not in done.stderr


GONE = (
    ("init", 1), ("-R relative ls", 1), ("get net", 1), ("get net -o b.pt", 1),
    ("report net -o page.html", 1), ("compare net net2 -o page.html", 1), ("add x.pt", 1),
    ("demo --home rel", 1), ("ls", 0), ("report net", 0), ("site", 0), ("env", 0), ("verify", 0),
    ("add - -n stdin", 0),
)  # fmt: skip


@pytest.mark.parametrize(("command", "code"), GONE)
def test_a_deleted_working_directory_is_named(run, home, tmp_path, command, code, registry):
    """Only paths below it cannot be used."""
    registry.add(tmp_path / "a.pt", "net2")
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", f'rmdir "{gone}"; exec "$@"', "sh", *LOCALREG, *command.split()],
        cwd=gone,
        input=b"weights",
        capture_output=True,
    )
    assert done.returncode == code, said(done)
    assert "Traceback" not in said(done)
    if code:
        assert "working directory" in said(done)
