"""What the shell offers while a command is typed, and that asking for it changes nothing (P36)."""

from __future__ import annotations

import io
import os
import pty
import select
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import click
import pytest
from support.command_line import run_cli
from support.foreign_signatures import new_key, public_pem

from localreg import Dataset, Task
from localreg.cli.completion import BY_NAME, FREE, offered
from localreg.cli.main import COMMANDS, SECTIONS, cli, main
from localreg.cli.shells import SHELLS, VARIABLE, escaped

HOSTILE = "$(touch hacked) m;x"


def leaves(command=cli, words=()):
    """Yield the words of every command that is no group, and the command."""
    if not isinstance(command, click.Group):
        yield " ".join(words), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from leaves(command.get_command(context, name), (*words, name))


@pytest.fixture
def stage(registry, tmp_path, monkeypatch):
    """Two versions of vision/resnet, a removed model, a model of a hostile name, a task."""
    monkeypatch.chdir(tmp_path)
    Path("a.pt").write_bytes(b"weights")
    registry.add("a.pt", "resnet", "vision", alias="prod", tags=["good"])
    registry.add("a.pt", "resnet", "vision", metadata={"accuracy": 0.9})
    registry.add("a.pt", "resnext", "vision", tags=["other"])
    registry.add("a.pt", HOSTILE)
    Path("release.pub").write_bytes(public_pem(new_key()))
    registry.add_key("release.pub")
    registry.add("a.pt", "two\nlines")
    task = Task.create("vision", "train")
    task.set_tags(["mine"])
    task.get_logger().report_scalar("loss", "train", 0.5, 1)
    task.flush()
    task.set_parameters({"Args/lr": 0.1})
    Dataset.create("cats", "vision").finalize(auto_upload=True)
    run_cli("rm", "vision/resnext")
    registry.add("a.pt", "resnext", "nlp", tags=["other"])
    return registry


