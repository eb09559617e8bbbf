"""Signatures and trusted keys where several people use a registry, and where it is read-only."""

from __future__ import annotations

import io
import os
import stat
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.contents import unaccounted
from support.foreign_signatures import new_key, private_pem, public_pem
from support.two_users import ALICE, BOB, GROUP, need_root

from localreg import Registry
from localreg.errors import ReadOnlyRegistryError, TrustError
from localreg.operations.upkeep.config import set_setting


@pytest.fixture
def place():
    """A folder that the members of the group can make things in, as pytest's own are not."""
    need_root()
    with tempfile.TemporaryDirectory(prefix="localreg-test-", dir="/tmp") as folder:
        os.chown(folder, 0, GROUP)
        Path(folder).chmod(0o2775)
        yield Path(folder)


def init(user, umask, root):
    from support.two_users import GROUP, become

    become(user, umask)
    from support.command_line import run_cli

    return run_cli("init", "--shared", str(GROUP), str(root))


def work(user, umask, root, name, key, trusted):
    """Add and sign a model as somebody, trust a key; return what is given of each model."""
    import io

    from support.two_users import become

    become(user, umask)
    from localreg import Registry
    from localreg.errors import TrustError
    from localreg.operations.upkeep.config import set_setting

    told = {}
    with Registry(root) as registry:
        set_setting(registry._chain.first, "trust.mode", "enforce")
        registry.add(io.BytesIO(name.encode()), name, "p", filename="w.pt")
        registry.sign(f"p/{name}", key)
        registry.add_key(trusted)
        registry.protect(f"p/{name}@prod", ["signed"])
        for model in registry.models():
            try:
                with open(model.get_local_copy(raise_on_error=True)) as file:
                    told[model.name] = file.read()
            except TrustError:
                told[model.name] = None
        assert not registry.gc(grace_seconds=0, dry_run=False).failed
        assert registry.verify(full=True).ok
    return told


def test_members_of_a_group_sign_for_each_other(place, members):
    """Each with a umask that gives others nothing; each private key can be read by its owner."""
    root, keys = place / "registry", {}
    for name, user in (("alice", ALICE), ("bob", BOB)):
        key = new_key()
        keys[name] = place / f"{name}.pem", place / f"{name}.pub"
        keys[name][0].write_bytes(private_pem(key))
        os.chown(keys[name][0], user, user)
        keys[name][0].chmod(0o600)
        keys[name][1].write_bytes(public_pem(key))
    code, _, said = members.run(init, ALICE, 0o077, str(root))
    assert code == 0, said

    def run(name, user, trusts):
        private, public = str(keys[name][0]), str(keys[trusts][1])
        return members.run(work, user, 0o077, str(root), name, private, public)

    alice = run("alice", ALICE, "alice")
    assert alice["alice"] == "alice"
    bob = run("bob", BOB, "bob")
    assert (bob["alice"], bob["bob"]) == ("alice", "bob")
    for path in (root / "blobs").rglob("*"):
        if path.is_file():
            status = path.stat()
            assert status.st_gid == GROUP
            assert status.st_mode & stat.S_IRGRP
            assert not status.st_mode & stat.S_IRWXO
    assert unaccounted(root) == []


WRITES = {
    "sign": lambda registry, folder: registry.sign("p/signed", folder / "other.pem"),
    "attach": lambda registry, folder: registry.attach_signature("p/signed", folder / "kept.sig"),
    "add a key": lambda registry, folder: registry.add_key(folder / "other.pub"),
    "remove a key": lambda registry, folder: registry.remove_key("key"),
    "protect": lambda registry, folder: registry.protect("p/signed@new", ["signed"]),
    "unprotect": lambda registry, folder: registry.unprotect("p/signed@prod"),
    "override": lambda registry, folder: registry.set_alias("p/plain", "new", override="so"),
}


def test_a_read_only_registry_checks_and_takes_nothing(tmp_path):
    key, other = new_key(), new_key()
    (tmp_path / "key.pem").write_bytes(private_pem(key))
    (tmp_path / "key.pub").write_bytes(public_pem(key))
    (tmp_path / "other.pem").write_bytes(private_pem(other))
    (tmp_path / "other.pub").write_bytes(public_pem(other))
    with Registry(tmp_path / "r", durability="fast") as registry:
        registry.add(io.BytesIO(b"signed"), "signed", "p", filename="w.pt")
        registry.add(io.BytesIO(b"plain"), "plain", "p", filename="w.pt")
        registry.sign("p/signed", tmp_path / "key.pem")
        (tmp_path / "kept.sig").write_bytes(registry.signature("p/signed"))
        registry.add_key(tmp_path / "key.pub", "key")
        registry.protect("p/signed@prod", ["signed"])
        registry.set_alias("p/signed", "prod")
        set_setting(registry._chain.first, "trust.mode", "enforce")
    with Registry(tmp_path / "r", readonly=True) as registry:
        assert Path(registry.model("p/signed@prod").get_local_copy()).read_bytes() == b"signed"
        with pytest.raises(TrustError):
            registry.model("p/plain").get_local_copy(raise_on_error=True)
        assert [each.valid for each in registry.verify_signature("p/signed")] == [True]
        assert [each.name for each in registry.trusted_keys()] == ["key"]
        for act in WRITES.values():
            with pytest.raises(ReadOnlyRegistryError):
                act(registry, tmp_path)


def test_threads_get_the_signed_bytes_or_an_error_while_the_trust_changes(tmp_path):
    """A key that is added and removed all the time: never other bytes, and no other error."""
    key = new_key()
    (tmp_path / "key.pem").write_bytes(private_pem(key))
    (tmp_path / "key.pub").write_bytes(public_pem(key))
    with Registry(tmp_path / "r", durability="fast") as registry:
        model = registry.add(io.BytesIO(b"signed"), "signed", "p", filename="w.pt")
        registry.add(io.BytesIO(b"plain"), "plain", "p", filename="w.pt")
        registry.sign(model, tmp_path / "key.pem")
        set_setting(registry._chain.first, "trust.mode", "enforce")
        done = threading.Event()

        def read():
            given = []
            while not done.is_set() or not given:
                for name in ("signed", "plain"):
                    try:
                        path = registry.model(f"p/{name}").get_local_copy(raise_on_error=True)
                        given.append(Path(path).read_bytes())
                    except TrustError:
                        given.append(None)
            return given

        with ThreadPoolExecutor(5) as pool:
            readers = [pool.submit(read) for _ in range(4)]
            for _ in range(20):
                registry.add_key(tmp_path / "key.pub", "key")
                registry.remove_key("key")
            registry.add_key(tmp_path / "key.pub", "key")
            done.set()
            given = [each for reader in readers for each in reader.result()]
        assert set(given) <= {b"signed", None}
        assert Path(model.get_local_copy()).read_bytes() == b"signed"
