"""P25: a database that a stranger, or a failing disk, has changed does no harm.

Every call and command is right or one of our errors; none hangs, no file outside the registry is
written, no weights are deleted. The number of a case is all that it needs to happen again.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from support.proofs import TIMES
from support.used_registry import make_used_registry

# Cases in one process: 20 times as many processes make 500 of pages, and 100 of values.
PAGES, ROWS = (5, 5) if TIMES == 1 else (25, 5)
NEW = 0 if TIMES == 1 else int.from_bytes(os.urandom(4), "big")
PATIENCE = 600  # seconds for one process


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return make_used_registry(tmp_path_factory.mktemp("template"))


def batch(template, folder, kind, first, count):
    """Change copies of a registry, and use them; return what was wrong with each."""
    import faulthandler
    import logging
    import random
    from pathlib import Path

    from support import strange_database
    from support.used_registry import misused

    logging.disable(logging.CRITICAL)
    wrong = []
    for case in range(first, first + count):
        faulthandler.dump_traceback_later(60, exit=True)  # a statement of SQLite that never ends
        root = strange_database.copy_of(Path(template), Path(folder) / "registry")
        what = getattr(strange_database, kind)(root, random.Random(case))
        before = strange_database.blobs(root)
        found = misused(root)
        after = strange_database.blobs(root)
        found += [f"{path} changed" for path in before if after.get(path) != before[path]]
        wrong += [f"{kind} {case}, {what}: {each}" for each in found]
    faulthandler.cancel_dump_traceback_later()
    return wrong


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, PAGES * TIMES, PAGES))  # of NEW and later ones
def test_damaged_pages_do_no_harm(template, tmp_path, children, first):
    """Bytes flipped, pages swapped, emptied, or filled with garbage."""
    case = (str(template), str(tmp_path), "damaged_pages", NEW + first, PAGES)
    assert children.run(batch, *case, timeout=PATIENCE) == []


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, ROWS * TIMES, ROWS))
def test_hostile_values_do_no_harm(template, tmp_path, children, first):
    """Any value in any column, in one row or in all of them."""
    case = (str(template), str(tmp_path), "hostile_values", NEW + first, ROWS)
    assert children.run(batch, *case, timeout=PATIENCE) == []


@pytest.mark.parametrize(
    ("kind", "case"),
    [("damaged_pages", 3727995373), ("damaged_pages", 1566826658), ("hostile_values", 1566826503)],
)
def test_cases_that_ended_with_a_raw_error_do_no_harm(template, tmp_path, children, kind, case):
    """Two rows of one key; a stamp that is no number."""
    assert children.run(batch, str(template), str(tmp_path), kind, case, 1) == []


WRITES = re.compile(
    r"\b(?:mkdir|rmdir|unlink|rename|link|symlink|chmod|chown|truncate|mknod|utimensat)\w*\(|"
    r"\bopen(?:at)?\(.*(?:O_WRONLY|O_RDWR|O_CREAT)"
)
ALONE = """
import sys
sys.path.insert(0, sys.argv[1])
from guarantees.test_strange_databases import batch
for kind in ("damaged_pages", "hostile_values"):
    print(batch(sys.argv[2], sys.argv[3], kind, int(sys.argv[4]), 1))
"""


@pytest.mark.long
def test_nothing_outside_the_registry_is_written(template, tmp_path):
    """Each file that the process writes, by its calls of the system, is in the registry."""
    tests = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
    log = tmp_path / "calls"
    words = ["strace", "-f", "-y", "-s", "4096", "-e", "trace=%file", "-o", log]
    words += [sys.executable, "-B", "-c", ALONE, tests, template, tmp_path, str(NEW)]
    spare = tmp_path / "registry-spare"  # Python tries if its temporary folder can be used
    spare.mkdir()
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"TMPDIR": str(spare)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert set(done.stdout.splitlines()[-2:]) == {"[]"}
    outside = []
    for line in log.read_text(errors="replace").splitlines():
        if not WRITES.search(line) or " = -1 " in line:
            continue
        paths = [each for each in re.findall(r'"((?:[^"\\]|\\.)*)"', line) if each]
        folders = re.findall(r"<(/[^>]*)>", line)
        places = [each for each in paths if each.startswith("/")] or folders
        allowed = (f"{tmp_path}/registry", "/dev/null", "/dev/tty", "/proc/self")
        outside += [line for each in places if not each.startswith(allowed)]
    assert outside == []
