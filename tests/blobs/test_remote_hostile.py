"""A remote that somebody made up: nothing outside of the temporary folder is read or written."""

import json
import os

import polars
import pytest
from support.remote_rows import row, rows_of

from localreg.blobs.remote_store.commits import LAST_CHECKPOINT, commit_key, parse_commit
from localreg.blobs.remote_store.store import open_remote
from localreg.errors import RemoteError
from localreg.values.remote_format import IDENTITY


@pytest.fixture
def root(tmp_path):
    remote = open_remote(tmp_path / "remote")
    remote.create()
    remote.append([row(1)], 1)
    return tmp_path / "remote"


def rewritten(root, version, change):
    """Change the actions of a commit, each a dictionary."""
    path = root / commit_key(version)
    actions = [json.loads(line) for line in path.read_text().splitlines()]
    for each in actions:
        change(each)
    path.unlink()
    path.write_text("\n".join(map(json.dumps, actions)))


@pytest.mark.parametrize(
    "name",
    ["../../out.parquet", "/etc/passwd", "a/b.parquet", ".hidden", "..", "", "s3://b/x", "a%2e"],
)
def test_names_of_files_stay_in_their_folder(root, name):
    def lies(action):
        if "add" in action:
            action["add"]["path"] = name

    rewritten(root, 1, lies)
    with pytest.raises(RemoteError, match="commit 1 is damaged"):
        rows_of(open_remote(root), -1, 1)
    remote = open_remote(root)
    with pytest.raises(RemoteError, match=r"damaged|cannot be read"):
        remote.log.all_files(1)


@pytest.mark.parametrize(
    "stats", ["[]", "7", "{", '{"numRecords":"x","minValues":{"position":[]}}']
)
def test_strange_statistics(root, stats):
    def lies(action):
        if "add" in action:
            action["add"]["stats"] = stats

    rewritten(root, 1, lies)
    try:
        assert rows_of(open_remote(root)) == [(1, 0, *row(1))]
    except RemoteError as error:
        assert "damaged" in str(error)  # noqa: PT017  (either is right)


@pytest.mark.parametrize(
    "line",
    ['{"add":7}', '{"add":{"path":"x","size":1e400}}', "[[[[", "7", '{"remove":{}}', "\xff",
     "[" * 100_000, '{"add":{"path":"x"}}', '{"add":{"path":7,"size":5}}', '{"commitInfo":7}'],
)  # fmt: skip
def test_strange_commits(root, line):
    (root / commit_key(2)).write_bytes(line.encode("latin-1"))
    remote = open_remote(root)
    with pytest.raises(RemoteError, match="commit 2 is damaged"):
        remote.head()


@pytest.mark.parametrize(
    "text",
    ["7", '{"version":1e400}', '{"version":-1}', '{"version":"1"}', '{"version":7}', "[" * 60_000,
     '{"version":99999999999999999999999999}'],
)  # fmt: skip
def test_strange_checkpoints_of_the_log(root, text):
    (root / LAST_CHECKPOINT).write_text(text)
    remote = open_remote(root)
    assert remote.head().version == 1
    assert [file.rows for file in remote.log.all_files(1)] == [1]


@pytest.mark.parametrize("key", [IDENTITY, commit_key(1), LAST_CHECKPOINT])
def test_a_pipe_is_no_object(root, key):
    """It would be read for ever."""
    (root / key).unlink(missing_ok=True)
    os.mkfifo(root / key)
    remote = open_remote(root)
    with pytest.raises(RemoteError, match="a pipe"):
        remote.identity() if key == IDENTITY else remote.head()


def test_a_pipe_is_no_file_of_events(root):
    (file,) = root.glob("events/*.parquet")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(RemoteError, match="a file of its events is missing"):
        rows_of(open_remote(root))


@pytest.mark.parametrize("kind", ["no id", "null id", "texts", "nothing"])
def test_other_columns_in_a_file_of_events(root, kind):
    """Whoever takes rows checks their values."""
    (file,) = root.glob("events/*.parquet")
    frame = polars.read_parquet(file, use_pyarrow=False)
    changed = {
        "no id": frame.drop("event_id"),
        "null id": frame.with_columns(event_id=polars.lit(None)),
        "texts": frame.with_columns(seq=polars.lit("x")),
        "nothing": frame.drop(frame.columns),
    }[kind]
    file.unlink()
    changed.write_parquet(file)

    def lies(action):
        if "add" in action:
            action["add"]["size"] = file.stat().st_size

    rewritten(root, 1, lies)
    try:
        found = rows_of(open_remote(root))
    except RemoteError:
        return
    assert [each[2] for each in found] == [None] * len(found)


def test_a_commit_of_another_program():
    commit = parse_commit(3, b'{"add":{"path":"x.parquet","size":5}}\n{"txn":{"appId":"a"}}\n')
    assert (commit.added[0].rows, commit.brings, len(commit.id)) == (None, True, 64)
