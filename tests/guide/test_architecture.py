"""The guide for contributors names what exists, and the catalogue of events is complete."""

from __future__ import annotations

import re

import pytest
from support.documents import GUIDE, README, ROOT, prose, text_of

from localreg.store.events import fold

PACKAGE = ROOT / "localreg"
NAMED = [README, GUIDE / "architecture.md", GUIDE / "speed.md"]
SUFFIXES = (".py", ".sql", ".md", ".css", ".js", ".html", ".toml")
ARCHITECTURE = prose(GUIDE / "architecture.md")


def paths(page):
    """Return what is written as code in a page and is a path of the repository."""
    roots = {each.name for folder in (ROOT, PACKAGE) for each in folder.iterdir()}
    found = re.findall(r"`([\w.-]+(?:/[\w.-]+)*/?(?:\w+)?(?::\w+)?)`", prose(page))
    return sorted(
        each
        for each in set(found)
        if each.partition(":")[0].endswith(SUFFIXES)
        or ("/" in each and each.split("/", 1)[0] in roots)
    )


@pytest.mark.parametrize("page", NAMED, ids=lambda page: page.stem)
def test_every_path_exists(page):
    assert paths(page)
    for named in paths(page):
        path = named.partition(":")[0].replace("NAME.py", "add.py")
        assert (ROOT / path).exists() or (PACKAGE / path).exists(), named


def test_every_function_that_is_named_with_its_file_exists():
    named = [each.split(":") for each in paths(GUIDE / "architecture.md") if ":" in each]
    assert len(named) > 15
    for path, function in named:
        file = ROOT / path if path.startswith("tests/") else PACKAGE / path
        source = file.read_text(encoding="utf-8")
        assert re.search(rf"^ *(?:def|class) {function}\b", source, re.MULTILINE), (path, function)


def test_every_module_beside_the_folders_is_named():
    modules = {each.name for each in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert [each for each in sorted(modules) if f"`{each}`" not in ARCHITECTURE] == []


def test_every_folder_of_the_package_is_named():
    folders = {
        str(each.parent.relative_to(PACKAGE))
        for each in PACKAGE.rglob("*.py")
        if each.parent != PACKAGE
    }
    assert [each for each in sorted(folders) if f"`{each}/" not in ARCHITECTURE] == []


def test_the_catalogue_has_every_kind_of_event_and_no_other():
    rows = re.findall(
        r"^\| `((?:project|model|weights|alias|task)\.\w+)` \|", ARCHITECTURE, re.MULTILINE
    )
    assert len(rows) == len(set(rows))
    assert {(kind, 1) for kind in rows} == set(fold.KINDS)


def test_every_promise_that_a_test_names_is_in_the_guide():
    promised = set(re.findall(r"\*\*(P\d+)\*\*", text_of(GUIDE / "promises.md")))
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    assert set(re.findall(r"\bP[1-9]\d?\b", tests)) <= promised


def test_decisions_are_numbered_without_gaps():
    numbers = re.findall(r"^\| (\d+) \|", text_of(GUIDE / "decisions.md"), re.MULTILINE)
    assert sorted(map(int, numbers)) == list(range(1, len(numbers) + 1))


def test_every_decision_that_a_test_names_is_in_the_guide():
    numbers = set(re.findall(r"^\| (\d+) \|", text_of(GUIDE / "decisions.md"), re.MULTILINE))
    tests = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests/operations").rglob("*.py")
    )
    named = re.findall(r"\bdecisions? (\d+)(?: (?:to|and) (\d+))?", tests)
    assert named
    assert {number for pair in named for number in pair if number} <= numbers
