"""Event files of TensorBoard, brought here, and such files as strangers may make."""

from __future__ import annotations

import hashlib
import shutil
import struct
import tracemalloc

import numpy as np
import pytest
import tensorboardX
from support.command_line import run_cli
from support.foreign_stores import brought, counts, points_of, said_of, survives, unpacked
from support.proofs import TIMES, random_numbers
from support.reports import drawings

from localreg import Registry, Task
from localreg.errors import InvalidValueError, SourceError
from localreg.operations.importers import tensorboard_events
from localreg.operations.importers.event_files import RECORD_LIMIT, EventFile, checksum_of
from localreg.values.board_tags import SCALAR, place_of_tag


@pytest.fixture(autouse=True)
def current(registry):
    """Let every test have a current registry."""
    return registry


@pytest.fixture
def store(tmp_path):
    """Return a folder of logs."""
    return unpacked("tensorboard", tmp_path)


def media_of(registry, name):
    """Return the digests of pictures and other files of a task, by title, series and iteration."""
    rows = registry.db.query(
        "SELECT p.title, p.series, p.iteration, p.at, b.digest FROM plot p "
        "JOIN blob b ON b.pk = p.blob JOIN task t ON t.pk = p.task "
        "WHERE p.kind = 'media' AND t.name = ?",
        [name],
    )
    return {
        (row["title"], row["series"], row["iteration"]): (row["digest"], row["at"]) for row in rows
    }


def task_of(name):
    """Return the task of a run."""
    return Task.get_task(task_name=name)


def field(number, value):
    """Return a field of a message."""
    if isinstance(value, float):
        return bytes([number << 3 | 1]) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value):
    """Return a number of variable length."""
    made = b""
    while value > 127:
        made += bytes([value & 127 | 128])
        value >>= 7
    return made + bytes([value])


def record(data):
    """Return a record of an event file."""
    head = struct.pack("<Q", len(data))
    sums = (struct.pack("<I", checksum_of(each)) for each in (head, data))
    return head + next(sums) + data + next(sums)


def scalar(tag, step, value, at=1_700_000_000.0):
    """Return the event of a scalar."""
    number = b"\x15" + struct.pack("<f", value)
    summary = field(1, field(1, tag.encode()) + number)
    return field(1, at) + field(2, step) + field(5, summary)


@pytest.fixture
def made(tmp_path):
    """Return a function that writes an event file of given events into a folder."""

    def write(*events, raw=None, folder="run", name="events.out.tfevents.1.machine"):
        place = tmp_path / "logs" / folder
        place.mkdir(parents=True, exist_ok=True)
        data = b"".join(map(record, events)) if raw is None else raw
        (place / name).write_bytes(data)
        return tmp_path / "logs"

    return write


# --- what the writers wrote


def test_every_scalar_comes_as_tensorboard_says_it(registry, store):
    brought(registry, store, "tensorboard")
    compared = 0
    for run, said in said_of("tensorboard").items():
        expected = {}
        for tag, rows in said["scalars"].items():
            place = place_of_tag(SCALAR, tag)
            if run.startswith("x/both/"):
                place = ("both", run.rpartition("/")[2])
            last = {step: (float(value), at) for step, at, value in rows}
            expected[place] = [(step, value, int(at * 1_000)) for step, (value, at) in last.items()]
        for tag, found in said["tensors"].items():
            if found["plugin"] == "scalars":
                expected[place_of_tag(SCALAR, tag)] = [
                    (step, numbers[0], int(at * 1_000)) for step, at, numbers, *_ in found["values"]
                ]
        own = points_of(registry, "x" if run.startswith("x/both") else run)
        for place, rows in expected.items():
            assert repr(own[place]) == repr(rows)
            compared += len(rows)
    assert compared == 75


def test_of_steps_that_were_written_again_the_later_count(registry, store):
    done = brought(registry, store, "tensorboard")
    found = points_of(registry, "x")["loss", "train"]
    assert [row[0] for row in found] == [*range(25)]
    assert [row[1] for row in found[13:16]] == pytest.approx([1 / 14, 1 / 15, -15])
    assert done.left == {"points of which a later one has the same iteration": 5}


