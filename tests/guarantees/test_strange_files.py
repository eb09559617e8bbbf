"""P25: whatever a stranger put in the place of a registry's files, nothing hangs or leads outside.

A pipe, a socket, a device, a folder or a link is replaced or refused, and never followed.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat

import pytest
from support.proofs import TIMES
from support.used_registry import in_time, make_used_registry, misused

from localreg import InputModel, Registry
from localreg.errors import LocalregError
from localreg.pages.assets import asset_names, asset_path


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return make_used_registry(tmp_path_factory.mktemp("template"))


@pytest.fixture
def root(template, tmp_path):
    return shutil.copytree(template, tmp_path / "registry")


def a_pipe(path, victim):
    os.mkfifo(path)


def a_socket(path, victim):
    # Its own path may be too long for a socket.
    where = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{where}/{path.name}")
    finally:
        os.close(where)


def a_device(path, victim):
    if os.geteuid() == 0:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # as /dev/zero: it never ends
    else:
        os.mkfifo(path)  # only root can make devices


def a_folder(path, victim):
    path.mkdir()
    (path / "inside").write_text("of a stranger")


def a_link(path, victim):
    path.symlink_to(victim / "precious")


def a_link_to_a_folder(path, victim):
    path.symlink_to(victim)


def a_link_to_a_pipe(path, victim):
    path.symlink_to(victim / "pipe")


THINGS = (
    a_pipe, a_socket, a_device, a_folder, a_link, a_link_to_a_folder, a_link_to_a_pipe
)  # fmt: skip


def first(root, pattern):
    """Return the first path that matches in a registry."""
    return sorted(root.glob(pattern))[0]


PLACES = {
    "page": lambda root: first(root, "reports/models/*.html"),
    "page of a task": lambda root: first(root, "reports/tasks/*.html"),
    "overview": lambda root: root / "reports/index.html",
    "script": lambda root: root / "reports/assets" / asset_names()["plotly"],
    "style": lambda root: root / "reports/assets" / asset_names()["page.css"],
    "folder of pages": lambda root: root / "reports/models",
    "pages": lambda root: root / "reports",
    "temporary file": lambda root: root / "tmp/blob-0123",
    "note of a folder": lambda root: root / f"tmp/outside-{'0' * 32}.0123456789ab-1",
    "temporary files": lambda root: root / "tmp",
    "blob": lambda root: first(root, "blobs/sha256/*/*"),
    "folder of blobs": lambda root: first(root, "blobs/sha256/*"),
    "blobs": lambda root: root / "blobs",
    "local file": lambda root: first(root, "files/*/w.npz"),
    "folder of local files": lambda root: first(root, "files/*/w.npz").parent,
    "local files": lambda root: root / "files",
    "trees": lambda root: root / "trees",
    "locks": lambda root: root / "locks",
    "quarantine": lambda root: root / "quarantine",
    "database": lambda root: root / "registry.db",
    "log": lambda root: root / "registry.db-wal",
    "index of the log": lambda root: root / "registry.db-shm",
    "journal": lambda root: root / "registry.db-journal",
}


def look(folder):
    """Return name, kind, size, and time of change of all that is in a folder."""
    return {
        (each.name, each.lstat().st_mode, each.lstat().st_size, each.lstat().st_ctime_ns)
        for each in folder.rglob("*")
    }


@pytest.mark.long
@pytest.mark.parametrize(
    "thing", THINGS if TIMES > 1 else (a_pipe, a_link_to_a_folder), ids=lambda thing: thing.__name__
)
@pytest.mark.parametrize("place", PLACES)
def test_strange_files_are_replaced_or_refused(root, tmp_path, place, thing):
    """Every call and command is right or one of our errors, none hangs, none leads outside."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("of the user")
    os.mkfifo(victim / "pipe")
    path = PLACES[place](root)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    thing(path, victim)
    before = look(victim)
    assert misused(root) == []
    with in_time():
        try:
            with Registry(root, durability="fast") as registry:
                registry.repair(full=True)
                InputModel.import_model(victim / "precious", name="new", copy=True)
        except LocalregError:
            pass
    assert {each[:3] for each in look(victim)} == {each[:3] for each in before}
    assert (victim / "precious").read_text() == "of the user"


@pytest.mark.parametrize("name", sorted(asset_names()))
def test_an_asset_with_other_bytes_is_written_new(root, name):
    """A script in a stranger's registry is compared with ours by its bytes, not by its name."""
    place = root / "reports/assets" / asset_names()[name]
    sound = asset_path(name).read_bytes()
    place.write_bytes(sound[:-1] + b"!")  # of the same size
    with Registry(root) as registry:
        registry.render()
    assert place.read_bytes() == sound


def test_a_page_with_another_body_is_written_new(root):
    """A page is kept if it is as this machine wrote it; one that was changed is written new."""
    page = first(root, "reports/models/*.html")
    with Registry(root) as registry:
        registry.render()
        sound, when = page.read_bytes(), page.stat().st_mtime_ns
        registry.render()
        assert page.stat().st_mtime_ns == when  # kept
        page.write_bytes(sound.replace(b"<body", b"<body onload='evil()'"))
        registry.render()
    assert b"evil" not in page.read_bytes()


def test_a_page_without_a_model_goes_with_the_next_site(root):
    """A page of a stranger in the folder of our pages is deleted; a folder there is left."""
    (root / "reports/models/evil.html").write_text("<script>evil()</script>")
    (root / "reports/models/folder.html").mkdir()
    with Registry(root) as registry:
        registry.render()
    assert not (root / "reports/models/evil.html").exists()
    assert (root / "reports/models/folder.html").is_dir()
