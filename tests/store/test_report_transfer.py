"""Reports as streams: joined in any order, and twice, they are the same; lies are refused."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from contextlib import closing
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.proofs import TIMES

from localreg import Registry, Task
from localreg.errors import BundleError, DamagedRowError
from localreg.store.rows import report_rows, report_transfer
from localreg.store.rows.report_rows import Message
from localreg.values.records import Owner

NAN, INF = float("nan"), float("inf")
OWNER = Owner("task", "")
DIGEST = hashlib.sha256(b"picture").hexdigest()


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Return the database of a registry with one task and one model, without reports."""
    root = tmp_path_factory.mktemp("template") / "r"
    with Registry(root, durability="fast"):
        task = Task.create(task_name="run")
    with closing(sqlite3.connect(root / "registry.db")) as connection:
        yield connection, Owner("task", task.id)


@pytest.fixture
def new(template):
    """Return a function that opens another registry with the same task; and the task."""
    held = []

    def opened():
        held.append(sqlite3.connect(":memory:", isolation_level=None))
        template[0].backup(held[-1])
        return held[-1]

    yield opened
    for each in held:
        each.close()


@pytest.fixture
def owner(template):
    return template[1]


VALUES = st.sampled_from([NAN, INF, -INF, 0.0, 0.1, 1.5, -2.5e300, 5e-324, 16777217.0])
TIMES_MS = st.sampled_from([0, 1, 2, 300, 70_000, 1_700_000_000_123, -5])
STEPS = st.sampled_from([-(2**53), -3, 0, 1, 2, 255, 256, 70_000, 2**40, 2**53])
WORDS = st.sampled_from(["a", "é\n", '"{}', "b c"])
POINTS = st.dictionaries(STEPS, st.tuples(VALUES, TIMES_MS), min_size=1, max_size=6)
AT = st.integers(0, 3)
REPORTS = st.fixed_dictionaries(
    {
        "series": st.dictionaries(st.tuples(WORDS, st.sampled_from(["", "s"])), POINTS, max_size=3),
        "singles": st.dictionaries(WORDS, st.tuples(VALUES, AT), max_size=3),
        "plots": st.dictionaries(
            st.tuples(WORDS, WORDS, st.integers(0, 1)),
            st.tuples(
                AT,
                st.sampled_from(["line", "media"]),
                st.sampled_from(["{}", '{"é":1}']),
                st.sampled_from([None, b"", b"1", b"\n2"]),
                st.sampled_from([None, b"thin"]),
                st.sampled_from([None, DIGEST]),
            ),
            max_size=3,
        ),
        "log": st.sets(
            st.tuples(AT, AT, st.integers(-1, 50), st.sampled_from(["", "x\0\n", "é"])), max_size=4
        ),
        "last": st.none() | st.tuples(st.integers(0, 3), st.integers(0, 3)),
    }
)


def fill(connection, owner, reports):
    """Write reports as rows."""
    pk = report_rows.owner_pk(connection, owner)
    for (title, name), points in reports["series"].items():
        epoch = min(ms for _, ms in points.values()) + len(points) - 1  # any epoch is allowed
        cursor = connection.execute(
            "INSERT INTO series (task, title, name, epoch, points) VALUES (?, ?, ?, ?, 0)",
            (pk, title, name, epoch),
        )
        connection.executemany(
            "INSERT INTO scalar VALUES (?, ?, ?, ?)",
            [(cursor.lastrowid, step, value, ms - epoch) for step, (value, ms) in points.items()],
        )
        report_rows.count_points(connection, cursor.lastrowid)
    connection.execute("INSERT INTO blob (digest, size, added) VALUES (?, 7, 0)", (DIGEST,))
    connection.executemany(
        "INSERT INTO single (task, name, value, at) VALUES (?, ?, ?, ?)",
        [(pk, name, *single) for name, single in reports["singles"].items()],
    )
    for place, (at, kind, spec, data, shown, digest) in reports["plots"].items():
        report_rows.set_plot(connection, "task", pk, place, (kind, spec, data, shown), digest, at)
    connection.executemany(
        "INSERT INTO message (task, stamp, at, level, text) VALUES (?, ?, ?, ?, ?)",
        [(pk, *line) for line in reports["log"]],
    )
    if reports["last"] is not None:
        report_rows.touch_later(connection, owner, pk, *reports["last"])


def later(one, other):
    """Return the later of two (value, time): of equal times the larger value, NaN last."""
    return max(one, other, key=lambda each: (each[1], not math.isnan(each[0]), each[0]))