def test_pictures_sounds_and_texts_come_as_tensorboard_says_them(registry, store):
    brought(registry, store, "tensorboard")
    said = said_of("tensorboard")
    ((step, at, digest),) = said["x"]["media"]["sample/of"]
    assert media_of(registry, "x")["sample", "of", step] == (digest, at * 1e6)
    ((step, _, _, (digest,), _),) = said["x"]["tensors"]["notes/text_summary"]["values"]
    assert media_of(registry, "x")["notes", "text_summary", step][0] == digest
    ((step, _, digest),) = said["own/inner"]["media"]["tone"]
    assert media_of(registry, "own/inner")["Audio", "tone", step][0] == digest
    ((step, _, _, (digest,), _),) = said["own/inner"]["tensors"]["notes"]["values"]
    assert media_of(registry, "own/inner")["Text", "notes", step][0] == digest
    assert digest == hashlib.sha256(b"second text").hexdigest()


def test_histograms_keep_their_sums_and_ends(registry, store):
    brought(registry, store, "tensorboard")
    said = said_of("tensorboard")
    ((step, _, total),) = said["x"]["histograms"]["weights/layer"]
    (bars,) = drawings(task_of("x"))["weights", "layer", step].parts["traces"]
    assert sum(bars["y"]) == pytest.approx(total)
    (bars,) = drawings(task_of("own/inner"))["Histograms", "activations", 4].parts["traces"]
    assert list(bars["y"]) == [5] * 10
    assert bars["x"][0] == pytest.approx(2.45)


def test_parameters_come_with_their_types(registry, store):
    brought(registry, store, "tensorboard")
    trial = task_of("x/trial")
    said = said_of("tensorboard")["x/trial"]["parameters"]
    assert trial.get_parameters(cast=True) == {
        f"TB_hparams/{name}": value for name, value in said.items()
    }
    assert trial.parent == task_of("x").id