def offers(line, *, shell="bash"):
    """Return the lines that a shell gets for a command line, after looking that nothing is said."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    typed = line.rpartition(" ")[2]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(VARIABLE, f"{shell}_complete")
        environment.setenv("COMP_WORDS", f"localreg {line}")
        environment.setenv("COMP_WORDBREAKS", " \t\n\"'><;|&(")
        environment.setenv("COMP_CWORD", typed if shell == "fish" else str(len(line.split(" "))))
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main([])
    assert (ended.value.code, err.getvalue()) == (0, ""), line
    out.flush()
    return out.buffer.getvalue().decode().splitlines()


def values(line):
    """Return the texts that bash is offered, unescaped."""
    return [shlex.split(each.removeprefix("plain,"))[0] for each in offers(line) if each]


# What is offered for what is typed.
TYPED = {
    "sho": {"show"},
    "task r": {"rm", "run"},
    "show vision/res": {"vision/resnet"},
    "show vision/resnet": {
        "vision/resnet",
        "vision/resnet@prod",
        "vision/resnet:2",
        "vision/resnet:1",
    },
    "show vision/resnet@": {"vision/resnet@prod"},
    "show vision/resnet:": {"vision/resnet:2", "vision/resnet:1"},
    "publish vision/resnet:1 nlp": {"nlp/resnext"},
    "show no": set(),
    "ls vision/": {"vision/resnet"},
    "ls -p ": {"vision", "nlp"},
    "ls --project=v": {"vision"},
    "ls -n resn": {"resnet", "resnext"},
    "ls -t ": {"good", "other"},
    "ls -m ": {"accuracy="},
    "ls --sort ": {"updated", "created", "name", "metric:", "param:", "meta:"},
    "ls --sort metric:": {"metric:loss/train"},
    "ls --sort param:A": {"param:Args/lr"},
    "ls --columns model,met": {"model,metrics", "model,metric:", "model,meta:"},
    "ls --columns +meta:": {"+meta:accuracy"},
    "tag vision/resnet g": {"good"},
    "untag vision/resnet:1 ": {"good"},
    "untag no ": set(),
    "meta vision/resnet --drop ": {"accuracy"},
    "alias vision/resnet ": {"prod"},
    "history --alias p": {"prod"},
    "key rm r": {"release"},
    "restore ": {"vision/resnext:1"},
    "add a.pt -n nlp": {"nlp/resnext"},
    "dataset show ": {"vision/cats"},
    "task ls -t ": {"mine"},
    "task clone 0 --set-param ": {"Args/lr="},
    "guide ar": {"architecture"},
    "schema task s": {"show"},
    "config o": {"origin.name"},
    "completion ": set(SHELLS),
    "du --by m": {"model"},
    "gc --keep-best l": {"loss/train"},
    "-R nowhere show ": set(),
    "show -R localreg vision": {"vision/resnet"},
}


def test_what_is_offered_begins_with_what_is_typed(stage):
    offered = {line: set(values(line)) for line in TYPED}
    assert offered == TYPED


def test_ids_are_offered_with_what_they_are(stage):
    (task,) = stage.db.execute("SELECT id FROM task WHERE name = 'train'").fetchone()
    assert values("task show ") == [task[:8]]
    assert values(f"task show {task[:10]}") == [task[:10]]
    assert values(f"report {task[:4]}") == [task[:8]]
    assert offers("task show ", shell="zsh") == ["plain", task[:8], "train"]
    assert offers("task show ", shell="fish") == [f"plain,{task[:8]}\ttrain"]
    assert values("undo ")[0] == stage.history()[0].event_id[:8]


def test_names_that_nobody_can_type_are_not_offered(stage):
    assert values("show two") == []
    assert set(values("show ")) == {"vision/resnet", "nlp/resnext", HOSTILE}


def test_asking_writes_nothing_and_makes_no_registry(stage, tmp_path, monkeypatch):
    def there():
        return {
            str(each): each.stat().st_mtime_ns for each in tmp_path.rglob("*") if each.is_file()
        }

    before = there()
    for line in ("show ", "tag vision/resnet ", "ls -p ", "task show ", "undo "):
        values(line)
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "nowhere"))
    assert values("show ") == []
    assert there() == before
    assert not (tmp_path / "nowhere").exists()


def test_a_call_without_the_words_of_a_shell_offers_commands():
    done = subprocess.run(
        [sys.executable, "-m", "localreg"],
        capture_output=True, text=True, env=os.environ | {VARIABLE: "bash_complete"}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "plain,show" in done.stdout


def test_a_registry_that_cannot_be_read_offers_nothing(stage, tmp_path, monkeypatch):
    database = tmp_path / "broken" / "registry.db"
    database.parent.mkdir()
    database.write_bytes(b"no database" * 100)
    for home in (database.parent, database, "~nobody-of-this-name", "\0"):
        with suppress(ValueError):  # the environment cannot hold a NUL
            monkeypatch.setenv("LOCALREG_HOME", str(home))
        assert values("show ") == []
    assert database.read_bytes() == b"no database" * 100


def test_every_parameter_is_completed_or_known_to_be_free():
    """A new one needs a line in `BY_NAME`, or in `FREE`."""
    used, missing = set(), []
    for words, command in leaves():
        for each in command.params:
            own, name = f"{words} {each.name}", str(each.name)
            known = {own, name} & {*BY_NAME, *FREE}
            used |= {own if own in known else name} & known
            plain = isinstance(each, click.Option) and (each.is_flag or each.count)
            if not (known or plain or isinstance(each.type, click.Choice)):
                missing.append(own)
    assert missing == []
    assert {*BY_NAME, *FREE} - used == set()
    assert offered("task ls", click.Option(["--name"])) is None


def test_help_and_the_names_of_commands_are_shown_without_importing_commands():
    script = (
        "import sys\n"
        "from localreg.cli.main import main\n"
        "main(['--help'])\n"
        "print([each for each in sys.modules if each.startswith('localreg.operations')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert sum(map(len, SECTIONS.values())) == len(COMMANDS)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_asks_localreg(shell):
    code, out, _ = run_cli("completion", shell)
    assert code == 0
    assert f"{VARIABLE}={shell}_complete" in out
    assert run_cli("completion", "tcsh")[0] == 2


def test_bash_escapes_what_it_would_run():
    assert escaped(HOSTILE) == r"\$\(touch\ hacked\)\ m\;x"
    assert escaped("vision/resnet-50_x:2@prod+a,b%=é") == "vision/resnet-50_x:2@prod+a,b%=é"
    assert [escaped(each) for each in "~!#*?[]{}<>|&`'\"^"] == [
        f"\\{each}" for each in "~!#*?[]{}<>|&`'\"^"
    ]


def test_a_real_bash_completes_versions_aliases_and_hostile_names(stage, tmp_path):
    """Bash breaks words at ":" and "@"; what it inserts for a hostile name is one word again."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "localreg"
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = completion ] || [ -n "${VARIABLE}" ]\n'
        f'then exec {sys.executable} -m localreg "$@"; fi\n'
        'printf "<%s>" "$@"; echo\n'
    )
    program.chmod(0o755)
    rc = tmp_path / "rc"
    rc.write_text(
        "PS1='$ '\nbind 'set bell-style none'\nbind 'set enable-bracketed-paste off'\n"
        f'PATH={folder}:$PATH\neval "$(localreg completion bash)"\necho ready\n'
    )
    typed = {
        "localreg path nlp\t": "<path><nlp/resnext>",
        "localreg path vision/resnet@\t": "<path><vision/resnet@prod>",
        "localreg path vision/resnet@p\t": "<path><vision/resnet@prod>",
        "localreg rm vision/resnet:2 nlp/resnext:\t": "<rm><vision/resnet:2><nlp/resnext:1>",
        "localreg path $\t": f"<path><{HOSTILE}>",
        "localreg path nothing\t": "<path><nothing>",
        "localreg ls -m acc\t0.9": "<ls><-m><accuracy=0.9>",
        "localreg add a.p\t": "<add><a.pt>",
        "localreg hist\t": "<history>",
        "true; A=1 localreg show nlp\t": "<show><nlp/resnext>",
    }
    process, terminal = pty.fork()
    if process == 0:  # it becomes bash
        os.environ.update(COLUMNS="200", TERM="dumb")
        os.execvp("bash", ["bash", "--noprofile", "--rcfile", str(rc), "-i"])
    try:
        read_until(terminal, "ready")
        said = ""
        for keys in typed:
            os.write(terminal, f"{keys}\n".encode())
            said += read_until(terminal, ">\r\n")
        os.write(terminal, b"exit\n")
    finally:
        os.close(terminal)
        os.waitpid(process, 0)
    shown = [line for line in said.splitlines() if line.startswith("<")]
    assert dict(zip(typed, shown, strict=True)) == typed
    assert not (tmp_path / "hacked").exists()


def read_until(terminal, text):
    """Return what a terminal shows until a text."""
    said = b""
    while text.encode() not in said:
        if not select.select([terminal], [], [], 60)[0]:
            break
        said += os.read(terminal, 10_000)
    return said.decode(errors="replace")