def union(*several):
    """Return what all reports together should be, by the rules; independent of the code."""
    found = {"series": {}, "singles": {}, "plots": {}, "log": set(), "last": None}
    for reports in several:
        for key, points in reports["series"].items():
            mine = found["series"].setdefault(key, {})
            for step, point in points.items():
                mine[step] = later(mine.get(step, point), point)
        for name, single in reports["singles"].items():
            found["singles"][name] = later(found["singles"].get(name, single), single)
        for place, plot in reports["plots"].items():
            found["plots"][place] = max(found["plots"].get(place, plot), plot, key=plot_order)
        found["log"] |= reports["log"]
        lasts = {found["last"], reports["last"]} - {None}
        found["last"] = max(lasts, default=None)
    return found


def plot_order(plot):
    at, kind, spec, data, shown, digest = plot
    sizes = [len(spec.encode()), *(None if each is None else len(each) for each in (data, shown))]
    head = json.dumps([kind, digest, *sizes], separators=(",", ":")) + "\n"
    whole = head.encode() + spec.encode() + (data or b"") + (shown or b"")
    return at, hashlib.sha256(whole).hexdigest()


def state(connection):
    """Return everything that the tables say about the reports, but keys and epochs."""
    rows = connection.execute
    series = {}
    for pk, title, name, epoch, *numbers in rows(
        "SELECT pk, title, name, epoch, points, last, low, high FROM series"
    ).fetchall():
        points = {
            step: (NAN if value is None else value, ms + epoch)
            for step, value, ms in rows(
                "SELECT iteration, value, ms FROM scalar WHERE series = ?", (pk,)
            )
        }
        finite = [value for value, _ in points.values() if math.isfinite(value)]
        last = points[max(points)][0]
        assert numbers == [
            len(points), None if math.isnan(last) else last,
            min(finite, default=None), max(finite, default=None),
        ]  # fmt: skip
        series[title, name] = points
    return {
        "series": series,
        "singles": {
            name: (NAN if value is None else value, at)
            for name, value, at in rows("SELECT name, value, at FROM single")
        },
        "plots": {
            (title, name, step): tuple(rest)
            for title, name, step, *rest in rows(
                "SELECT title, series, iteration, p.at, kind, spec, data, shown, digest "
                "FROM plot p LEFT JOIN blob b ON b.pk = p.blob"
            )
        },
        "log": sorted(rows("SELECT stamp, at, level, text FROM message")),
        "last": rows("SELECT stamp, at FROM reported").fetchone(),
    }


def same(found, wanted):
    """Compare states; NaN is equal to NaN, and a set of lines to a sorted list."""
    return repr(sorted_state(found)) == repr(sorted_state(wanted))


def sorted_state(one):
    return {
        key: value if key == "last" else sorted(
            (place, sorted(each.items()) if isinstance(each, dict) else each)
            for place, each in value.items()
        ) if isinstance(value, dict) else sorted(value)
        for key, value in one.items()
    }  # fmt: skip


def stream(connection, owner):
    return b"".join(report_transfer.read(connection, owner))


@settings(max_examples=60 * TIMES)
@given(three=st.lists(REPORTS, min_size=3, max_size=3))
def test_joins_in_any_order_and_twice_give_the_union(three, new, owner):
    filled = [new() for _ in three]
    for connection, reports in zip(filled, three, strict=True):
        fill(connection, owner, reports)
    streams = [stream(connection, owner) for connection in filled]
    wanted, found = union(*three), set()
    for order in permutations(streams):
        connection = new()
        for one in (*order, order[0]):
            report_transfer.join(connection, owner, [one], len(one))
        assert same(state(connection), wanted)
        found.add(stream(connection, owner))
    # Associative: two that met first, and then the third.
    report_transfer.join(filled[1], owner, [streams[2]])
    report_transfer.join(filled[0], owner, report_transfer.read(filled[1], owner))
    assert same(state(filled[0]), wanted)
    assert found == {stream(filled[0], owner)}
    for connection in filled:
        connection.close()