def test_an_imported_run_looks_as_one_that_reported_by_itself(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task = Task.init(project_name="p", task_name="bound")
    pixels = np.zeros((3, 4, 4), np.uint8)
    with tensorboardX.SummaryWriter("runs/a") as writer:
        for step in range(3):
            writer.add_scalar("loss/train", step, step, 1_700_000_000 + step)
            writer.add_scalar("a/b/c", step, step)
            writer.add_scalar("alone", step, step)
        writer.add_scalars("both", {"train": 1.0, "validation": 2.0}, 3)
        writer.add_histogram("weights", np.linspace(-1, 1, 50), 1)
        writer.add_image("a/b/c/d/image", pixels, 1)
        writer.add_text("notes", "a text", 1)
        writer.add_pr_curve("curve", np.array([0, 1]), np.array([0.2, 0.8]), 1, num_thresholds=5)
    task.close()
    brought(registry, tmp_path / "runs", "tensorboard")
    imported = task_of("a")
    bound = {place: rows for place, rows in points_of(registry, "bound").items()
             if not place[0].startswith(":monitor")}  # fmt: skip
    assert points_of(registry, "a") == bound
    assert len(bound) == 5
    found = [
        {place: (each.kind, str(each.parts)) for place, each in drawings(every).items()}
        for every in (imported, task)
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 2
    assert {place: digest for place, (digest, _) in media_of(registry, "a").items()} == {
        place: digest for place, (digest, _) in media_of(registry, "bound").items()
    }


def test_a_second_import_brings_nothing(registry, store):
    brought(registry, store, "tensorboard")
    before = counts(registry)
    assert brought(registry, store, "tensorboard").arrived.events == 0
    assert counts(registry) == before


def test_a_run_is_the_same_whatever_folder_is_given(registry, store):
    brought(registry, store, "tensorboard")
    before = counts(registry)["task"]
    brought(registry, store / "own" / "inner", "tensorboard")
    (file,) = (store / "own" / "inner").iterdir()
    brought(registry, file, "tensorboard")
    assert counts(registry)["task"] == before


def test_a_copy_of_a_run_comes_once(registry, store):
    shutil.copytree(store / "own", store / "saved")
    done = brought(registry, store, "tensorboard")
    assert done.left["copies of a run that is there, too"] == 1


def test_two_registries_that_imported_the_same_can_meet(store, tmp_path):
    places = [Registry(tmp_path / name) for name in ("a", "b")]
    for place in places:
        brought(place, store, "tensorboard")
    assert places[0].merge(places[1].path).events == 0
    for place in places:
        place.close()


def test_the_command_says_what_came(store, registry):
    code, out, err = run_cli("import", str(store), "-R", str(registry.path))
    assert code == 0, err
    assert "task own/inner" in out
    assert "event files of TensorBoard" in err


# --- damage, and strangers


def test_a_file_may_be_cut_anywhere(made, registry):
    events = [field(1, 1_700_000_000.0) + field(3, b"brain.Event:2")]
    events += [scalar("loss", step, step) for step in range(5)]
    whole = b"".join(map(record, events))
    ends = [sum(len(record(each)) for each in events[:count]) for count in range(7)]
    for cut in [*range(ends[1], len(whole), 2), *ends[1:]]:
        done = brought(registry, made(raw=whole[:cut]), "tensorboard", dry_run=True)
        assert done.left == (
            {} if cut in ends else {"unfinished ends of files, of writers that were killed": 1}
        )
    brought(registry, made(raw=whole[: ends[4] + 9]), "tensorboard")
    assert [row[0] for row in points_of(registry, "run")["loss", "loss"]] == [0, 1, 2]


def test_zeros_at_the_end_are_an_unfinished_end(made, registry):
    made(raw=record(scalar("loss", 1, 1.0)) + bytes(1_000))
    done = brought(registry, made(raw=record(scalar("loss", 1, 1.0)) + bytes(1_000)), "tensorboard")
    assert done.left == {"unfinished ends of files, of writers that were killed": 1}
    assert points_of(registry, "run")["loss", "loss"] == [(1, 1.0, 1_700_000_000_000)]


def test_a_flipped_byte_is_an_error(made, registry):
    whole = bytearray(b"".join(record(scalar("loss", step, step)) for step in range(4)))
    for place in range(len(whole)):
        whole[place] ^= 0x55
        with pytest.raises(SourceError, match=r"is damaged at byte|has a record that"):
            brought(registry, made(raw=bytes(whole)), "tensorboard")
        whole[place] ^= 0x55
    assert counts(registry)["task"] == 0


def test_lengths_beyond_the_file_are_unfinished_ends(made, registry):
    for length in (2**63, 2**64 - 1, 2**40):
        head = struct.pack("<Q", length)
        raw = record(scalar("loss", 1, 1.0)) + head + struct.pack("<I", checksum_of(head))
        done = brought(registry, made(raw=raw + bytes(100)), "tensorboard", dry_run=True)
        assert done.left == {"unfinished ends of files, of writers that were killed": 1}


@pytest.mark.parametrize(
    "event",
    [
        b"\x2b" * 50_000,
        field(1, 1.7e9) + field(5, b"\xff" * 20),
        field(1, 1.7e9) + field(5, field(1, field(1, b"\xff\xfe") + b"\x15" + bytes(4))),
        field(1, 1.7e9) + field(5, field(1, field(1, b"loss") + b"\x10\x05")),
        field(1, 1.7e9) + b"\x10" + b"\xff" * 12,
        scalar("a" * 20_000, 1, 1.0),
        scalar("a\0b", 1, 1.0),
    ],
)
def test_what_no_writer_writes_is_an_error(made, registry, event):
    before = counts(registry)
    with pytest.raises(SourceError):
        brought(registry, made(scalar("loss", 1, 1.0), event), "tensorboard")
    assert counts(registry) == before


@pytest.mark.parametrize(
    ("plugin", "texts"), [(b"audio", [b"one", b"", b"two", b""]), (b"text", [b"one", b"two"])]
)
def test_several_media_of_one_tag_and_step_all_come(made, registry, plugin, texts):
    tensor = field(1, 7) + b"".join(field(8, each) for each in texts)
    kind = field(9, field(1, field(1, plugin)))
    value = field(1, b"a/b") + field(8, tensor) + kind
    brought(registry, made(field(1, 1.7e9) + field(5, field(1, value))), "tensorboard")
    digests = [digest for digest, _ in media_of(registry, "run").values()]
    assert digests == [hashlib.sha256(each).hexdigest() for each in (b"one", b"two")]


def test_what_cannot_be_kept_is_counted(made, registry):
    histogram = field(1, float("nan")) + field(2, 1.0) + field(6, bytes(8)) + field(7, bytes(8))
    empty = field(1, 0.0) + field(2, 1.0)
    tensor = field(1, 1) + field(4, struct.pack("<3f", 1, 2, 3))
    plugin = field(9, field(1, field(1, b"scalars")))
    mesh = field(9, field(1, field(1, b"mesh")))
    done = brought(
        registry,
        made(
            scalar("loss", 2**62, 1.0),
            scalar("", 1, 1.0),
            scalar("loss", 1, 2.0, at=float("nan")),
            scalar("loss", 2, 3.0, at=1e300),
            field(1, 1.7e9) + field(4, b"graph"),
            field(1, 1.7e9) + field(5, field(1, field(1, b"h") + field(5, histogram))),
            field(1, 1.7e9) + field(5, field(1, field(1, b"h") + field(5, empty))),
            field(1, 1.7e9) + field(5, field(1, field(1, b"s") + field(8, tensor) + plugin)),
            field(1, 1.7e9) + field(5, field(1, field(1, b"m") + field(8, tensor) + mesh)),
        ),
        "tensorboard",
    )
    assert done.left == {
        "steps beyond 2^53": 1,
        "values without a tag": 1,
        "graphs": 1,
        "histograms whose bins are no numbers in order": 1,
        "histograms without bins": 1,
        "scalars that are no number": 1,
        "values of the plugin 'mesh'": 1,
    }
    assert points_of(registry, "run")["loss", "loss"] == [
        (1, 2.0, 1_700_000_000_000), (2, 3.0, 1_700_000_000_000)
    ]  # fmt: skip


def test_a_link_out_of_the_folder_is_an_error(made, registry, tmp_path):
    logs = made(scalar("loss", 1, 1.0))
    shutil.move(logs / "run" / "events.out.tfevents.1.machine", tmp_path / "outside")
    (logs / "run" / "events.out.tfevents.1.machine").symlink_to(tmp_path / "outside")
    with pytest.raises(SourceError, match="outside of what is imported"):
        brought(registry, logs, "tensorboard")


def test_folders_of_other_programs_below_are_left_and_named(made, registry, tmp_path):
    """W&B links its own logs to its cache, outside of the folder."""
    made(scalar("loss", 1, 1.0), folder="wandb/offline-run-20251130_120000-ab/files")
    logs = made(scalar("loss", 1, 1.0))
    (logs / "wandb" / "debug.log").symlink_to(tmp_path)
    done = brought(registry, logs, "tensorboard")
    assert list(done.tasks.values()) == ["run"]
    assert done.left == {"folder of another program, wandb: import it, too": 1}


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2 * TIMES))
def test_damaged_files_are_errors_or_come_in_part(store, registry, seed):
    chance = random_numbers(seed)
    files = sorted(store.rglob("*tfevents*"))
    outcomes = {
        survives(registry, store, "tensorboard", chance, chance.choice(files)) for _ in range(25)
    }
    assert True in outcomes


