"""Names for completion: what the indexes give is what a look at each row gives."""

from __future__ import annotations

import random
from contextlib import closing

import pytest
from support.statements import steps

from localreg import InputModel, Registry
from localreg.store.rows import name_rows
from localreg.store.rows.name_rows import AT_MOST

PROJECTS = ("", "a", "a/b", "a-b", "ab", "abc", "vision/detectors", "vision", "é", "Z")
PARTS = ("", "a", "b", "ab", "a-", "a/", "a/b", "é", "net", "\U0010fffd", "z")
TEXTS = (
    *("", "a", "ab", "a/", "a-", "a/b", "a/b/", "abc/", "a/b/a", "vision/", "vision/detectors/n"),
    *("é", "é/", "n", "net0", "z", "zz", "nothing", "a/a", "%", "loss", "loss/", "loss/t"),
)


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """A registry, and for each function of `name_rows` the names that it may return."""
    chosen = random.Random(0)
    metrics = set()
    folder = tmp_path_factory.mktemp("names")
    with closing(Registry(folder, durability="fast")) as registry:
        for number in range(500):
            project = chosen.choice(PROJECTS)
            name = chosen.choice(PARTS) + chosen.choice(PARTS) + chosen.choice(("", str(number)))
            name = name.strip() or "net"
            entries = {chosen.choice(PARTS) + chosen.choice("abn"): "1", f"key {number % 150}": "x"}
            model = InputModel.import_model(
                f"s3://b/{number}", name=name, project=project, metadata=entries, registry=registry
            )
            if number % 5 == 0:
                title, series = chosen.choice(("loss", "a/b", "a", "acc")), chosen.choice(PARTS[1:])
                model.report_scalar(title, series, 1.0, iteration=1)
                model.report_single_value(f"{title}{number % 30}", 0.5)
                metrics |= {f"{title}/{series}", f"{title}{number % 30}"}
        registry._chain.first.store.flush()
        with registry._chain.first.store.read() as connection:
            rows = "SELECT p.name, m.name FROM model m JOIN project p ON p.pk = m.project"
            models = connection.execute(rows).fetchall()
            keys = {key for (key,) in connection.execute("SELECT key FROM metadata")}
            yield (
                connection,
                {
                    name_rows.lines: {f"{at}/{name}" if at else name for at, name in models},
                    name_rows.model_names: {name for _, name in models},
                    name_rows.metadata_keys: keys,
                    name_rows.metrics: metrics,
                },
            )


@pytest.mark.parametrize("text", TEXTS)
def test_the_first_names_that_begin_with_a_text_are_returned(names, text):
    connection, every = names
    for function, there in every.items():
        expected = sorted(each for each in there if each.startswith(text))[:AT_MOST]
        assert function(connection, text) == expected, function


def test_there_are_more_names_than_are_returned(names):
    """The limit is met above."""
    _, every = names
    assert all(len(every[each]) > AT_MOST for each in every if each is not name_rows.metrics)


def test_many_rows_of_a_name_are_not_read(tmp_path):
    """A thousand more models of few names cost no more steps."""
    taken = []
    with closing(Registry(tmp_path, durability="fast")) as registry:
        for many in (20, 200):
            for number in range(many):
                model = InputModel.import_model(
                    f"s3://b/{many}/{number}", name=f"net{number % 4}", project="p",
                    metadata={"k": str(number)}, registry=registry,
                )  # fmt: skip
                model.report_scalar("loss", "train", number, iteration=number)
            registry._chain.first.store.flush()
            with registry._chain.first.store.read() as connection:
                taken.append([
                    steps(connection, lambda c, each=each: each(c, ""))
                    for each in (
                        name_rows.lines, name_rows.model_names, name_rows.metadata_keys,
                        name_rows.metrics,
                    )
                ])  # fmt: skip
    assert taken[1] == pytest.approx(taken[0], rel=0.1)


def test_the_last_events_are_first_and_others_are_looked_up(names):
    connection, _ = names
    newest = name_rows.events(connection, "")
    assert len(newest) == AT_MOST
    ids = [each for (each,) in connection.execute("SELECT event_id FROM event ORDER BY pk DESC")]
    assert [each for each, *_ in newest] == ids[:AT_MOST]
    for begin in (ids[0][:6], ids[-1][:2], ids[50][:1], ids[70], "g", "zz"):
        found = [each for each, *_ in name_rows.events(connection, begin)]
        assert found == [each for each in ids if each.startswith(begin)][:AT_MOST]
    first = connection.execute("EXPLAIN QUERY PLAN " + _last_statement(connection)).fetchone()[3]
    assert first.startswith("SEARCH e USING INDEX")


def _last_statement(connection):
    statements = []
    connection.set_trace_callback(statements.append)
    name_rows.events(connection, "abcdef")
    connection.set_trace_callback(None)
    return statements[-1]
