"""Full-text search: what is found, and that its index is never wrong, in the way, or needed."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from support.command_line import run_cli
from support.kills import Killer
from support.proofs import TIMES
from support.statements import counted, recorded

from localreg import Dataset, InputModel, Model, Registry, Task
from localreg.errors import InvalidValueError
from localreg.values.layout import SEARCH

SECRET = "hunter2hunter2"


def model(registry, name="net", **described):
    """Import a model; return its handle."""
    url = f"s3://bucket/{os.urandom(8).hex()}.pt"
    return InputModel.import_model(url, name=name, registry=registry, **described)


def refs(registry, words, **filters):
    """Return what is found, as references."""
    return [hit.ref for hit in registry.search(words, **filters)]


def index_of(registry):
    """Return a connection to the index."""
    return closing(sqlite3.connect(registry.path / SEARCH))


@pytest.fixture
def described(registry):
    """A model, a task and a data set with words in every field; returns their ids."""
    one = model(
        registry, "resnet50", project="vision/teeth", tags=["nightly"], comment="Straße, café",
        metadata={"dataset": "coco", "api_key": SECRET}, config_dict={"depth": "deep_one"},
    )  # fmt: skip
    registry.set_alias(one, "champion")
    task = Task.init(
        project_name="vision/teeth", task_name="training run", reuse_last_task_id=False
    )
    task.connect({"lr": 0.125, "optimizer": "adamw", "hf_token": SECRET})
    task.connect_configuration({"scheduler": "cosine", "password": SECRET}, name="plan")
    task.set_comment(f"see https://me:{SECRET}@example.org/wiki")
    task.close()
    data = Dataset.create(dataset_name="molars", dataset_project="vision/teeth")
    return one.id, task.id, data.id


def test_each_field_is_searched(registry, described):
    for words, found, fields, text in (
        ("resnet50", "model", ["name"], "resnet50"),
        ("RESN", "model", ["name"], "resnet50"),
        ("nightly", "model", ["tags"], "nightly"),
        ("champion", "model", ["aliases"], "champion"),
        ("cafe", "model", ["comment"], "Straße, café"),
        ("coco", "model", ["metadata"], "dataset = coco"),
        ("dataset=coco", "model", ["metadata"], "dataset = coco"),
        ("deep_one", "model", ["configuration"], '"depth": "deep_one"'),
        ("teeth/resnet50", "model", ["name", "project"], "resnet50"),
        ("resnet50 coco", "model", ["name", "metadata"], "resnet50"),
        ("training", "task", ["name"], "training run"),
        ("adamw", "task", ["parameters"], "General/optimizer = adamw"),
        ("lr=0.125", "task", ["parameters"], "General/lr = 0.125"),
        ("cosine", "task", ["configuration"], '"scheduler": "cosine",'),
        ("wiki", "task", ["comment"], "see https://***@example.org/wiki"),
        ("molars", "dataset", ["name"], "molars"),
    ):
        hit, *others = registry.search(words)
        assert not others, words
        assert (hit.kind, list(hit.fields), hit.text) == (found, fields, text)
        assert hit.id == described[("model", "task", "dataset").index(found)]


def test_the_words_found_are_the_odd_parts_of_the_snippet(registry):
    model(registry, comment="one two three, two")
    assert registry.search("two")[0].snippet == ("one ", "two", " three, ", "two", "")


def test_secrets_are_not_in_the_index(registry, described):
    """P22."""
    for words in (SECRET, "hunter", f"api key {SECRET}"):
        assert registry.search(words) == []
    assert SECRET.encode() not in (registry.path / SEARCH).read_bytes()


def test_words_are_taken_as_they_are(registry):
    """FTS5's operators are words, and its errors never reach the user."""
    model(registry, comment="the learning rate, étude, 学习率")
    one = ["net:1"]
    for words, wanted in (
        ("OR", []), ("net OR x", []), ("NOT", []), ("name:net", []), ("NEAR(net)", []),
        ('"net', one), ("net*", one), ("^net", one), ("(net", one), ("net AND", []), ("net -", one),
        ("{name}:net", []), ("'; DROP TABLE words; --", []), (["learning rate"], one),
        (["rate learning"], []), ("rate learning", one), ("e\u0301tude", one), ("学习", one),
        ("习率", one), ("率学", []), ("net/", one), ("net\u200b", one),
    ):  # fmt: skip
        assert refs(registry, words) == wanted, words
    for words in ("", " ", '"', "--", [], [""]):
        with pytest.raises(InvalidValueError, match="no letter or digit"):
            registry.search(words)


def test_names_count_more_than_tags_and_these_more_than_the_rest(registry):
    for name, described in {
        "a": {"metadata": {"k": "word"}}, "b": {"comment": "word"}, "c": {"tags": ["word"]},
        "word": {}, "d": {"config_text": "word = 1"},
    }.items():  # fmt: skip
        model(registry, name, **described)
    assert refs(registry, "word") == ["word:1", "c:1", "b:1", "a:1", "d:1"]