@settings(max_examples=60 * TIMES)
@given(reports=REPORTS, length=st.integers(1, 40))
def test_a_stream_brings_all_to_an_empty_registry_and_nothing_the_second_time(
    reports, length, new, owner
):
    source, copy = new(), new()
    fill(source, owner, reports)
    whole = stream(source, owner)
    pieces = [whole[start : start + length] for start in range(0, len(whole), length)]
    joined = report_transfer.join(copy, owner, pieces, len(whole))
    assert (joined.points, joined.singles, joined.plots, joined.messages) == (
        sum(map(len, reports["series"].values())),
        *(len(reports[key]) for key in ("singles", "plots", "log")),
    )
    assert same(state(copy), state(source))
    assert stream(copy, owner) == whole
    before = [*copy.iterdump()]
    assert report_transfer.join(copy, owner, [whole]) == report_transfer.Joined()
    assert [*copy.iterdump()] == before
    source.close()
    copy.close()


def test_the_stamp_and_time_of_the_owner_become_those_of_a_later_report_only(new, owner):
    source, early, late = new(), new(), new()
    times = "SELECT stamp, updated FROM task"
    pk = report_rows.owner_pk(source, owner)
    stamp = source.execute(times).fetchone()[0]
    report_rows.touch_later(source, owner, pk, stamp + 5, 77)
    report_transfer.join(early, owner, report_transfer.read(source, owner))
    assert early.execute(times).fetchone() == (stamp + 5, 77)
    equal = new()
    equal.execute("UPDATE task SET stamp = ?, updated = 76", (stamp + 5,))
    report_transfer.join(equal, owner, report_transfer.read(source, owner))
    assert equal.execute(times).fetchone() == (stamp + 5, 77)
    late.execute("UPDATE task SET stamp = ?, updated = 99", (stamp + 6,))
    report_transfer.join(late, owner, report_transfer.read(source, owner))
    assert late.execute(times).fetchone() == (stamp + 6, 99)
    assert late.execute("SELECT stamp, at FROM reported").fetchone() == (stamp + 5, 77)


def test_many_points_come_in_small_pieces_of_a_few_bytes_for_each_point(new, owner):
    source, copy = new(), new()
    pk = report_rows.owner_pk(source, owner)
    count = 2 * report_transfer.MOST_POINTS + 12_345
    for name, narrow in (("f4", True), ("f8", False)):
        points = [
            (step, float(step % 1000) if narrow else math.sin(step), 10**15 + step * 7_000_000)
            for step in range(count)
        ]
        report_rows.add_points(source, "task", pk, "loss", name, points)
    pieces = [*report_transfer.read(source, owner)]
    assert max(map(len, pieces)) <= 8 * report_transfer.MOST_POINTS
    assert sum(map(len, pieces)) < 12 * count + 2_000  # 4 and 8 for the values, 0 for the rest
    joined = report_transfer.join(copy, owner, pieces)
    assert joined.points == 2 * count
    assert same(state(copy), state(source))


def test_large_plots_are_read_and_written_in_pieces(new, owner):
    source, copy = new(), new()
    pk = report_rows.owner_pk(source, owner)
    data, shown = bytes(range(256)) * 40_000, b"x" * 5_000_000
    report_rows.set_plot(source, "task", pk, ("t", "s", 1), ("line", "{}", data, shown), None, 5)
    pieces = [*report_transfer.read(source, owner)]
    assert max(map(len, pieces)) <= 1 << 20
    report_transfer.join(copy, owner, pieces)
    assert same(state(copy), state(source))


def test_a_value_that_replaced_another_wins_against_an_older_copy(new, owner):
    """It wins also if the clock went back, or if both were reported in one millisecond."""
    ours, copy = new(), new()
    pk = report_rows.owner_pk(ours, owner)
    place = ("t", "s", 1)
    for connection in (ours, copy):
        report_rows.add_points(connection, "task", pk, "t", "s", [(1, 2.0, 5_000_000)])
        report_rows.set_single(connection, "task", pk, "best", 2.0, 50)
        report_rows.set_plot(connection, "task", pk, place, ("k", "{}", b"2", None), None, 50)
    report_rows.add_points(ours, "task", pk, "t", "s", [(1, 1.0, 4_000_000)])
    report_rows.set_single(ours, "task", pk, "best", 1.0, 50)
    report_rows.set_plot(ours, "task", pk, place, ("k", "{}", b"1", None), None, 40)
    before = state(ours)
    report_transfer.join(ours, owner, report_transfer.read(copy, owner))
    assert same(state(ours), before)
    report_transfer.join(copy, owner, report_transfer.read(ours, owner))
    assert same(state(copy), before)
    assert before["series"]["t", "s"][1][0] == before["singles"]["best"][0] == 1.0


