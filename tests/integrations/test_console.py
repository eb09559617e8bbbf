"""What a script prints is in the log of its task."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg import Task
from localreg.errors import InvalidValueError
from localreg.integrations.console import LONGEST, Lines


def run_python(code):
    """Run a script as a process of its own, in the registry of the test."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def log_of(task, level=False):
    """Return the lines of the log of a task, with their levels if asked."""
    task.flush()
    with sqlite3.connect(f"file:{task._registry.root / 'registry.db'}?mode=ro", uri=True) as db:
        rows = db.execute(
            "SELECT m.level, m.text FROM message m JOIN task t ON t.pk = m.task WHERE t.id = ? "
            "ORDER BY m.stamp",
            (task.id,),
        ).fetchall()
    return rows if level else [text for _, text in rows]


def test_both_streams_are_recorded_line_by_line_with_levels():
    task = Task.init(task_name="t")
    print("one\ntwo")
    print("without an end", end="")
    print("an error", file=sys.stderr)
    task.close()
    print("after the task")
    assert log_of(task, level=True) == [
        (20, "one"), (20, "two"), (20, "an error"), (20, "without an end"),
    ]  # fmt: skip


def test_what_the_logger_prints_is_in_the_log_once():
    task = Task.init(task_name="t")
    task.get_logger().report_text("once", level=40)
    print("later")
    task.close()
    assert log_of(task, level=True) == [(40, "once"), (20, "later")]


def test_a_progress_bar_is_one_line_and_colors_are_removed():
    task = Task.init(task_name="t")
    for step in range(5):
        sys.stderr.write(f"\r\x1b[32m{step * 25}%\x1b[0m")
    sys.stderr.write("\n")
    task.close()
    assert log_of(task) == ["100%"]


def test_the_bar_of_an_inner_loop_is_not_a_line_for_each_of_its_states():
    """It is drawn below the other bar: a line down, and up again."""
    task = Task.init(task_name="t")
    sys.stderr.write("\repochs: 0%")
    for step in range(5):
        sys.stderr.write("\n")
        sys.stderr.write(f"\rsteps: {step * 25}%")
        sys.stderr.write("\x1b[A")
    sys.stderr.write("\n")
    sys.stderr.write("\r           \r")
    sys.stderr.write("\x1b[A")
    sys.stderr.write("\repochs: 100%\n\r      \r\x1b[A\n")
    print("\n\r\nend")
    sys.stderr.write("\r     \r\x1b[A")
    task.close()
    assert log_of(task) == ["epochs: 0%", "epochs: 100%", "", "", "end"]


def test_streams_are_restored_and_recorded_again_for_the_next_task():
    before = dict(vars(sys.stdout))
    first = Task.init(task_name="first")
    print("one")
    first.close()
    assert vars(sys.stdout) == before
    second = Task.init(task_name="second")
    print("two")
    second.close()
    assert (log_of(first), log_of(second)) == (["one"], ["two"])


@pytest.mark.parametrize(
    ("streams", "expected"),
    [
        (False, []),
        ({}, []),
        ({"stdout": False}, ["error", "logged"]),
        ({"stderr": False}, ["out", "WARNING of.test: logged"]),
        ({"stderr": False, "logging": False}, ["out"]),
        ({"stdout": True}, ["out", "error", "logged"]),
    ],
)
def test_auto_connect_streams_chooses(streams, expected):
    logger = logging.Logger("of.test")
    logger.addHandler(logging.StreamHandler())
    task = Task.init(task_name="t", auto_connect_streams=streams)
    print("out")
    print("error", file=sys.stderr)
    logger.warning("logged")
    task.close()
    assert log_of(task) == expected


@pytest.mark.parametrize("streams", [1, "stdout", {"out": True}, None])
def test_auto_connect_streams_must_be_known(streams):
    with pytest.raises(InvalidValueError, match="auto_connect_streams"):
        Task.init(task_name="t", auto_connect_streams=streams)
    assert Task.current_task() is None


def test_each_task_gets_what_its_thread_prints():
    tasks = {}

    def work(name):
        task = Task.init(task_name=name)
        print(f"from {name}")
        tasks[name] = task
        task.close()

    for name in ("a", "b"):
        thread = threading.Thread(target=work, args=(name,))
        thread.start()
        thread.join()
    assert {name: log_of(task) for name, task in tasks.items()} == {
        "a": ["from a"], "b": ["from b"],
    }  # fmt: skip


