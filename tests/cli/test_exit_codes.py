"""Exit codes, and errors as JSON: what a program learns of a command that failed (P35)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import filelock
import pytest
from support.command_line import run_cli
from support.documents import GUIDE, text_of
from support.json_shapes import faults

from localreg.cli.main import EXIT_CODES, STOPPED

# A line that leaves with each code, the class of its error, and facts that it has.
FAILURES = [
    ("config no.such value", 1, "InvalidValueError", {"argument"}),
    ("ls --sort nonsense", 2, "UsageError", set()),
    ("nonsense", 2, "UsageError", set()),
    ("show", 2, "UsageError", set()),
    ("show vision/unknown", 3, "ModelNotFoundError", {"reference"}),
    ("task show 123456", 3, "TaskNotFoundError", {"reference"}),
    ("-R nowhere ls", 3, "NoRegistryError", {"path"}),
    ("add a.pt --sha256 {zeros}", 4, "DigestMismatchError", {"wanted", "found"}),
    ("verify vision/net --signed", 4, "SignatureError", {"reason"}),
    ("get vision/net -o a.pt", 5, "PathExistsError", {"path"}),
    ("alias vision/net prod --expect none", 5, "AliasConflictError", {"alias", "found"}),
    ("backup saved", 6, "LockTimeoutError", {"path"}),
]


@pytest.fixture
def stage(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.pt").write_bytes(b"weights")
    registry.add("a.pt", "net", "vision", alias="prod")
    assert run_cli("backup", "saved")[0] == 0
    with filelock.FileLock("saved/locks/backup.lock"):
        yield


def words_of(line):
    return line.format(zeros="0" * 64).split()


@pytest.mark.parametrize(
    ("line", "code", "kind", "facts"), FAILURES, ids=[line for line, *_ in FAILURES]
)
def test_an_error_is_one_line_of_json_with_its_exit_code(stage, line, code, kind, facts):
    """The same code and, in the message, the same words as without --json."""
    plain = run_cli(*words_of(line))
    found, out, err = run_cli(*words_of(line), "--json")
    assert (found, plain[0], out, plain[1]) == (code, code, "", "")
    assert err.count("\n") == 1
    printed = json.loads(err)
    assert faults("error", printed) == []
    error = printed["error"]
    assert (error["kind"], error["exit_code"]) == (kind, code)
    assert facts <= set(error["facts"])
    assert error["message"] in plain[2]


def test_json_before_the_command_is_the_same(stage):
    assert run_cli("--json", "show", "vision/net") == run_cli("show", "vision/net", "--json")
    assert run_cli("--json", "show", "no") == run_cli("show", "no", "--json")
    assert run_cli("-q", "ls") == run_cli("ls", "-q")


def test_words_after_two_dashes_do_not_ask_for_json(stage):
    assert run_cli("show", "--", "--json")[2].startswith("localreg: ")


def test_the_guide_names_every_exit_code(stage):
    rows = re.findall(r"^\| (\d+) \|", text_of(GUIDE / "scripts.md"), re.MULTILINE)
    proved = {code for _, code, *_ in FAILURES}
    assert {*map(int, rows)} == {0, STOPPED, *proved}
    assert {code for _, code in EXIT_CODES} <= proved


def test_quiet_commands_say_what_is_wrong_and_nothing_else(stage):
    for line in ("tag vision/net a", "meta vision/net a=1", "publish vision/net", "mv vision/net b",
                 "alias b now", "config origin.name x", "verify", "gc", "undo"):  # fmt: skip
        assert run_cli(*line.split(), "-q") == (0, "", ""), line
    code, out, err = run_cli("tag", "no", "a", "-q")
    assert (code, out) == (3, "")
    assert err


def test_ctrl_c_stops_a_command_with_its_own_code(stage, tmp_path):
    """The process reads a pipe that nothing is written to until it gets the signal."""
    script = (
        "import os, signal, sys\n"
        "from localreg.cli.main import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # background jobs ignore it
        "class Slow:\n"
        "    def read(self, _=-1):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        return b''\n"
        "class Stdin:\n"
        "    buffer = Slow()\n"
        "sys.stdin = Stdin()\n"
        "sys.exit(main(['add', '-', '-n', 'b', '--json']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=os.environ, check=False
    )
    assert (done.returncode, done.stdout) == (STOPPED, "")
    assert json.loads(done.stderr.splitlines()[-1])["error"]["kind"] == "Stopped"