def test_lines_of_a_log_keep_their_order_if_the_clock_goes_back(new, owner):
    ours, copy = new(), new()
    pk = report_rows.owner_pk(ours, owner)
    for at, text in ((50, "first"), (40, "second"), (40, "third")):
        report_rows.add_messages(ours, "task", pk, [Message(at, 20, text)])
    report_transfer.join(copy, owner, report_transfer.read(ours, owner))
    for connection in (ours, copy):
        lines, _ = report_rows.messages(connection, owner, 10)
        assert [(line.at, line.text) for line in lines] == [
            (50, "first"), (40, "second"), (40, "third"),
        ]  # fmt: skip


def test_logs_that_went_on_in_two_copies_read_the_same_after_both_met(new, owner):
    ours, other = new(), new()
    pk = report_rows.owner_pk(ours, owner)
    for connection, name in ((ours, "ours"), (other, "other")):
        report_rows.add_messages(connection, "task", pk, [Message(10, 20, "both")])
        report_rows.add_messages(
            connection, "task", pk, [Message(20 + step, 20, f"{name} {step}") for step in range(3)]
        )
    streams = [stream(ours, owner), stream(other, owner)]
    report_transfer.join(ours, owner, [streams[1]])
    report_transfer.join(other, owner, [streams[0]])
    assert report_rows.messages(ours, owner, 10) == report_rows.messages(other, owner, 10)
    assert len(report_rows.messages(ours, owner, 10)[0]) == 7


def test_reports_to_what_is_not_here_are_not_read(new, owner):
    def never():
        raise AssertionError
        yield b""

    absent = Owner("model", owner.id)
    assert report_transfer.join(new(), absent, never()) == report_transfer.Joined()


def test_has_reports(new, owner):
    connection = new()
    assert not report_transfer.has_reports(connection, owner)
    assert [*report_transfer.owners(connection)] == []
    pk = report_rows.owner_pk(connection, owner)
    report_rows.add_messages(connection, "task", pk, [Message(1, 20, "x")])
    assert report_transfer.has_reports(connection, owner)
    assert [*report_transfer.owners(connection)] == [owner]
    assert not report_transfer.has_reports(connection, Owner("model", owner.id))


# --- what a stranger may send -------------------------------------------------------------------

HEAD, END = {"kind": "reports", "v": 1}, {"kind": "end"}
POINT = {
    "kind": "points", "series": ["t", "s"], "count": 2, "iteration": [0, "", 1],
    "ms": [5, "u1", 0], "value": "f4",
}  # fmt: skip
PLOT = {
    "kind": "plot", "series": ["t", "s"], "iteration": 1, "plot": "line", "at": 5, "blob": None,
    "bytes": [2, 3, None], "sha256": plot_order((5, "line", "{}", b"abc", None, None))[1],
}  # fmt: skip
SINGLES = {"kind": "singles", "rows": [["a", 1.0, 5]]}
LOG = {"kind": "log", "rows": [[5, 5, 20, "x"]]}
LAST = {"kind": "reported", "stamp": 5, "at": 5}


def frames(*several):
    """Return a stream of frames; a frame is a dict, or bytes."""
    return b"".join(
        each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n" for each in several
    )


