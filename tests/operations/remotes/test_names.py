"""Remotes are named, listed and found; what cannot be one is refused."""

from __future__ import annotations

import shutil

import pytest

from localreg import Registry
from localreg.errors import (
    ConflictError,
    InvalidURLError,
    InvalidValueError,
    NotFoundError,
    ReadOnlyRegistryError,
    RemoteError,
)
from localreg.operations.remotes import names
from localreg.registry import Chain, open_registry


@pytest.fixture
def chain(tmp_path):
    chain = Chain(open_registry(tmp_path / "here", durability="fast"))
    yield chain
    chain.close()
    shutil.rmtree(tmp_path)


def test_the_first_remote_gives_the_order(chain, tmp_path):
    """A second one is a mirror. Without a name the first is meant."""
    first = names.add(chain, "origin", tmp_path / "first")
    assert (first.name, first.url, first.mirror) == ("origin", str(tmp_path / "first"), False)
    assert (first.cursor, first.waiting) == (-1, 0)
    second = names.add(chain, "second", f"file://{tmp_path}/second/")
    assert (second.url, second.mirror) == (str(tmp_path / "second"), True)
    assert second.table_id != first.table_id
    assert [(each.name, each.mirror) for each in names.ls(chain)] == [
        ("origin", False), ("second", True),
    ]  # fmt: skip
    assert (first.made, second.made) == (True, True)
    assert names.find(chain).name == "origin"
    assert names.find(chain, "second").name == "second"
    assert names.rm(chain, "origin").table_id == first.table_id
    assert names.find(chain).name == "second"
    names.add(chain, "third", tmp_path / "third")
    assert [(each.name, each.mirror) for each in names.ls(chain)] == [
        ("third", False), ("second", True),
    ]  # fmt: skip


def test_what_cannot_be_a_remote_is_refused(chain, tmp_path):
    """Each error says what to do; nothing is added."""
    with pytest.raises(NotFoundError, match="remote add NAME URL"):
        names.find(chain)
    names.add(chain, "origin", tmp_path / "there")
    for url in ("s3://me:pass@bucket/x", "s3://bucket/x?token=1", "s3://bucket/x#part"):
        with pytest.raises(InvalidValueError, match="credentials") as caught:
            names.add(chain, "other", url)
        assert "pass" not in str(caught.value).replace("password", "")
    with pytest.raises(InvalidURLError, match="a directory or an object store"):
        names.add(chain, "other", "https://example.org/x")
    with pytest.raises(InvalidValueError, match="is a registry, not a remote"):
        names.add(chain, "other", chain.first.root)
    with pytest.raises(InvalidValueError, match="is inside the registry"):
        names.add(chain, "other", chain.first.root / "remote")
    for name in ("", "a b", "-x", "a/b", 5):
        with pytest.raises(InvalidValueError, match="name must"):
            names.add(chain, name, tmp_path / "other")
    with pytest.raises(ConflictError, match="there is a remote origin already"):
        names.add(chain, "origin", tmp_path / "other")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    for same in ("there", "link"):
        with pytest.raises(ConflictError, match="is the remote origin already"):
            names.add(chain, "other", tmp_path / same)
    (tmp_path / "file").write_text("x")
    for path in ("file", "file/below"):
        with pytest.raises(RemoteError, match="/file is not a directory"):
            names.add(chain, "other", tmp_path / path)
    for url, why in (
        ("s3://", "names no bucket"),
        ("s3:///bucket/x", "names no bucket"),
        ("s3:/b/x", "two slashes: s3://bucket"),
        ("S3://bucket/x", "must have a scheme in lower case"),
    ):
        with pytest.raises(InvalidValueError, match=why):
            names.add(chain, "other", url)
    assert [each.name for each in names.ls(chain)] == ["origin"]
    with pytest.raises(NotFoundError, match="there is only origin"):
        names.find(chain, "other")
    with pytest.raises(NotFoundError):
        names.rm(chain, "other")


def test_several_mirrors_must_be_named(chain, tmp_path):
    """Nothing is guessed."""
    for name in ("a", "b", "c"):
        names.add(chain, name, tmp_path / name)
    names.rm(chain, "a")
    with pytest.raises(InvalidValueError, match=r"several remotes.*b, c"):
        names.find(chain)


def test_a_registry_that_is_only_read_gets_no_remote(chain, tmp_path):
    """It is refused before anything is made there."""
    names.add(chain, "origin", tmp_path / "there")
    with Registry(chain.first.root, readonly=True) as _:
        readonly = Chain(open_registry(chain.first.root, readonly=True))
        with pytest.raises(ReadOnlyRegistryError):
            names.add(readonly, "other", tmp_path / "other")
        assert names.find(readonly).name == "origin"
        readonly.close()
    assert not (tmp_path / "other").exists()
