"""Runs that wandb recorded offline, brought here, and such folders as strangers may make."""

from __future__ import annotations

import json
import shutil
import struct
import tracemalloc
import zlib
from datetime import UTC, datetime

import pytest
from support.command_line import run_cli
from support.foreign_stores import (
    brought,
    counts,
    files_of,
    points_of,
    said_of,
    survives,
    unpacked,
)
from support.proofs import TIMES, random_numbers
from support.reports import drawings

from localreg import Registry, Task
from localreg.errors import InvalidValueError, SourceError
from localreg.operations.importers import wandb_runs
from localreg.operations.importers.kinds import kind_of
from localreg.operations.importers.wandb_log import WandbLog

NAMES = {"whole": "first try"}  # of tasks, by the ids of runs; others have their ids
OWN = ("_step", "_timestamp", "_runtime")


@pytest.fixture(autouse=True)
def current(registry):
    """Let every test have a current registry."""
    return registry


@pytest.fixture
def store(tmp_path):
    """Return a folder of runs."""
    return unpacked("wandb", tmp_path)


def run_of(store, name):
    """Return the folder of a run; of two parts the first."""
    return min(store.glob(f"*-{name}"))


def log_of(store, name):
    """Return the log of a run."""
    return run_of(store, name) / f"run-{name}.wandb"


def task_of(name):
    """Return the task of a run."""
    return Task.get_task(task_name=NAMES.get(name, name))


def records(said, name, kind):
    """Return what wandb's reader said of the records of a kind, of all parts of a run."""
    return [
        each[kind]
        for place in sorted(said)
        if place.endswith(f"/run-{name}.wandb")
        for each in said[place]
        if kind in each
    ]


def place_of(name):
    """Return title and series of a metric."""
    title, slash, rest = name.partition("/")
    return (title, rest) if slash else (name, name)


def same(found, said):
    """Compare points, of which some are NaN."""
    assert repr(found) == repr(said)


def message(*fields):
    """Return a message of fields: (number, bytes) or (number, int)."""
    made = b""
    for number, value in fields:
        if isinstance(value, int):
            made += varint(number << 3) + varint(value)
        else:
            made += varint(number << 3 | 2) + varint(len(value)) + value
    return made


def varint(value):
    """Return a number of variable length."""
    made = b""
    while value > 127:
        made += bytes([value & 127 | 128])
        value >>= 7
    return made + bytes([value])


def piece(kind, data):
    """Return a piece of a log."""
    return struct.pack("<IHB", zlib.crc32(data, zlib.crc32(bytes([kind]))), len(data), kind) + data


def log(*records):
    """Return a log of short records."""
    return b":W&B" + struct.pack("<HB", 0xBEE1, 0) + b"".join(piece(1, each) for each in records)


RUN = message((17, message((1, b"made"), (3, b"demo"), (17, message((1, 1_700_000_000))))))
EXIT = message((18, message((2, 5))))


def step(number, **values):
    """Return a record of a step."""
    items = [(1, message((2, key.encode()), (16, value.encode()))) for key, value in values.items()]
    return message((2, message(*items, (2, message((1, number))))))


@pytest.fixture
def made(tmp_path):
    """Return a function that writes the folder of a run with a log of given records."""

    def write(*records, raw=None):
        folder = tmp_path / "made" / "offline-run-20231114_221320-made"
        (folder / "files").mkdir(parents=True, exist_ok=True)
        (folder / "run-made.wandb").write_bytes(log(RUN, *records) if raw is None else raw)
        return folder

    return write


# --- what wandb wrote


