"""P18, P19: offline sessions that are damaged, or were made to do harm.

Each is an error of ours that names the file and the line, and nothing is imported: or the harmless
part of it comes.
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
from pathlib import Path

import pytest
from support.contents import unaccounted
from support.proofs import TIMES, random_numbers
from support.sessions import (
    CLOSED,
    SMALL,
    changed,
    folder_of,
    session_id,
    task_json,
    write_lines,
    zip_of,
)

from localreg import Registry, Task
from localreg.errors import ArchiveError, LocalregError, SessionError
from localreg.operations.importers.session_files import SessionFiles

EVENT = {
    "timestamp": 1_700_000_000_000, "type": "training_stats_scalar", "task": None, "iter": 1,
    "metric": "loss", "variant": "train", "value": 0.5,
}  # fmt: skip
NO_NUMBER = "iteration must be"


@pytest.fixture(autouse=True)
def current(registry):
    """Let every test have a current registry."""
    return registry


@pytest.fixture
def folder(tmp_path):
    return folder_of(SMALL, tmp_path)


def refused(registry, source, file, line, problem):
    """Check that a session is refused, and that nothing of it is in the registry."""
    before = [*registry.db.conn.iterdump()]
    with pytest.raises(SessionError, match=problem) as caught:
        Task.import_offline_session(source)
    assert (caught.value.file, caught.value.line) == (file, line)
    assert file in str(caught.value)
    assert [*registry.db.conn.iterdump()] == before
    assert unaccounted(registry.path) == []


def event(folder, **values):
    return EVENT | {"task": task_json(folder)["id"]} | values


BROKEN_EVENTS = {
    "a text": ("loss", "has an event that is"),
    "no task": ({"task": None}, "whose task must be text"),
    "no time": ({"timestamp": None}, "whose timestamp must be"),
    "a text as time": ({"timestamp": "now"}, "whose timestamp must be"),
    "a time before 1970": ({"timestamp": -1}, "whose timestamp must be"),
    "a time after all times": ({"timestamp": 10**18}, "whose timestamp must be"),
    "no title": ({"metric": None}, "metric must be"),
    "a blank title": ({"metric": " "}, "metric must not be empty"),
    "a long title": ({"metric": "x" * 2_000}, "metric has 2,000 characters"),
    "half of a character": ({"variant": "\ud800"}, "surrogate"),
    "a NUL": ({"metric": "a\0"}, "NUL"),
    "a text as value": ({"value": "0.5"}, "whose value must be a number"),
    "true as value": ({"value": True}, "whose value must be a number"),
    "a list as value": ({"value": [1]}, "whose value must be a number"),
    "a huge value": ({"value": 10**400}, "whose value must be a number"),
    "a text as iteration": ({"iter": "one"}, NO_NUMBER),
    "true as iteration": ({"iter": True}, NO_NUMBER),
    "half an iteration": ({"iter": 0.5}, NO_NUMBER),
    "a huge iteration": ({"iter": 2**60}, NO_NUMBER),
    "no figure": ({"type": "plot"}, "whose plot_str must be"),
    "a broken figure": ({"type": "plot", "plot_str": "{"}, "whose plot_str must be"),
    "a deep figure": ({"type": "plot", "plot_str": "[" * 100_000}, "whose plot_str must be"),
    "a list as figure": ({"type": "plot", "plot_str": "[]"}, "whose plot_str must be"),
    "no traces": ({"type": "plot", "plot_str": '{"data": 5}'}, "traces"),
    "a number as key": ({"type": "training_debug_image", "key": 5}, "whose key must be text"),
    "no vector": ({"type": "training_stats_vector"}, "values must have"),
}


@pytest.mark.parametrize(("wrong", "problem"), BROKEN_EVENTS.values(), ids=BROKEN_EVENTS)
def test_a_broken_event_is_an_error_with_its_line(wrong, problem, folder, registry):
    made = wrong if isinstance(wrong, str) else event(folder, **wrong)
    write_lines(folder, "metrics.jsonl", [[event(folder)], [event(folder), made]])
    refused(registry, folder, "metrics.jsonl", 2, problem)


BROKEN_LINES = {
    "no JSON": ("{loss", "is not JSON"),
    "a huge number": ("1" * 10_000, "is not JSON"),
    "deep": ("[" * 200_000, "is not JSON"),
    "an object": ("{}", "must be a list"),
    "bytes": (b"\xff\xfe[", "is not JSON"),
}


@pytest.mark.parametrize(("line", "problem"), BROKEN_LINES.values(), ids=BROKEN_LINES)
@pytest.mark.parametrize("file", ["metrics.jsonl", "log.jsonl"])
def test_a_broken_line_is_an_error_with_its_number(file, line, problem, folder, registry):
    broken = line if isinstance(line, bytes) else line.encode()
    (folder / file).write_bytes(b"[]\n\n" + broken + b"\n")
    refused(registry, folder, file, 3, problem)


def test_a_last_line_that_was_cut_off_is_skipped(folder):
    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    (folder / "metrics.jsonl").write_text(f'{text}[{{"timestamp": 17', encoding="utf-8")
    task = Task.get_task(Task.import_offline_session(folder))
    assert task.get_reported_scalars()["loss"]["train"]["y"] == [0.5]


def test_a_line_that_is_too_long_is_refused(folder):
    (folder / "log.jsonl").write_bytes(b"[]\n[" + b" " * 1_000 + b"]\n")
    files = SessionFiles("", {"log.jsonl": folder / "log.jsonl"}, closed=True, modified=0)
    with pytest.raises(SessionError, match=r"log\.jsonl line 2 has more than 500 bytes"):
        list(files.lines("log.jsonl", 500))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": 5}, "name must be text"),
        ({"hyperparams": []}, "hyperparams must be an object"),
        ({"hyperparams": {"Args": {"lr": {"value": [1]}}}}, r"hyperparams\.Args\.lr\.value"),
        ({"tags": "a"}, "tags must be a list"),
        ({"script": {"diff": 5}}, r"script\.diff"),
        ({"execution": {"artifacts": [{}]}}, r"artifacts\[0\]\.key"),
        ({"execution": {"artifacts": [{"key": "a", "content_size": -1}]}}, "content_size"),
        ({"offline_output_models": {}}, "offline_output_models must be a list"),
        ({"offline_output_models": [5]}, r"offline_output_models\[0\] must be an object"),
        ({"offline_output_models": [{"init": {"name": 5}}]}, "name must be text"),
        ({"offline_output_models": [{"init": {"tags": 5}}]}, "tags must be a list"),
        ({"offline_output_models": [{"init": {"label_enumeration": [1]}}]}, "label"),
        ({"offline_folder": 5}, "offline_folder must be text"),
        ({"id": 5}, "id must be text"),
        ({"created": "yesterday"}, "created must be a time"),
        ({"name": "a\ud800"}, "surrogate"),
    ],
)  # fmt: skip
def test_a_broken_task_is_an_error_that_names_the_part(change, problem, folder, registry):
    changed(folder, lambda found: found.update(change))
    refused(registry, folder, "task.json", None, problem)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "5"])
def test_a_task_that_is_no_object_is_refused(text, folder, registry):
    (folder / "task.json").write_text(text, encoding="utf-8")
    refused(registry, folder, "task.json", None, "task.json")


@pytest.mark.parametrize(
    "uri",
    [
        "/etc/passwd", "file:///etc/passwd", "../../../../../../etc/passwd", "task.json/../x",
        "{root}/data/../../../../../../../../etc/passwd", "{root}//etc/passwd", "\\etc\\passwd",
        "{root}/data/link", "{root}/data/pipe", "{root}/data/linked/passwd", "",
    ],
)  # fmt: skip
def test_no_path_in_a_session_leads_out_of_it(uri, folder, registry):
    root = task_json(folder)["offline_folder"]
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "link").symlink_to("/etc/passwd")
    (folder / "data" / "linked").symlink_to("/etc")
    os.mkfifo(folder / "data" / "pipe")
    given = uri.replace("{root}", root)

    def change(found):
        found["execution"]["artifacts"] = [{"key": "a", "type": "custom", "uri": given}]
        weights = {"weights_filename": given, "register_uri": None}
        found["offline_output_models"] = [{"init": {"name": "m"}, "weights": weights}]

    changed(folder, change)
    key = given.replace(f"{root}/data/", "")
    image = event(folder, type="training_debug_image", key=key, url=given)
    figure = {"data": [], "layout": {"images": [{"source": given}]}}
    plot = event(folder, type="plot", plot_str=json.dumps(figure), metric="plot")
    write_lines(folder, "metrics.jsonl", [[image, plot]])
    task = Task.get_task(Task.import_offline_session(folder))
    assert task.artifacts["a"].get() == given
    assert registry.model("vis ion/cäts/m").digest is None
    secret = Path("/etc/passwd").read_bytes()
    for each in registry.path.rglob("*"):
        if each.is_file():
            assert secret not in each.read_bytes()


def test_a_session_whose_own_files_are_links_is_refused(folder, tmp_path, registry):
    outside = tmp_path / "outside.jsonl"
    (folder / "metrics.jsonl").rename(outside)
    (folder / "metrics.jsonl").symlink_to(outside)
    task = Task.get_task(Task.import_offline_session(folder))
    assert task.get_reported_scalars() == {}
    (folder / "task.json").rename(tmp_path / "task.json")
    (folder / "task.json").symlink_to(tmp_path / "task.json")
    with pytest.raises(LocalregError, match=r"no offline session"):
        Task.import_offline_session(folder)


def packed(folder, extra):
    """Return a zip of a session, with more in it: pairs of name or ZipInfo, and content."""
    path = zip_of(folder)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in extra:
            archive.writestr(name, content)
    return path


def link(name):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "name", ["../outside", "/outside", "data/../../outside", "C:\\outside", "data//../x", link("a")]
)
def test_a_zip_that_reaches_out_is_refused(name, folder, tmp_path, registry):
    before = [*registry.db.conn.iterdump()]
    there = sorted(tmp_path.iterdir())
    path = packed(folder, [(name, "/etc/passwd")])
    with pytest.raises(ArchiveError):
        Task.import_offline_session(path)
    assert [*registry.db.conn.iterdump()] == before
    assert sorted(tmp_path.iterdir()) == sorted([*there, path])
    assert unaccounted(registry.path) == []


def test_a_zip_bomb_is_refused(folder, registry, monkeypatch):
    monkeypatch.setenv("LOCALREG_UNPACK_BYTES", "10000000")
    path = packed(folder, [("data/bomb", bytes(20_000_000))])
    with pytest.raises(ArchiveError, match=r"LOCALREG_UNPACK_BYTES"):
        Task.import_offline_session(path)
    assert unaccounted(registry.path) == []


def test_a_zip_that_is_cut_short_is_refused(folder, registry):
    path = zip_of(folder)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(LocalregError):
        Task.import_offline_session(path)
    assert unaccounted(registry.path) == []


def test_nan_infinity_and_null_come_as_gaps(folder):
    found = [
        event(folder, value=value, iter=step)
        for step, value in enumerate([float("nan"), float("inf"), None, 1])
    ]
    write_lines(folder, "metrics.jsonl", [found])
    task = Task.get_task(Task.import_offline_session(folder))
    assert task.get_reported_scalars()["loss"]["train"]["x"] == [0, 1, 2, 3]


def test_events_of_other_tasks_and_kinds_are_counted(folder, caplog):
    write_lines(
        folder,
        "metrics.jsonl",
        [[event(folder, type="new_kind"), event(folder, task="offline-other"), event(folder)]],
    )
    task = Task.get_task(Task.import_offline_session(folder))
    assert "events of the kind 'new_kind'" in caplog.text
    assert "reports to models that the session does not have" in caplog.text
    assert task.get_reported_scalars()["loss"]["train"]["x"] == [1]


def test_a_task_with_a_malformed_id_gets_one_here(folder):
    changed(folder, lambda found: found.update(id="../../x"))
    write_lines(folder, "metrics.jsonl", [])
    made = Task.import_offline_session(folder)
    assert len(made) == 32
    assert Task.import_offline_session(folder) == made


def spoiled(text, choice):
    """Return a text of JSON with one value in it replaced, or some bytes."""
    if choice.random() < 0.3:
        place = choice.randrange(len(text))
        return (
            text[:place] + choice.choice(['"', "}", "9" * 50, "\\u0000", "\\ud800"]) + text[place:]
        )
    found = json.loads(text)
    spots = []

    def walk(value):
        if isinstance(value, dict):
            spots.extend((value, key) for key in value)
        elif isinstance(value, list):
            spots.extend((value, place) for place in range(len(value)))
        for each in value.values() if isinstance(value, dict) else value:
            if isinstance(each, (dict, list)):
                walk(each)

    walk(found)
    holder, key = choice.choice(spots)
    holder[key] = choice.choice(
        [None, 5, -1, 1.5, True, "", "a\0b", "\ud800", [], {}, [[]], {"a": {}}, 2**70, "../../x"]
    )
    return json.dumps(found)


@pytest.mark.long
def test_whatever_is_spoiled_is_imported_or_refused_by_its_name(tmp_path):
    """A wrong value anywhere: the registry stays sound, and an error is one of ours."""
    choice = random_numbers(0)
    folder = folder_of(CLOSED, tmp_path)
    files = {name: (folder / name).read_text(encoding="utf-8")
             for name in ("task.json", "metrics.jsonl", "log.jsonl")}  # fmt: skip
    outcomes = {"imported": 0, "refused": 0}
    with Registry(tmp_path / "spoiled", durability="fast") as registry:
        for _ in range(60 * TIMES):
            name = choice.choice(list(files))
            text = files[name]
            if name != "task.json":
                lines = text.splitlines()
                place = choice.randrange(len(lines))
                lines[place] = spoiled(lines[place], choice)
                wrong = "\n".join(lines) + "\n"
            else:
                wrong = spoiled(text, choice)
            (folder / name).write_text(wrong, encoding="utf-8", errors="surrogatepass")
            try:
                task = Task.import_offline_session(folder)
                Task.get_task(task).get_output_log_web_page()
                outcomes["imported"] += 1
            except SessionError:
                outcomes["refused"] += 1
            (folder / name).write_text(text, encoding="utf-8")
        assert Task.import_offline_session(folder) == session_id(CLOSED)
        assert registry.verify().problems == ()
    assert min(outcomes.values()) > 5, outcomes
