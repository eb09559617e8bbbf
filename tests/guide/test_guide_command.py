"""`localreg guide` lists the topics and prints each; wheel and sdist have the texts."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest
from support.command_line import run_cli
from support.documents import GUIDE, ROOT, text_of

from localreg.cli.commands.guide import TOPICS, summary


def guide(*arguments):
    return run_cli("guide", *arguments)


def test_every_text_is_a_topic():
    assert sorted(TOPICS) == sorted(page.stem for page in GUIDE.glob("*.md"))


def test_without_a_topic_it_lists_all_with_a_line_each():
    lines = [line.split("\t") for line in guide()[1].splitlines()]
    assert [topic for topic, _ in lines] == list(TOPICS)
    assert all(20 < len(about) <= 63 for _, about in lines), "a line has 80 columns"


@pytest.mark.parametrize("topic", TOPICS)
def test_in_a_pipe_it_prints_the_text_unchanged(topic):
    assert guide(topic) == (0, text_of(GUIDE / f"{topic}.md"), "")


@pytest.mark.parametrize("topic", TOPICS)
def test_a_text_begins_with_its_title_and_what_it_is_about(topic):
    text = text_of(GUIDE / f"{topic}.md")
    assert text.startswith("# ")
    assert summary(text).endswith(".")


@pytest.mark.parametrize("name", ["Weights", "weights.md"])
def test_a_topic_is_found_by_its_file_name_and_in_any_case(name):
    assert guide(name)[1].startswith("# Weights\n")


def test_an_unknown_topic_is_not_found_and_close_ones_are_named():
    code, out, err = guide("wieghts")
    assert (code, out) == (3, "")
    assert "the guide has no topic 'wieghts': did you mean 'weights'" in err
    assert "no topic 'x': `localreg guide` lists all topics" in guide("x")[2]


def test_on_a_terminal_it_is_drawn_in_the_width_of_the_terminal():
    controller, terminal = pty.openpty()
    environment = os.environ | {"COLUMNS": "80", "LINES": "24", "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "localreg.cli", "guide", "packages"],
        stdout=terminal, stderr=terminal, env=environment,
    ):  # fmt: skip
        os.close(terminal)
        shown = b""
        try:
            while piece := os.read(controller, 65536):
                shown += piece
        except OSError:  # Linux's way to say that the other end is closed
            pass
    os.close(controller)
    lines = re.sub(r"\x1b\[[\d;]*m", "", shown.decode()).splitlines()
    assert max(map(len, lines)) == 80
    assert "Which models are packages" in [line.strip() for line in lines]
    assert [line for line in lines if line.startswith(" • A folder")]
    assert "```" not in "".join(lines)


def test_wheel_and_sdist_have_the_texts(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", tmp_path],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    texts = {f"localreg/guide/{topic}.md" for topic in TOPICS}
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        assert texts <= set(file.namelist())
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert texts | {"README.md", "CHANGELOG.md"} <= names