def test_every_point_comes_as_the_reader_of_wandb_says_it(registry, store):
    brought(registry, store, "wandb")
    said = said_of("wandb")
    compared = 0
    for name in ("whole", "parts", "failed", "killed", "older"):
        expected = {}
        for number, items in records(said, name, "history"):
            ms = round(float(items["_timestamp"]) * 1e6) // 1000
            for key, text in items.items():
                value = json.loads(text)
                if key not in OWN and isinstance(value, bool | int | float):
                    if ".".join(key.split(".")[:1]) in ("img", "imgs", "hist", "table", "page"):
                        continue
                    row = (number, float(value), ms)
                    expected.setdefault(place_of(key), []).append(row)
        found = points_of(registry, NAMES.get(name, name))
        own = {key: rows for key, rows in found.items() if not key[0].startswith(":monitor")}
        same(sorted(own.items()), sorted(expected.items()))
        compared += sum(map(len, own.values()))
    assert compared > 300


def test_what_wandb_measured_of_the_machine_comes(registry, store):
    brought(registry, store, "wandb")
    found = points_of(registry, "first try")
    said = records(said_of("wandb"), "whole", "stats")
    start = datetime.fromisoformat(records(said_of("wandb"), "whole", "run")[0]["start_time"])
    began = int(start.timestamp() * 1e6)
    last = {(max(0, at - began) // 1_000_000): (at // 1000, items) for at, items in said}
    for name, series, divisor in (
        ("cpu", "cpu_usage", 1), ("proc.memory.rssMB", "memory_used_gb", 1024),
        ("disk./.usageGB", "disk./.usageGB", 1),
    ):  # fmt: skip
        points = found[":monitor:machine", series]
        same(points, [
            (second, float(items[name]) / divisor, ms) for second, (ms, items) in last.items()
        ])  # fmt: skip
        assert points


def test_the_facts_of_a_run_come(registry, store):
    brought(registry, store, "wandb")
    task = task_of("whole")
    (said,) = records(said_of("wandb"), "whole", "run")
    assert task.name == said["display_name"]
    assert task.get_project_name() == said["project"]
    assert task.comment == said["notes"]
    assert sorted(task.get_tags()) == said["tags"]
    assert datetime.fromisoformat(task.data.created) == datetime.fromisoformat(said["start_time"])
    assert (task.task_type, task.status) == ("testing", "completed")
    assert task.get_parameters(cast=True) == {
        "General/lr": 0.1, "General/opt/name": "adam", "General/opt/betas": [0.9, 0.99],
        "General/n": 3, "General/flag": True, "General/none": None, "General/late": 1,
        "W&B/entity": "team", "W&B/group": "g", "W&B/job_type": "eval", "W&B/run_id": "whole",
        "W&B/host": "machine", "W&B/arguments": ["write", "new"],
    }  # fmt: skip
    assert task.get_reported_single_value("best") == 0.5
    assert task.get_reported_single_value("deep.x") == 1
    assert task.get_reported_single_value("val/acc.max") == 2.9
    run = task.export_task()["script"]
    assert run["entry_point"] == "make_wandb.py"
    assert "numpy ==" in run["requirements"]["pip"]


def test_what_was_printed_comes_in_whole_lines(store, registry):
    brought(registry, store, "wandb")
    printed = task_of("whole").get_reported_console_output(100)
    assert printed[:3] == ["hello", "half line", "to stderr"]
    assert task_of("older").get_reported_console_output(100) == ["from the older one"]


def test_pictures_tables_histograms_and_pages_come(store, registry):
    brought(registry, store, "wandb")
    task = task_of("whole")
    media = {
        (row["title"], row["series"]): row["digest"]
        for row in registry.db.query(
            "SELECT p.title, p.series, b.digest FROM plot p JOIN blob b ON b.pk = p.blob "
            "WHERE p.kind = 'media'"
        )
    }
    named = {
        key: items
        for _, items in records(said_of("wandb"), "whole", "history")
        for key in items
        if key == "img.sha256"
    }
    digest = json.loads(named["img.sha256"]["img.sha256"])
    assert media["img", "img"] == media["imgs", "imgs/0"] == digest
    assert media["imgs", "imgs/1"] != digest
    assert ("page", "page") in media
    plots = drawings(task)
    assert plots["table", "table", 1000].parts["rows"] == [[1, "a"], [2, "b"]]
    (bars,) = plots["hist", "hist", 1000].parts["traces"]
    assert list(bars["y"]) == [1, 0, 1, 2]


def test_a_model_comes_if_its_bytes_are_in_the_folder(store, registry):
    done = brought(registry, store, "wandb")
    task = task_of("whole")
    (net,) = registry.query_models(model_name="net")
    assert files_of(net) == {"net.bin": b"weights"}
    assert (net.comment, net.get_all_metadata_casted()["k"]["value"]) == ("d", 1)
    assert registry.model(net.id).aliases == ["best"]
    assert net.task == task.id
    assert set(task.get_models()["output"].keys()) == {"net", "other"}
    (other,) = registry.query_models(model_name="other")
    assert other.size is None
    (missing,) = done.arrived.missing
    assert "gone.bin is not in the folder" in str(missing)
    assert done.left["logged artifacts that are no models ('run_table')"] == 1


def test_the_link_to_the_latest_run_is_that_run(store, registry):
    (store / "latest-run").symlink_to(run_of(store, "whole").name)
    assert kind_of(str(store / "latest-run")) == "wandb"
    done = brought(registry, store / "latest-run", "wandb")
    assert list(done.tasks) == [task_of("whole").id]


def test_a_model_comes_later_once_its_file_was_put_into_the_folder(store, registry):
    brought(registry, store, "wandb")
    (run_of(store, "whole") / "files" / "gone.bin").write_bytes(b"gOne")
    assert len(brought(registry, store, "wandb").arrived.missing) == 1  # it has another MD5
    (run_of(store, "whole") / "files" / "gone.bin").write_bytes(b"gone")
    assert brought(registry, store, "wandb").arrived.missing == ()
    (other,) = registry.query_models(model_name="other")
    assert files_of(other) == {"gone.bin": b"gone"}


def test_files_that_a_run_saved_become_artifacts(store, registry):
    brought(registry, store, "wandb")
    artifacts = task_of("whole").artifacts
    assert list(artifacts) == ["saved/net.bin"]
    with open(artifacts["saved/net.bin"].get_local_copy(), "rb") as reader:
        assert reader.read() == b"weights"


def test_the_exit_of_a_run_is_its_status(store, registry):
    done = brought(registry, store, "wandb")
    found = {name: task_of(name).status for name in ("parts", "failed", "killed", "older")}
    assert found == {
        "parts": "completed", "failed": "failed", "killed": "aborted", "older": "completed"
    }  # fmt: skip
    assert task_of("failed").status_reason == "exit code 3"
    assert done.left["unfinished ends of logs, of runs that were killed"] == 1


def test_a_second_import_brings_nothing(store, registry):
    brought(registry, store, "wandb")
    before = counts(registry)
    again = brought(registry, store, "wandb")
    assert counts(registry) == before
    assert again.arrived.events == 0


def test_a_folder_and_a_log_of_a_run_are_the_same_run(store, registry):
    brought(registry, store, "wandb")
    before = counts(registry)
    brought(registry, run_of(store, "whole"), "wandb")
    brought(registry, log_of(store, "whole"), "wandb")
    assert counts(registry) == before


def test_a_run_that_goes_on_brings_what_is_new(made, registry):
    brought(registry, made(step(0, loss="1.5")), "wandb")
    assert task_of("made").status == "aborted"
    brought(registry, made(step(0, loss="1.5"), step(1, loss="1.25"), EXIT), "wandb")
    assert counts(registry)["task"] == 1
    assert [row[:2] for row in points_of(registry, "made")["loss", "loss"]] == [(0, 1.5), (1, 1.25)]
    assert task_of("made").status == "completed"


def test_a_log_alone_comes_without_its_media(store, registry, tmp_path):
    alone = tmp_path / "alone.wandb"
    log_of(store, "whole").rename(alone)
    done = brought(registry, alone, "wandb")
    assert task_of("whole").status == "completed"
    assert done.left["pictures, sounds and other media whose files are not there"] == 5


def test_a_run_without_a_log_comes_from_its_files(registry, tmp_path):
    files = tmp_path / "wandb" / "run-20231114_221320-abc" / "files"
    files.mkdir(parents=True)
    (files / "config.yaml").write_text(
        "_wandb:\n  value: {}\nlr:\n  desc: null\n  value: 0.1\nopt:\n  value:\n    name: adam\n"
    )
    (files / "wandb-summary.json").write_text('{"loss": 0.5, "a": {"b": NaN}, "_step": 3}')
    (files / "wandb-metadata.json").write_text(
        '{"python": "CPython 3.11.7", "program": "/data/train.py", "host": "machine",'
        ' "git": {"remote": "https://x:secret@example.org/a.git", "commit": "c0ffee"}}'
    )
    (files / "output.log").write_text("one\ntwo\n")
    (files / "model.pt").write_bytes(b"weights")
    brought(registry, tmp_path / "wandb", "wandb")
    task = task_of("abc")
    assert task.get_parameters(cast=True) == {
        "General/lr": 0.1, "General/opt/name": "adam", "W&B/run_id": "abc", "W&B/host": "machine"
    }  # fmt: skip
    assert task.get_reported_single_value("loss") == 0.5
    assert task.get_reported_console_output(5) == ["one", "two"]
    script = task.export_task()["script"]
    assert (script["version_num"], script["entry_point"]) == ("c0ffee", "train.py")
    assert "secret" not in script["repository"]
    assert list(task.artifacts) == ["model.pt"]
    assert datetime.fromisoformat(task.data.created) == datetime(
        2023, 11, 14, 22, 13, 20, tzinfo=UTC
    )


def test_the_command_says_what_came(store, registry):
    code, out, err = run_cli("import", str(store), "-R", str(registry.path))
    assert code == 0, err
    assert "task demo/first try" in out
    assert "runs of Weights & Biases" in err


def test_a_file_that_wandb_linked_to_is_named_and_not_read(made, registry, tmp_path):
    outside = tmp_path / "secret.txt"
    outside.write_text("secret")
    folder = made(EXIT)
    (folder / "files" / "secret.txt").symlink_to(outside)
    done = brought(registry, folder, "wandb")
    (missing,) = done.arrived.missing
    assert "a link to a file outside of the run" in str(missing)
    assert b"secret" not in {file.read_bytes() for file in registry.path.rglob("blobs/**/*")
                             if file.is_file()}  # fmt: skip


# --- damage, and strangers


def test_a_log_may_be_cut_anywhere(made, registry):
    whole = log(RUN, *(step(number, loss=str(number)) for number in range(9)), EXIT)
    ends = [len(log(RUN)) - len(RUN) - 7]
    for each in (RUN, *(step(number, loss=str(number)) for number in range(9)), EXIT):
        ends.append(ends[-1] + 7 + len(each))
    for cut in range(7, len(whole), 3):
        done = brought(registry, made(raw=whole[:cut]), "wandb", dry_run=True)
        assert ("unfinished ends of logs, of runs that were killed" in done.left) == (
            cut not in ends and cut > ends[1]
        )
    brought(registry, made(raw=whole[: ends[5] + 3]), "wandb")
    assert [row[1] for row in points_of(registry, "made")["loss", "loss"]] == [0, 1, 2, 3]


def test_a_record_goes_over_several_blocks_and_ends_in_zeros(made, registry):
    text = json.dumps("x" * 80_000).encode()
    record = message((5, message((1, message((1, b"long"), (16, text))))))
    data = log(RUN)
    kind = 2
    while record:
        left = 32_768 - len(data) % 32_768
        if left < 7:
            data += bytes(left)
            continue
        part, record = record[: left - 7], record[left - 7 :]
        data += piece(kind if record else 4, part)
        kind = 3
    done = brought(registry, made(raw=data + piece(1, EXIT) + bytes(5_000)), "wandb")
    assert task_of("made").get_parameters()["General/long"] == "x" * 80_000
    assert task_of("made").status == "completed"
    assert done.left == {"unfinished ends of logs, of runs that were killed": 1}


def test_a_flipped_byte_is_an_error_or_an_unfinished_end(made, registry):
    whole = bytearray(log(RUN, *(step(number, loss=str(number)) for number in range(5)), EXIT))
    kinds = set()
    for place in range(0, len(whole), 2):
        whole[place] ^= 0xFF
        try:
            done = brought(registry, made(raw=bytes(whole)), "wandb", dry_run=True)
            assert "unfinished" in str(done.left) or "logs that end" in str(done.left)
            kinds.add("end")
        except SourceError:
            kinds.add("error")
        whole[place] ^= 0xFF
    assert kinds == {"end", "error"}
    assert counts(registry)["task"] == 0


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (b"\x12" + b"\xff" * 9 + b"\x01", "ends in a field"),
        (b"\x12" + b"\xff" * 11, "too long"),
        (b"\x13" * 100_000, "unknown kind 3"),
        (b"\x02\x00", "without a number"),
        (message((2, message((1, message((2, b"\xff\xfe"), (16, b"1")))))), "not UTF-8"),
        (step(0, loss="[" * 100_000), "not JSON"),
        (step(0, loss="1" + "e" * 10), "has the value"),
        (step(0, loss='{"a":' * 500 + "1" + "}" * 500), "deeper"),
        (message((17, message((8, b"a" * 5_000)))), "cannot be kept"),
    ],
)
def test_what_no_log_holds_is_an_error(made, registry, record, problem):
    before = counts(registry)
    data = b":W&B" + struct.pack("<HB", 0xBEE1, 0) + piece(1, RUN)
    kind = 2 if len(record) > 32_000 else 1
    while record:
        left = 32_768 - len(data) % 32_768
        part, record = record[: left - 7], record[left - 7 :]
        data += piece(4 if kind == 3 and not record else kind, part)
        kind = 3
    with pytest.raises(SourceError, match=problem):
        brought(registry, made(raw=data), "wandb")
    assert counts(registry) == before