SOUND = frames(HEAD, POINT, bytes(9), SINGLES, PLOT, b"{}abc", LOG, LAST, END)


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ([b""], "too early"),
        ([HEAD], "too early"),
        ([HEAD, b"x" * 9_000_000], "a line has more than"),
        ([HEAD, END, b"\n"], "follows its last frame"),
        ([{**HEAD, "v": 2}, END], "begins with {'kind': 'reports', 'v': 2}"),
        ([HEAD, b"{\n"], "not JSON"),
        ([HEAD, b"\xff\n"], "not JSON"),
        ([HEAD, b"[" * 100_000 + b"\n"], "not JSON"),
        ([HEAD, b"[]\n"], "must be a JSON object"),
        ([HEAD, {"kind": "virus"}], "unknown kind 'virus'"),
        ([HEAD, {"kind": ["end"]}], r"unknown kind \['end'\]"),
        ([HEAD, {}], "unknown kind None"),
        ([HEAD, {**POINT, "series": "ts"}], "series must be a list of 2"),
        ([HEAD, {**POINT, "series": ["t", "s", "u"]}], "series must be a list of 2"),
        ([HEAD, {**POINT, "series": ["", "s"]}], "title must be text"),
        ([HEAD, {**POINT, "series": ["t" * 1025, "s"]}], "title must be text of at most 1,024"),
        ([HEAD, {**POINT, "series": ["t\0", "s"]}], "title must be text"),
        ([HEAD, {**POINT, "series": ["\ud800", "s"]}], "not JSON"),
        ([HEAD, {**POINT, "series": ["t", None]}], "name must be text"),
        ([HEAD, {**POINT, "count": True}, bytes(9)], "count must be"),
        ([HEAD, {**POINT, "count": 0}], "0 values"),
        ([HEAD, {**POINT, "count": 65_537}], "65,537 values"),
        ([HEAD, {**POINT, "count": 10**30}], "count must be"),
        ([HEAD, {**POINT, "value": "O8"}, bytes(17)], "type 'O8'"),
        ([HEAD, {**POINT, "value": ["f4"]}, bytes(9)], "value must be text"),
        ([HEAD, {**POINT, "value": "f8"}, bytes(9)], "more than the stream has"),
        ([HEAD, {**POINT, "ms": [5, "f4", 0]}, bytes(99)], "ms of points has the type 'f4'"),
        ([HEAD, {**POINT, "ms": [5, [], 0]}, bytes(99)], "type must be text"),
        ([HEAD, {**POINT, "ms": [5, "u1"]}], "ms must be a list of 3"),
        ([HEAD, {**POINT, "ms": [2**60, "u1", 0]}, bytes(9)], "years 1 to 9999"),
        ([HEAD, {**POINT, "iteration": [0.5, "", 1]}, bytes(9)], "first must be a whole number"),
        ([HEAD, {**POINT, "iteration": [0, "", 0]}, bytes(9)], "iterations must grow"),
        ([HEAD, {**POINT, "iteration": [0, "", -1]}, bytes(9)], "iterations must grow"),
        ([HEAD, {**POINT, "iteration": [2**53, "", 1]}, bytes(9)], "at most"),
        ([HEAD, {**POINT, "iteration": [-(2**53) - 1, "", 1]}, bytes(9)], "at most"),
        ([HEAD, {**POINT, "iteration": [10**40, "", 10**40]}, bytes(9)], "iterations must grow"),
        ([HEAD, {**SINGLES, "rows": {}}], "rows must be a list"),
        ([HEAD, {**SINGLES, "rows": [["a", 1.0]]}], "a row must have 3 values"),
        ([HEAD, {**SINGLES, "rows": ["abc"]}], "a row must have 3 values"),
        ([HEAD, {**SINGLES, "rows": [["a", "1", 5]]}], "value must be a number"),
        ([HEAD, {**SINGLES, "rows": [["a", [], 5]]}], "value must be a number"),
        ([HEAD, {**SINGLES, "rows": [["a", 10**400, 5]]}], "value must be a number"),
        ([HEAD, {**SINGLES, "rows": [["a", 1.0, 10**18]]}], "at must be a time"),
        ([HEAD, {**SINGLES, "rows": [["a", 1.0, 5]] * 65_537}], "at most 65,536"),
        ([HEAD, {**LOG, "rows": [[-1, 5, 20, "x"]]}], "stamp must be"),
        ([HEAD, {**LOG, "rows": [[2**61, 5, 20, "x"]]}], "stamp must be"),
        ([HEAD, {**LOG, "rows": [[5, 5, 10**30, "x"]]}], "level must be"),
        ([HEAD, {**LOG, "rows": [[5, 5, 20, "x" * 1_000_001]]}], "text must be"),
        ([HEAD, {**LOG, "rows": [[5, 5, 20, "\udfff"]]}], "not JSON"),
        ([HEAD, {**LAST, "stamp": None}], "stamp must be"),
        ([HEAD, {**LAST, "stamp": 2**61}], "stamp must be"),
        ([HEAD, {**LAST, "at": 2**61}], "at must be a time"),
        ([HEAD, {**PLOT, "iteration": None}], "iteration must be"),
        ([HEAD, {**PLOT, "plot": None}], "plot must be text"),
        ([HEAD, {**PLOT, "blob": "x"}], "blob must be a list"),
        ([HEAD, {**PLOT, "blob": ["x", 5]}], "digest must be 64 hex digits"),
        ([HEAD, {**PLOT, "blob": ["a" * 64, None]}], "lacks the digest or the size"),
        ([HEAD, {**PLOT, "blob": [None, 5]}], "lacks the digest or the size"),
        ([HEAD, {**PLOT, "blob": ["a" * 64, -5]}], "size must be"),
        ([HEAD, {**PLOT, "bytes": [None, 3, None]}], "spec must be"),
        ([HEAD, {**PLOT, "bytes": [2, -3, None]}], "data must be"),
        ([HEAD, {**PLOT, "bytes": [2, 500_000_001, None]}], "data must be"),
        ([HEAD, {**PLOT, "bytes": [2, 499_999_999, None]}, b"{}abc"], "more than the stream has"),
        ([HEAD, {**PLOT, "bytes": [2, 3, 10**9]}], "shown must be"),
        ([HEAD, PLOT, b"[]abc", END], "is not a JSON object"),
        ([HEAD, PLOT, b"{}abd", END], "sha256 of the plot 't' is another one"),
        ([HEAD, {**PLOT, "at": 4}, b"{}abd", END], "sha256 of the plot 't' is another one"),
        ([HEAD, {**PLOT, "sha256": None}], "sha256 must be"),
    ],
)  # fmt: skip
def test_a_lie_is_refused_by_name_and_nothing_is_taken(sent, named, new, owner):
    connection = new()
    report_transfer.join(connection, owner, [SOUND])
    before = [*connection.iterdump()]
    more = frames(
        HEAD, {**POINT, "series": ["more", ""]}, bytes(9), {**LOG, "rows": [[9, 9, 9, "y"]]}
    )
    whole = frames(*sent)
    if whole.startswith(frames(HEAD)) and whole != frames(HEAD, END, b"\n"):
        whole = more + whole[len(frames(HEAD)) :]  # something that is sound comes before the lie
    connection.execute("BEGIN")
    with pytest.raises(BundleError, match=named):
        report_transfer.join(connection, owner, [whole], len(whole))
    assert connection.in_transaction  # what else the transaction did is still there
    connection.execute("COMMIT")
    assert [*connection.iterdump()] == before