def test_equal_matches_are_in_the_order_of_their_changes(registry):
    for _ in range(3):
        model(registry, "net")
    assert refs(registry, "net") == ["net:3", "net:2", "net:1"]
    assert refs(registry, "net", limit=2) == ["net:3", "net:2"]


def test_filters(registry):
    model(registry, "net", project="a", tags=["old"])
    model(registry, "net", project="b", tags=["new", "old"])
    model(registry, "network", project="b").archive()
    Task.create(project_name="b", task_name="net")
    assert refs(registry, "net", project="a") == ["a/net:1"]
    assert refs(registry, "net", tags=["new"]) == ["b/net:1"]
    assert refs(registry, "net", tags=["old", "-new"]) == ["a/net:1"]
    assert len(refs(registry, "net", name="net")) == 3
    assert "b/network:1" in refs(registry, "net", archived=True)
    assert refs(registry, "net", project="unknown") == []
    with pytest.raises(InvalidValueError):
        registry.search("net", limit=0)


def changes(registry):
    """Yield what is changed, and the words with which it is found afterwards."""
    one = model(registry, "first", project="p")
    yield "first", [one.id]
    one.name = "second"
    yield "first", []
    yield "second", [one.id]
    one.tags = ["red"]
    yield "red", [one.id]
    one.comment = "blue"
    yield "blue", [one.id]
    one.set_metadata("colour", "green")
    yield "green", [one.id]
    two = model(registry, "second", project="p")
    registry.set_alias(one, "prod")
    yield "prod", [one.id]
    registry.set_alias(two, "prod")
    yield "prod", [two.id]
    registry.remove_alias(two, "prod")
    yield "prod", []
    one.project = "q"
    yield "second q", [one.id]
    Model.remove(two)
    yield "second", [one.id]
    registry.restore(two.id)
    yield "second p", [two.id]
    assert run_cli("-R", registry.path, "rm", two.id, "--local")[0] == 0
    yield "second p", []
    (registry.path / SEARCH).unlink()  # one that never had it
    yield "second p", []
    registry.restore(two.id)
    yield "second p", [two.id]
    task = Task.create(project_name="p", task_name="job")
    task.set_parameter("General/colour", "yellow")
    yield "yellow", [task.id]
    task.delete()
    yield "yellow", []


def test_the_index_takes_in_each_change(registry):
    for words, wanted in changes(registry):
        assert [hit.id for hit in registry.search(words)] == wanted, words


def test_what_a_merge_moves_is_found_where_it_is(registry, tmp_path):
    """An alias that another registry moved leaves a model of which no event came."""
    one = model(registry, "net")
    registry.set_alias(one, "prod")
    with Registry(tmp_path / "other", durability="fast") as other:
        other.merge(registry.path)
        two = model(other, "net")
        other.set_alias(two, "prod")
    assert [hit.id for hit in registry.search("prod")] == [one.id]
    registry.merge(tmp_path / "other")
    assert [hit.id for hit in registry.search("prod")] == [two.id]


def test_a_second_search_reads_only_what_changed_and_writes_only_then(registry):
    models = [model(registry, f"net{number}") for number in range(50)]
    registry.search("net")
    before = (registry.path / SEARCH).stat()
    with recorded() as statements:
        assert len(registry.search("net", limit=None)) == 50
    assert not any("search_texts" in name for names in statements.values() for name in names)
    assert (registry.path / SEARCH).stat().st_mtime_ns == before.st_mtime_ns
    models[7].comment = "word"
    with counted() as count:
        assert refs(registry, "word") == ["net7:1"]
    written = {sql: each for sql, each in count.items() if sql.startswith("INSERT INTO words")}
    assert list(written.values()) == [1]
    with index_of(registry) as index:
        assert index.execute("SELECT count(*), count(DISTINCT id) FROM entry").fetchone() == (
            50,
            50,
        )


def _empty(path):
    path.write_bytes(b"")


def _text(path):
    path.write_bytes(b"no database at all" * 100)


def _cut(path):
    path.write_bytes(path.read_bytes()[:5000])


def _scrambled(path):
    content = bytearray(path.read_bytes())
    for place in range(4096 + 8, len(content), 97):
        content[place] ^= 0x55
    path.write_bytes(content)