def test_numbers_out_of_all_bounds_are_kept_or_counted(made, registry):
    done = brought(
        registry,
        made(
            step(0, big="1" * 400, huge="1e999", nan="NaN", _timestamp="1e300"),
            step(2**62, loss="1"),
            step(1, _timestamp="-5", loss="2"),
        ),
        "wandb",
    )
    found = points_of(registry, "made")
    assert [row[1] for row in found["big", "big"]] == [float("inf")]
    assert [row[1] for row in found["huge", "huge"]] == [float("inf")]
    assert [row[:2] for row in found["loss", "loss"]] == [(1, 2.0)]
    assert done.left["steps beyond 2^53"] == 1


def test_a_text_that_cannot_be_kept_comes_with_its_escapes(made, registry):
    config = message((5, message((1, message((1, b"a"), (16, b'"\\ud800"'))))))
    brought(registry, made(config), "wandb")
    assert task_of("made").get_parameters()["General/a"] == '"\\ud800"'


@pytest.mark.parametrize("path", ["../../secret.txt", "/etc/passwd", "a/../../secret.txt"])
def test_a_path_in_a_log_leads_nowhere(made, registry, tmp_path, path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "secret.txt").write_text("secret")
    value = json.dumps({"_type": "image-file", "path": path})
    with pytest.raises(SourceError, match="cannot be in it"):
        brought(registry, made(step(0, img=value)), "wandb")
    entry = message((1, path.encode()), (2, b""), (4, 6), (6, path.encode()))
    artifact = message((8, message((4, b"model"), (5, b"net"), (12, message((4, entry))))))
    with pytest.raises(SourceError, match="cannot be in it"):
        brought(registry, made(artifact), "wandb")
    assert counts(registry)["blob"] == 0


