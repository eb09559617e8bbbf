"""The walk through the guide's page about carrying models, as two people do it on two machines.

The code blocks of the page run as they stand, apart from the place of the stick. What the page says
that a command prints, it prints.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from support.documents import GUIDE, commands, text_of
from support.documents import Block as Code

PAGE = GUIDE / "carrying.md"
STICK = "/media/stick"
USERS = {"laptop": "anna", "cluster": "ben"}


class Machine:
    """A folder with a registry, and a user whose commands run there."""

    def __init__(self, name, root, stick):
        self.name = name
        self.folder = root / name
        self.folder.mkdir()
        self._stick = stick
        scripts = str(Path(sys.executable).parent)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("LOCALREG_")}
        self._environment = kept | {
            "LOGNAME": USERS[name],
            "HOME": str(root / name),
            "PATH": os.pathsep.join([scripts, os.environ["PATH"]]),
        }

    def run(self, line):
        """Return the exit code of a line of shell, and what it printed."""
        done = subprocess.run(
            ["bash", "-c", line.replace(STICK, str(self._stick))],
            cwd=self.folder, env=self._environment, text=True, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return done.returncode, self._as_in_the_guide(done.stdout)

    def json(self, line):
        code, out = self.run(line)
        assert code == 0, out
        return json.loads(out)

    def _as_in_the_guide(self, text):
        for machine, user in USERS.items():
            text = text.replace(f"{user}@{socket.gethostname()}", f"{user}@{machine}")
        return text.replace(str(self._stick), STICK)


def parts():
    """Return the blocks of the page by their headings."""
    found = {}
    for part in re.split(r"^##+ ", text_of(PAGE), flags=re.MULTILINE):
        heading, _, text = part.partition("\n")
        blocks = re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        found[heading] = [Code(each[1], 0, each[2]) for each in blocks]
    return found


class Walk:
    """Runs the blocks of one heading after the other."""

    def __init__(self, root):
        (root / "stick").mkdir()
        self.machines = {name: Machine(name, root, root / "stick") for name in USERS}
        self._names = {}
        self._printed = ""

    def go(self, heading):
        blocks = parts()[heading]
        assert blocks
        for block in blocks:
            if block.language == "python":
                for machine in self.machines.values():
                    (machine.folder / "train.py").write_text(block.code)
            elif block.language == "sh":
                self._run(block)
            else:
                assert self._words(block.code) == self._words(self._printed), self._printed

    def _run(self, block):
        (name,) = re.findall(r"^# on the (\w+)$", block.code, re.MULTILINE)
        self._printed = ""
        for line in commands(block):
            comment = re.search(rf"{re.escape(line)}\s+# .*exit code (\d)", block.code)
            code, printed = self.machines[name].run(line)
            assert code == (int(comment[1]) if comment else 0), f"{line}: {printed}"
            if "train.py" not in line:
                self._printed += printed

    @staticmethod
    def _words(text):
        """Return the words of a text, with ids numbered in the order of their appearance."""
        ids = {}
        text = re.sub(
            r"\b(?=[0-9a-f]*\d)[0-9a-f]{7,64}(?=…|\b)",
            lambda found: f"id{ids.setdefault(found[0], len(ids))}",
            text,
        )
        return text.split()


def history(machine):
    """Return all changes, without what a registry adds to those that arrive."""
    found = machine.json("localreg history --json -l 0")
    for each in found:
        del each["seq"], each["arrived"]
    return found


def models(machine):
    """Return all models, without the place of the registry."""
    found = machine.json("localreg ls --json")
    return [{key: value for key, value in each.items() if key != "registry"} for each in found]


def pages(machine):
    """Return the pages of a machine by their names, without the place of its registry."""
    code, printed = machine.run("localreg site")
    assert code == 0, printed
    root = machine.folder / ".localreg"
    found = {}
    for path in sorted((root / "reports").rglob("*.html")):
        name = str(path.relative_to(root))
        page = path.read_text(encoding="utf-8").replace(str(root), "")
        page = re.sub(r"Written by localreg on [\d: -]+ UTC", "", page)
        page = re.sub(r"<dt>verified</dt>.*?</dd>", "", page, flags=re.DOTALL)
        found[name] = re.sub(r"<!-- [0-9a-f]{64} -->", "", page)
    return found


def scalars(machine):
    script = (
        "from localreg import Registry, Task\n"
        "import json\n"
        "with Registry('.localreg') as registry:\n"
        "    tasks = Task.get_tasks(registry=registry)\n"
        "    print(json.dumps({each.id: each.get_reported_scalars() for each in tasks}))\n"
    )
    (machine.folder / "scalars.py").write_text(script)
    return machine.json("python3 scalars.py")


def assert_same(laptop, cluster):
    assert history(laptop) == history(cluster)
    assert models(laptop) == models(cluster)
    assert scalars(laptop) == scalars(cluster)
    assert pages(laptop) == pages(cluster)
    for machine in (laptop, cluster):
        code, printed = machine.run("localreg verify --full")
        assert code == 0, printed


def test_the_walk_ends_as_the_guide_says(tmp_path):
    walk = Walk(tmp_path)
    laptop, cluster = walk.machines.values()

    walk.go("Two machines and a stick")
    assert [each["version"] for each in models(laptop)] == [2, 1]
    assert len(scalars(laptop)) == 2
    assert len(pages(laptop)) > 4
    assert_same(laptop, cluster)

    walk.go("An alias was moved on both machines")
    walk.go("Two versions have one number")
    assert sorted(each["version"] for each in models(laptop)) == [1, 2, 3, 4]
    assert laptop.json("localreg show vision/resnet@prod --json")["version"] == 3
    assert_same(laptop, cluster)