def test_a_signal_handler_may_print_in_the_middle_of_a_report():
    """Its lines are collected without a lock: the report that it interrupts holds one."""
    task = Task.init(task_name="t")
    buffer = task._registry.store.buffer
    previous = signal.signal(signal.SIGUSR1, lambda *_: print("from the handler"))
    try:
        with buffer._lock:
            os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, previous)
    task.close()
    assert log_of(task) == ["from the handler"]


def test_a_long_log_keeps_its_beginning_and_its_end_and_says_what_is_cut(monkeypatch):
    monkeypatch.setenv("LOCALREG_LOG_LIMIT", "4000")
    task = Task.init(task_name="t")
    for number in range(3_000):
        print(f"line {number:05}")
        if number % 100 == 0:
            task.flush()
    task.close()
    lines = log_of(task)
    assert sum(map(len, lines)) <= 4_000
    said = [each for each in lines if "are cut here" in each]
    assert len(said) == 1
    place = lines.index(said[0])
    numbers = [int(each.removeprefix("line ")) for each in lines if each != said[0]]
    assert numbers[:place] == list(range(place))
    assert place > 50
    assert numbers[place:] == list(range(3_000 - len(numbers[place:]), 3_000))
    assert len(numbers[place:]) > 150
    cut = 3_000 - len(numbers)
    assert said[0].startswith(f"{cut:,} lines ({cut * 10:,} characters) are cut here")


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1e6"])
def test_the_limit_must_be_a_whole_number(monkeypatch, limit):
    monkeypatch.setenv("LOCALREG_LOG_LIMIT", limit)
    with pytest.raises(InvalidValueError, match="LOCALREG_LOG_LIMIT must be a whole number"):
        Task.init(task_name="t")


def test_the_traceback_of_a_script_that_fails_is_in_its_log(tmp_path):
    done = run_python(
        "from localreg import Task\n"
        "task = Task.init(task_name='t')\n"
        "print(task.id)\n"
        "raise ValueError('the reason')\n"
    )
    assert done.returncode == 1
    task = Task.get_task(task_id=done.stdout.strip())
    lines = log_of(task)
    assert lines[0] == task.id
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-1] == "ValueError: the reason"
    assert task.status == "failed"


def test_lines_survive_a_kill_a_moment_later():
    done = run_python(
        "import os, signal, time\n"
        "from localreg import Task\n"
        "task = Task.init(task_name='t')\n"
        "print(task.id, flush=True)\n"
        "print('the last words')\n"
        "waiting = task._registry.store.buffer._printed\n"
        "while waiting: time.sleep(0.01)\n"
        "with task._registry.store.buffer._writing: pass\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    task = Task.get_task(task_id=done.stdout.split()[0])
    assert log_of(task) == [task.id, "the last words"]


TEXTS = st.text(st.sampled_from("ab \r\n\x1b[0m"), max_size=30)


@given(st.lists(TEXTS))
def test_lines_do_not_depend_on_the_pieces_in_which_they_come(pieces):
    """The time stands still, so no progress bar is reported on the way."""
    at_once, in_pieces = Lines(), Lines()
    whole = at_once.add("".join(pieces), 0.0) + at_once.rest()
    some = [line for piece in pieces for line in in_pieces.add(piece, 0.0)] + in_pieces.rest()
    assert some == whole


def test_a_progress_bar_that_goes_on_is_a_line_every_ten_seconds():
    lines = Lines()
    found = [line for second in range(26) for line in lines.add(f"\r{second}s", float(second))]
    assert found == ["10s", "20s"]
    assert lines.rest() == ["25s"]


def test_a_line_without_an_end_is_cut_in_pieces():
    lines = Lines()
    found = [line for _ in range(30) for line in lines.add("x" * 1_000, 0.0)] + lines.rest()
    assert "".join(found) == "x" * 30_000
    assert max(map(len, found)) <= LONGEST + 1_000
    long = "y" * (2 * LONGEST)
    assert lines.add(f"{long}\n", 0.0) == [f"{'y' * LONGEST}… (10,000 more characters)"]