def test_a_link_of_media_out_of_the_folder_is_an_error(made, registry, tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    folder = made(step(0, img='{"_type": "image-file", "path": "media/a.png"}'))
    (folder / "files" / "media").mkdir()
    (folder / "files" / "media" / "a.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(SourceError, match="outside of what is imported"):
        brought(registry, folder, "wandb")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2 * TIMES))
def test_damaged_runs_are_errors_or_come_in_part(store, registry, seed):
    chance = random_numbers(seed)
    files = [log_of(store, name) for name in ("whole", "failed", "killed")]
    files += [*run_of(store, "whole").rglob("*.json")]
    outcomes = {survives(registry, store, "wandb", chance, chance.choice(files)) for _ in range(15)}
    assert True in outcomes


@pytest.mark.long
def test_records_with_sound_checksums_and_damaged_contents_are_survived(made, registry):
    chance = random_numbers(7)
    bodies = [bytes(each) for each in sound_records(log_of_store(made))]
    errors = 0
    for _ in range(100 * TIMES):
        damaged = []
        for each in chance.sample(bodies, 6):
            data = bytearray(each)
            for _ in range(chance.randint(0, 3)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            damaged.append(bytes(data)[:32_000])
        try:
            brought(registry, made(*damaged), "wandb", dry_run=True)
        except SourceError:
            errors += 1
    assert errors > 10


def log_of_store(made):
    """Return the log of the run that has something of each kind."""
    return log_of(unpacked("wandb", made().parents[1] / "real"), "whole")


def sound_records(path):
    """Return the records of a log that are in one piece."""
    data = path.read_bytes()
    found, place = [], 7
    while place + 7 < len(data):
        left = 32_768 - place % 32_768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        if kind == 1:
            found.append(data[place + 7 : place + 7 + length])
        place += 7 + length
    return found


def test_only_folders_of_runs_and_logs_are_such_a_source(store, tmp_path):
    assert wandb_runs.is_one(store)
    assert wandb_runs.is_one(run_of(store, "whole"))
    assert wandb_runs.is_one(log_of(store, "whole"))
    assert not wandb_runs.is_one(tmp_path)
    assert not wandb_runs.is_one(run_of(store, "whole") / "files")
    assert not wandb_runs.is_one(tmp_path / "gone")


def test_what_is_no_such_source_is_refused(registry, tmp_path):
    with pytest.raises(InvalidValueError, match="must be a folder 'wandb'"):
        brought(registry, tmp_path, "wandb")


def test_two_registries_that_imported_the_same_can_meet(store, tmp_path):
    places = [Registry(tmp_path / name) for name in ("a", "b")]
    for place in places:
        brought(place, store, "wandb")
    done = places[0].merge(places[1].path)
    assert done.events == 0
    for place in places:
        place.close()


def test_a_log_is_read_in_pieces(made):
    """A log of 40 MB takes a few: its records go one by one."""
    record = message((200, bytes(32_768 - 7 - 5)))
    assert len(piece(1, record)) == 32_768
    first = message((200, bytes(32_768 - 7 - 7 - len(piece(1, RUN)) - 5)))
    path = made(raw=log(RUN, first)) / "run-made.wandb"
    assert path.stat().st_size == 32_768
    with open(path, "ab") as writer:
        for _ in range(1_200):
            writer.write(piece(1, record))
    tracemalloc.start()
    count = sum(1 for _ in WandbLog(path).records())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 1_202
    assert peak < 3_000_000


def test_of_a_log_alone_no_files_beside_it_come(registry, tmp_path):
    log = next(unpacked("wandb", tmp_path).rglob("*.wandb"))
    (tmp_path / "home/files").mkdir(parents=True)
    (tmp_path / "home/files/private.txt").write_text("mine", encoding="utf-8")
    shutil.copy(log, tmp_path / "home")
    brought(registry, tmp_path / "home" / log.name, "wandb")
    (task,) = registry.tasks()
    assert "private.txt" not in task.artifacts
