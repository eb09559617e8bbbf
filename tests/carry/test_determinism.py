"""The same models give the same bundle, byte by byte: anywhere, at any time, from any registry."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile

import pytest
from support.used_registry import make_used_registry

from localreg import Registry, Task
from localreg.blobs.archives.unpacking import remove_tree

# A locale that every system has writes numbers and sorts texts as C does, so a child process also
# gets another one where there is one.
SETTINGS = {
    "time zone": {"TZ": "Pacific/Kiritimati"},
    "locale": {"LC_ALL": "C"},
    "encoding": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"},
    "hash seed 1": {"PYTHONHASHSEED": "1"},
    "hash seed 2": {"PYTHONHASHSEED": "2"},
    "optimized": {"PYTHONOPTIMIZE": "2"},
    "user": {"USER": "somebody", "LOGNAME": "somebody", "HOME": "/nowhere"},
}
EXPORT = """
import os, sys
os.umask(int(sys.argv[3], 8))
from localreg import Registry
with Registry(sys.argv[1]) as registry:
    registry.export(path=sys.argv[2], everything=True)
"""


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A registry with some of everything; tests only read it, or copy it."""
    root = make_used_registry(tmp_path_factory.mktemp("used"))
    yield root
    remove_tree(root)


@pytest.fixture(scope="module")
def bundle(used):
    """The bytes of the bundle of all models."""
    with Registry(used, durability="fast") as registry:
        return exported(registry)


@pytest.fixture
def copy(used, tmp_path):
    """A copy of the registry that a test may change; with links, since blobs never change."""
    shutil.copytree(used, tmp_path / "copy", copy_function=os.link, ignore=_not_the_database)
    for each in used.glob("registry.db*"):
        shutil.copy2(each, tmp_path / "copy")
    return tmp_path / "copy"


def _not_the_database(folder, names):
    return [name for name in names if name.startswith("registry.db")]


def exported(registry, *models, **options):
    """Return the bytes of a bundle of some models, or of all."""
    stream = io.BytesIO()
    registry.export(*models, path=stream, everything=not models, **options)
    return stream.getvalue()


def entries_of(data):
    """Return the contents of a bundle by name, for errors that say what is different."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar.getmembers()}


def check_same(found, wanted):
    """Compare bundles: first what is in them, since their bytes say nothing to a reader."""
    if found != wanted:
        ours, theirs = set(entries_of(found).items()), set(entries_of(wanted).items())
        assert sorted(ours - theirs) == sorted(theirs - ours)
    assert hashlib.sha256(found).hexdigest() == hashlib.sha256(wanted).hexdigest()


def test_twice_from_one_registry(used, bundle):
    with Registry(used, durability="fast") as registry:
        check_same(exported(registry), bundle)


@pytest.mark.parametrize(
    ("umask", "name"), [("000", "user"), *(("077", name) for name in SETTINGS)]
)
def test_by_another_process(used, bundle, tmp_path, name, umask):
    environment = os.environ | SETTINGS[name]
    subprocess.run(
        [sys.executable, "-c", EXPORT, used, tmp_path / "b.tar", umask],
        check=True, env=environment,
    )  # fmt: skip
    check_same((tmp_path / "b.tar").read_bytes(), bundle)


def test_after_everything_that_keeps_the_models(copy, bundle):
    with Registry(copy, durability="fast") as registry:
        for model in registry.models(archived=True):
            if model.digest is not None:  # nothing is downloaded
                assert model.get_local_copy(raise_on_error=True)
        registry.verify(full=True)
        registry.gc(dry_run=False)
        registry.render()
        check_same(exported(registry), bundle)


def test_from_a_copy_of_the_directory(copy, bundle):
    """What was copied gets an origin of its own, which has made nothing yet."""
    with Registry(copy, durability="fast") as registry:
        check_same(exported(registry), bundle)


def test_from_a_registry_that_imported_it(bundle, tmp_path):
    with Registry(tmp_path / "other", durability="fast") as registry:
        registry.import_bundle(io.BytesIO(bundle))
        check_same(exported(registry), bundle)


def test_from_a_registry_that_merged_it(used, bundle, tmp_path):
    with Registry(tmp_path / "other", durability="fast") as registry:
        registry.merge(used)
        check_same(exported(registry), bundle)


def test_from_two_registries_that_merged_each_other(copy, tmp_path):
    """Each had models, reports and changes of its own, also of the same things."""
    (tmp_path / "w.bin").write_bytes(b"weights")
    bundles = []
    with (
        Registry(copy, durability="fast") as first,
        Registry(tmp_path / "other", durability="fast") as second,
    ):
        second.merge(copy)
        for number, registry in enumerate((first, second)):
            model = registry.add(tmp_path / "w.bin", "net", project="vision", tags=[f"{number}"])
            registry.set_alias(model, "prod")
            registry.model("vision/net:1").set_metadata("rank", number)
            with registry:
                task = Task.create(project_name="vision", task_name="more")
                task.get_logger().report_scalar("loss", "train", number, iteration=number)
                task.get_logger().flush()
        second.merge(copy)
        first.merge(tmp_path / "other")
        bundles = [exported(each) for each in (first, second)]
    check_same(*bundles)


def test_the_order_of_the_models_does_not_matter(used):
    with Registry(used, durability="fast") as registry:
        models = registry.models()
        check_same(exported(registry, *models), exported(registry, *models[::-1]))


@pytest.mark.parametrize("options", [{"image": True}, {"reports": False}, {"history": False}])
def test_with_options(used, options):
    with Registry(used, durability="fast") as registry:
        models = [each for each in registry.models() if each.digest is not None]
        check_same(exported(registry, *models, **options), exported(registry, *models, **options))


def test_a_folder_has_the_entries_of_the_tar(used, bundle, tmp_path):
    with Registry(used, durability="fast") as registry:
        registry.export(path=tmp_path / "folder", everything=True)
    found = {
        str(path.relative_to(tmp_path / "folder")): path.read_bytes()
        for path in (tmp_path / "folder").rglob("*")
        if path.is_file()
    }
    assert found == entries_of(bundle)


def test_parts_are_slices_of_the_tar(used, bundle, tmp_path):
    with Registry(used, durability="fast") as registry:
        registry.export(path=tmp_path / "b.tar", everything=True, split=10_000)
    parts = sorted(tmp_path.glob("b.tar.*"))
    assert len(parts) == -(-len(bundle) // 10_000)
    check_same(b"".join(each.read_bytes() for each in parts), bundle)
