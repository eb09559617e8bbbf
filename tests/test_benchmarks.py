"""The benchmarks run as one command, and describe what they found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def names():
    return sorted(
        each.stem
        for each in (ROOT / "benchmarks").glob("*.py")
        if "def measured(" in each.read_text()
    )


def test_all_benchmarks_are_listed_with_what_they_measure():
    lines = run("--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == names()
    assert all(len(line) <= 98 and line.endswith(".") for line in lines)


def test_a_quick_run_prints_its_tables_and_what_it_ran_on():
    done = run("register", "records", "--quick")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("localreg ")
    assert "python 3." in done.stdout
    assert "load" in done.stdout
    assert "durability full: time of a model" in done.stdout
    assert "The values of 1,000 models" in done.stdout


def test_help_of_a_benchmark_has_its_own_options():
    done = run("growth", "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: python -m benchmarks growth ")
    assert "--only ONLY" in done.stdout
    assert "--list" in run("--help").stdout


def test_a_download_is_measured_beside_curl():
    """From a server in a process of its own."""
    done = run("download", "--quick", "--size", "1")
    assert done.returncode == 0, done.stderr
    assert "localreg, verified and durable" in done.stdout


def test_the_table_of_speed_has_the_rows_that_benchmarks_mark():
    code = "from benchmarks.__main__ import speed\n"
    code += "speed(['records', 'search', 'register'], quick=True, as_json=True)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    (table,) = json.loads(done.stdout)["tables"]
    assert [row["what"] for row in table["rows"]] == [
        "the newest 100 models whole",
        "the newest 20 models whole",
        "register one by one, full",
        "register one by one, fast",
    ]
    assert all(row["budget"] and row["ratio"] for row in table["rows"])


def test_other_programs_take_turns_and_one_that_fails_is_left_out():
    code = """
from benchmarks.peers import Program, running
programs = {
    "works": Program("sqlite-utils", "def call(folder): return len(os.listdir(folder)) + 2"),
    "fails": Program("sqlite-utils", "def call(folder): raise ValueError(arguments[0])"),
    "missing": Program("no-such-package", ""),
}
with running(programs, "why") as cases:
    print({name: [case(), case()] for name, case in cases.items()})
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "{'works': [2.0, 2.0]}\n", done.stderr
    assert done.stderr == "fails is left out: ValueError: why\n"


def test_json_has_ratios_with_quartiles_and_versions():
    done = run("records", "--quick", "--json", "--models", "200")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["machine"]["sqlite"]
    assert found["machine"]["packages"]["sqlite-utils"]
    values, newest = found["tables"]
    assert values["title"] == "The values of 200 models"
    for row in values["rows"] + newest["rows"]:
        if row["ratio"] is not None:
            low, high = row["quartiles"]
            assert low <= row["ratio"] <= high


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing",), "there is no benchmark 'nothing'; there are: arrivals"),
        (("register", "query", "--models", "5"), "need the name of one benchmark"),
        (("register", "--colour", "red"), "unrecognized arguments: --colour red"),
    ],
)
def test_wrong_words_are_named(words, said):
    done = run(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == "" or "load" in done.stdout


@pytest.mark.parametrize("name", names())
def test_each_benchmark_has_options_for_a_quick_run(name):
    """And for the table of speed, if it has rows of that."""
    code = (
        f"import argparse\nfrom benchmarks import {name} as found\n"
        "parser = argparse.ArgumentParser()\nfound.add_options(parser)\n"
        "print(parser.parse_args(found.QUICK))\n"
        "parser.parse_args(getattr(found, 'SPEED', ()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Namespace(")