def test_the_sound_stream_of_these_tests_is_taken(new, owner):
    connection = new()
    assert report_transfer.join(connection, owner, [SOUND], len(SOUND)) == report_transfer.Joined(
        2, 1, 1, 1
    )


def test_a_stream_that_ends_early_is_refused_wherever_it_ends(new, owner):
    connection = new()
    before = [*connection.iterdump()]
    for end in range(len(SOUND)):
        with pytest.raises(BundleError, match="too early"):
            report_transfer.join(connection, owner, [SOUND[:end]])
    assert [*connection.iterdump()] == before


@settings(max_examples=150 * TIMES)
@given(data=st.data())
def test_changed_bytes_are_refused_or_are_other_sound_reports(data, new, owner):
    connection = new()
    changed = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(SOUND) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    before = [*connection.iterdump()]
    try:
        report_transfer.join(connection, owner, [bytes(changed)], len(changed))
    except BundleError:
        assert [*connection.iterdump()] == before
    else:
        state(connection)  # it checks the numbers of each series
        stream(connection, owner)  # all values are ones that reports may have
    connection.close()


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("UPDATE scalar SET value = 'x'", "scalar t: value must be a number"),
        ("UPDATE scalar SET ms = 1e300", "scalar t: value must be a number"),
        ("UPDATE scalar SET ms = 9000000000000000000", "scalar t: value must be a number"),
        ("UPDATE scalar SET iteration = iteration * 36028797018963968", "scalar t: value must be"),
        ("UPDATE series SET epoch = 'x'", "scalar t: value must be a number"),
        ("UPDATE series SET title = x'00'", "title must be text"),
        ("UPDATE series SET title = CAST(x'ff' AS TEXT)", "not UTF-8"),
        ("UPDATE single SET value = 'x'", "single a: value must be a number"),
        ("UPDATE plot SET data = 'x'", "plot t: data must be bytes"),
        ("UPDATE plot SET shown = 5", "plot t: data must be bytes"),
        ("UPDATE plot SET spec = '[]'", "spec must be a JSON object"),
        ("UPDATE plot SET spec = x'7b7d'", "spec must be a JSON object"),
        ("UPDATE plot SET kind = x'00'", "kind must be text"),
        ("UPDATE message SET text = CAST(x'ff' AS TEXT)", "not UTF-8"),
        ("UPDATE message SET at = 9000000000000000000", "at must be a time"),
        ("UPDATE reported SET stamp = 'x'", "stamp must be"),
    ],
)
def test_a_damaged_row_is_named_when_it_is_read(damage, named, new, owner):
    connection = new()
    report_transfer.join(connection, owner, [SOUND])
    connection.execute(damage)
    with pytest.raises(DamagedRowError, match=named):
        stream(connection, owner)
