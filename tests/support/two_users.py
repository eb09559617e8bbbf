"""Several users in the tests: a child process of root becomes one of them."""

from __future__ import annotations

import importlib
import os
import pkgutil
import tempfile
from pathlib import Path

GROUP = 41_000  # numbers without a user; the kernel accepts any
ALICE, BOB, STRANGER = 41_001, 41_002, 41_003
_SLOW = ("__main__", "clearml_shim", "demo", "migrations", "pytest_plugin", "run", "user_database",
         "utilities", "_async", "asyncio", "_read_write", "_sqlite", "_strict", "_win")  # fmt: skip


_prepared = []  # not empty: this process has imported all that another user may not read


def become(user: int, umask: int, *, pages: bool = False) -> None:
    """Become another user; all but the stranger are in the group.

    Args:
        pages: also import what pages need.
    """
    if not _prepared:
        prepare(pages=pages)
    os.setgroups([] if user == STRANGER else [GROUP])
    os.setgid(user)
    os.setuid(user)
    os.umask(umask)


def prepare(*, pages: bool = True) -> None:
    """Import everything, since another user may not be able to read Python's files."""
    import filelock

    import localreg

    for package in (localreg, filelock):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not any(part.startswith(_SLOW) for part in module.name.split(".")[1:]):
                importlib.import_module(module.name)
    for name in (
        "click.testing",
        "cryptography.hazmat.primitives.asymmetric.ed25519",
        "cryptography.x509",
        "ctypes",
        "grp",
        "idna",
        "lzma",
        "pwd",
        "requests",
        "tarfile",
        "zipfile",
    ):
        importlib.import_module(name)
    "a".encode("cp437")  # for the names in archives
    with tempfile.TemporaryDirectory() as folder:
        _rehearse(Path(folder), pages)
    _prepared.append(True)


def _rehearse(folder: Path, pages: bool) -> None:
    """Use a registry, so that what is loaded at its first use is loaded."""
    import localreg

    (folder / "a").mkdir()
    (folder / "a" / "a.txt").write_text("a")
    with localreg.Registry(folder / "r", durability="fast") as registry:
        registry.add(folder / "a", "a").get_local_copy(raise_on_error=True)
        if pages:
            task = localreg.Task.init(project_name="p", task_name="t")
            task.get_logger().report_scalar("loss", "train", 1.0, 0)
            registry.model("a").report()
            registry.render()
            task.close()
        registry.model("a").remove("a")
        registry.gc(grace_seconds=0, dry_run=False)


def need_root() -> None:
    """Skip a test where nobody can become another user."""
    import pytest  # not in the child processes, where it would take a third of the time

    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can become other users")