@pytest.mark.long
def test_records_with_sound_checksums_and_damaged_contents_are_survived(store, made, registry):
    chance = random_numbers(5)
    bodies = [
        each for file in sorted(store.rglob("*tfevents*")) for each in EventFile(file).records()
    ]
    errors = 0
    for _ in range(120 * TIMES):
        damaged = []
        for each in chance.sample(bodies, 8):
            data = bytearray(each)
            for _ in range(chance.randint(0, 3)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            damaged.append(bytes(data))
        try:
            brought(registry, made(*damaged), "tensorboard", dry_run=True)
        except SourceError:
            errors += 1
    assert errors > 10


def test_only_event_files_and_their_folders_are_such_a_source(store, tmp_path):
    assert tensorboard_events.is_one(store)
    assert tensorboard_events.is_one(next(store.rglob("*tfevents*")))
    assert not tensorboard_events.is_one(unpacked("wandb", tmp_path / "other"))
    (tmp_path / "mlruns").mkdir()
    shutil.copytree(store, tmp_path / "mlruns" / "0")
    assert not tensorboard_events.is_one(tmp_path / "mlruns")
    assert not tensorboard_events.is_one(tmp_path / "gone")


def test_what_is_no_such_source_is_refused(registry, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidValueError, match="has no event files"):
        brought(registry, tmp_path / "empty", "tensorboard")


def test_a_file_is_read_in_pieces(made, tmp_path):
    """A file of 70 MB takes a few: its records go one by one, and one that is too large is not."""
    path = made(scalar("loss", 1, 1.0)) / "run" / "events.out.tfevents.1.machine"
    head = struct.pack("<Q", RECORD_LIMIT + 1)
    with open(path, "r+b") as writer:
        writer.seek(0, 2)
        writer.write(head + struct.pack("<I", checksum_of(head)))
        writer.seek(RECORD_LIMIT + 1 + 4, 1)
        for step in range(20_000):
            writer.write(record(scalar("loss", step, 1.0)))
    file = EventFile(path)
    tracemalloc.start()
    count = sum(1 for _ in file.records())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (count, file.too_large) == (20_001, 1)
    assert peak < 2_000_000
