"""`Logger`: it reports to its task, and keeps the log."""

from __future__ import annotations

from support.reports import drawings

from localreg import Logger
from localreg.store.rows import report_rows


def test_a_task_and_its_logger_report_to_the_same_place(task):
    logger = task.get_logger()
    task.report_scalar("t", "s", 1, 0)
    logger.report_scalar("t", "s", 2, 1)
    Logger.current_logger().report_scalar("t", "s", 3, 2)
    assert task.get_reported_scalars() == {"t": {"s": {"x": [0, 1, 2], "y": [1.0, 2.0, 3.0]}}}
    logger.report_matrix("m", "s", [[1]])
    assert ("m", "s", 0) in drawings(task)


def test_there_is_no_current_logger_without_a_current_task(registry):
    assert Logger.current_logger() is None


def test_a_log_stores_its_lines_and_prints_them(task, capsys):
    logger = task.get_logger()
    logger.report_text("one")
    logger.report_text("two\nlines", level=30, print_console=False)
    assert capsys.readouterr().out == "one\n"
    _, registry, owner = task._owned()
    task.flush()
    with registry.store.read() as connection:
        found, more = report_rows.messages(connection, owner, 10)
    assert [(each.level, each.text) for each in found] == [(20, "one"), (30, "two\nlines")]
    assert more == 0


def test_a_logger_has_the_other_methods_that_scripts_call(task):
    logger = task.get_logger()
    logger.set_flush_period(10)
    assert logger.get_flush_period() == 1.0
    logger.set_default_upload_destination("/share")
    logger.set_default_debug_sample_history(5)
    assert logger.flush(wait=True) is True
    assert task.flush(wait_for_uploads=True) is True
    assert task.logger.SeriesInfo("a", [(0, 1)]).name == "a"
