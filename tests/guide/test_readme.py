"""README is short and complete; with the guide it names every command and every variable."""

from __future__ import annotations

import re

import pytest
from support.documents import GUIDE, PAGES, README, ROOT, blocks, text_of

from localreg.cli.main import COMMANDS

LONGEST = 8 * 1024  # bytes; longer texts belong into the guide
TEXTS = {page: text_of(page) for page in PAGES}


def test_the_readme_is_short():
    assert len(README.read_bytes()) <= LONGEST


def test_the_readme_links_to_every_topic_of_the_guide():
    linked = set(re.findall(r"\(localreg/guide/([\w-]+)\.md\)", TEXTS[README]))
    assert linked == {page.stem for page in GUIDE.glob("*.md")}


def test_the_first_example_has_at_most_12_lines():
    assert len(blocks(README)[0].code.splitlines()) <= 12


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", TEXTS[page]):
        if "://" not in target:
            assert (page.parent / target).is_file(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_lines_fit_on_a_screen(page):
    """Tables apart, whose rows Markdown wants on one line, and the commands of README."""
    lines = [line for line in TEXTS[page].splitlines() if line[:1] != "|" and "&&" not in line]
    assert [line for line in lines if len(line) > 100] == []


@pytest.mark.parametrize("page", sorted(GUIDE.glob("*.md")), ids=lambda page: page.stem)
def test_examples_of_the_guide_fit_on_a_terminal_of_80_columns(page):
    lines = [line for block in blocks(page) for line in block.code.splitlines()]
    assert [line for line in lines if len(line) > 78] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command):
    assert any(re.search(rf"\blocalreg {command}\b|`{command}\b", text) for text in TEXTS.values())


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    marked = re.search(r"<!-- test command -->\n```sh\n(python3 .*)\n```", TEXTS[README])
    assert marked is not None
    assert "pytest" in marked[1]
    assert "<!-- test command -->" in script


def test_every_variable_is_in_the_table_of_the_guide():
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "localreg").rglob("*.py"))
    used = set(re.findall(r"\bLOCALREG_[A-Z_]*[A-Z]\b", source)) - {"LOCALREG_CI"}
    rows = [line for line in TEXTS[GUIDE / "registries.md"].splitlines() if line[:1] == "|"]
    assert used <= set(re.findall(r"\bLOCALREG_[A-Z_]+\b", "".join(rows)))