def _of_another_version(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def _with_a_trigger(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON state BEGIN DELETE FROM entry; END")


def _with_strange_values(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE entry SET stamp = 'x', id = x'00' || pk")
        connection.commit()


def _with_text_of_another_kind(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE words SET comment = CAST(x'776f7264ff' AS TEXT)")
        connection.commit()


def _without_words(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE words")


def _of_another_registry(path):
    with Registry(path.parent / "other", durability="fast") as other:
        model(other, "net9")
        other.search("net")
        shutil.copy(other.path / SEARCH, path)


def _a_folder(path):
    path.unlink()
    path.mkdir()


def _a_link(path):
    path.unlink()
    path.symlink_to(path.parent / "elsewhere")


def _a_pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "harm",
    [_empty, _text, _cut, _scrambled, _of_another_version, _with_a_trigger, _without_words,
     _with_strange_values, _with_text_of_another_kind,
     _of_another_registry, os.remove, _a_folder, _a_link, _a_pipe],
    ids=lambda harm: harm.__name__,
)  # fmt: skip
def test_a_damaged_or_missing_index_is_made_again(registry, harm):
    """P37: the index is never needed. What is no file stays, and another place is used."""
    for number in range(30):
        model(registry, f"net{number}", comment="word " * number)
    wanted = refs(registry, "word", limit=None)
    path = registry.path / SEARCH
    harm(path)
    model(registry, "late", comment="word")
    assert sorted(refs(registry, "word", limit=None)) == sorted([*wanted, "late:1"])
    assert not (registry.path / "elsewhere").exists()
    if harm in (_a_folder, _a_link, _a_pipe):
        assert not path.is_file()
    else:
        with index_of(registry) as index:
            assert index.execute("SELECT count(*) FROM entry").fetchone() == (31,)


def test_an_index_with_more_than_the_registry_is_made_again(registry, tmp_path):
    """A backup was put back: the index knows models that never were."""
    model(registry, "net")
    registry.search("net")
    registry.backup(tmp_path / "backup")
    model(registry, "net")
    assert len(registry.search("net")) == 2
    registry.close()
    shutil.copy(tmp_path / "backup" / "registry.db", registry.path / "registry.db")
    with Registry(registry.path, durability="fast") as again:
        model(again, "other")  # its events have the keys of those that are gone
        model(again, "other")
        assert len(refs(again, "other")) == 2
        assert refs(again, "net") == ["net:1"]


def test_a_registry_that_is_only_read_is_searched_and_not_touched(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    model(registry, "net")
    registry.close()
    before = sorted(os.listdir(registry.path))
    with Registry(registry.path, readonly=True) as readonly:
        assert refs(readonly, "net") == ["net:1"]
        assert refs(readonly, "net") == ["net:1"]
    assert sorted(os.listdir(registry.path)) == before
    assert [path.name for path in tmp_path.glob("localreg-*/*/*/*")].count(SEARCH) == 1
    shutil.rmtree(next(tmp_path.glob("localreg-*")))
    next(tmp_path.glob("localreg-*"), tmp_path / f"localreg-{os.getuid()}").touch()
    with Registry(registry.path, readonly=True) as readonly:  # in memory
        assert refs(readonly, "net") == ["net:1"]


def test_upstream_registries_are_searched_too(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with Registry(tmp_path / "far", durability="fast") as far:
        for number in range(5):
            model(far, f"net{number}")
    shutil.copytree(tmp_path / "far", tmp_path / "copy")
    with Registry(tmp_path / "far", durability="fast") as far:
        model(far, "net5")
    roots = [tmp_path / "copy", tmp_path / "far"]
    with Registry(tmp_path / "near", upstream=roots, durability="fast") as near:
        model(near, "net6")
        hits = near.search("net", limit=None)
        assert sorted(hit.name for hit in hits) == [f"net{number}" for number in range(7)]
        assert {hit.name: hit.registry for hit in hits}["net5"] == str(tmp_path / "far")
        assert len(near.search("net", limit=3)) == 3
    assert not (tmp_path / "far" / SEARCH).exists()


def _search_while_others_write(number, barrier, path):
    from localreg import InputModel, Registry

    with Registry(path, durability="fast") as registry:
        barrier.wait()
        for count in range(10):
            url = f"s3://b/{number}-{count}"
            InputModel.import_model(url, name=f"net{number}x{count}", registry=registry)
            found = {hit.name for hit in registry.search("net", limit=None)}
            assert {f"net{number}x{each}" for each in range(count + 1)} <= found
    return True


def test_several_processes_write_and_search_at_once(children, tmp_path):
    with Registry(tmp_path / "registry", durability="fast"):
        pass
    children.crowd(4, _search_while_others_write, tmp_path / "registry")
    with Registry(tmp_path / "registry", durability="fast") as registry:
        assert len(registry.search("net", limit=None)) == 40
        with index_of(registry) as index:
            assert index.execute("SELECT count(*) FROM entry").fetchone() == (40,)
            assert index.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_search_needs_no_lock_of_the_registry(registry):
    """P37: a process writes for long, and the search answers with what was committed."""
    model(registry, "net")
    with closing(sqlite3.connect(registry.path / "registry.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert refs(registry, "net") == ["net:1"]
        writer.rollback()


@pytest.mark.long
def test_a_killed_search_leaves_an_index_that_is_right_or_made_again(children, tmp_path):
    """P37: before each of its calls of the system and of SQLite, chosen at random."""
    chance = random.Random()
    with Killer(children, "support.killed_search") as killer:
        for round_ in range(TIMES):
            folder = tmp_path / str(round_)
            folder.mkdir()
            with Registry(folder / "registry", durability="fast") as registry:
                for number in range(20):
                    model(registry, f"net{number}")
            status, count = killer.run("search", folder)
            assert status == 0, count
            for kill in range(15):
                if kill % 3 == 0:
                    (folder / "registry" / SEARCH).unlink(missing_ok=True)
                with Registry(folder / "registry", durability="fast") as registry:
                    model(registry, f"net{20 + kill}")
                killed = killer.run("search", folder, chance.randrange(int(count)))
                assert killed[0] in (-9, 0), killed
                with Registry(folder / "registry", durability="fast") as registry:
                    assert len(registry.search("net", limit=None)) == 21 + kill
                    with index_of(registry) as index:
                        assert index.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            shutil.rmtree(folder)


def test_without_fts5_the_error_says_so(registry):
    """The module is taken away in a process of its own."""
    program = (
        "import sqlite3\n"
        "class Poor(sqlite3.Connection):\n"
        "    def execute(self, sql, *rest):\n"
        "        if 'fts5' in sql:\n"
        "            raise sqlite3.OperationalError('no such module: fts5')\n"
        "        return super().execute(sql, *rest)\n"
        "sqlite3.Connection = Poor\n"
        "from localreg.cli.main import main\n"
        f"raise SystemExit(main(['-R', {str(registry.path)!r}, 'search', 'net']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert "search needs FTS5" in done.stderr


def test_backups_and_gc_leave_the_index_out(registry, tmp_path):
    model(registry, "net")
    registry.search("net")
    registry.backup(tmp_path / "backup")
    assert SEARCH not in os.listdir(tmp_path / "backup")
    assert registry.gc(grace_seconds=0).garbage == ()
    with Registry(tmp_path / "backup", durability="fast") as backup:
        assert refs(backup, "net") == ["net:1"]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no modes of files")
def test_the_index_has_the_rights_of_the_database(registry):
    (registry.path / "registry.db").chmod(0o600)
    model(registry, "net")
    registry.search("net")
    assert (registry.path / SEARCH).stat().st_mode & 0o777 == 0o600


def test_the_command(registry, described):
    one, task, _ = described
    code, out, _ = run_cli("-R", registry.path, "search", "resnet50", "nightly")
    assert (code, out) == (
        0, f"vision/teeth/resnet50:1\tmodel\tname tags\t{one[:8]}\tresnet50\n"
    )  # fmt: skip
    assert run_cli("-R", registry.path, "search", "-q", "adamw", "--tasks")[1] == f"{task}\n"
    assert run_cli("-R", registry.path, "search", "-q", "adamw", "--models")[1] == ""
    code, out, err = run_cli("-R", registry.path, "search", "nothing")
    assert (code, out) == (0, "")
    assert "has 'nothing'" in err
    assert run_cli("-R", registry.path, "search", "--", "--")[0] == 1
    assert run_cli("-R", registry.path, "search")[0] == 2


def test_the_past_is_searched_as_it_was(registry):
    one = model(registry, "net", comment="before")
    event = registry.history(1)[0].event_id
    one.comment = "after"
    assert refs(registry, "after") == ["net:1"]
    with registry.as_of(event) as past:
        assert refs(past, "before") == ["net:1"]
        assert refs(past, "after") == []
    assert refs(registry, "after") == ["net:1"]


def test_hostile_texts_are_found_and_printed_harmlessly(registry):
    model(registry, "net", comment="\x1b[31mred\x1b[0m \x02word\x03 \u202etxt")
    assert refs(registry, "word") == ["net:1"]
    out = run_cli("-R", registry.path, "search", "word")[1]
    assert not set(out) & {"\x1b", "\x02", "\x03", "\u202e"}


def test_a_damaged_row_is_left_out(registry):
    """Other commands say what is damaged; the rest is found."""
    model(registry, "net")
    bad = model(registry, "net")
    registry.close()
    with closing(sqlite3.connect(registry.path / "registry.db")) as connection:
        connection.execute(
            "UPDATE model SET name = CAST(x'6e6574ff' AS TEXT) WHERE id = ?", (bad.id,)
        )
        connection.execute("UPDATE model SET comment = x'ff00fe' WHERE id = ?", (bad.id,))
        connection.commit()
    with Registry(registry.path, durability="fast") as again:
        assert refs(again, "net") == ["net:1"]
