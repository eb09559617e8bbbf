"""P4, P8, P28: whatever is done with packages that share files, what is kept is whole."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support.contents import blobs, check_sound, unaccounted
from support.proofs import TIMES
from support.trees import (
    DAMAGES,
    File,
    blobs_of,
    digest_of,
    look,
    manifest_of,
    plant,
    sha256,
)

from localreg import Model, OutputModel, Registry, Task
from localreg.blobs.archives.unpacking import remove_tree
from localreg.operations.upkeep import cache

CONTENTS = [b"", b"one", b"two" * 500, b"three" * 2_000]
FILES = st.builds(File, st.sampled_from(CONTENTS), st.booleans())
# Few paths and few contents, so that packages share files.
TREES = st.dictionaries(
    st.sampled_from(["a", "b", "deep/a", "deep/er/b"]), FILES, min_size=1
) | st.builds(
    lambda tree: tree | {"logs": None},
    st.dictionaries(st.sampled_from(["a", "c"]), FILES, min_size=1),
)  # fmt: skip
DAMAGE = st.sampled_from(sorted(DAMAGES))


class Packages(RuleBasedStateMachine):
    """A registry of a few packages; a dict says which trees must be there.

    Attributes:
        kept: the trees of each model's revisions, by id; the last is the one that it serves.
        removed: those of removed models whose bytes are not yet collected.
        files: single files that are kept: their digests, by model.
        artifacts: the trees of a task's artifacts.
    """

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="localreg-test-"))
        self.registry = Registry(self.folder / "registry", durability="fast")
        self.registry.__enter__()
        self.task = Task.create("p", "t")
        self.kept, self.removed, self.files, self.artifacts = {}, {}, {}, {}
        self.output = None  # the model that is updated
        self.count = 0

    def source(self, tree):
        self.count += 1
        return plant(self.folder / f"source-{self.count}", tree)

    def teardown(self):
        try:
            self.collect()
            for model in sorted(self.kept):
                self.check(model)
            verified = self.registry.verify(full=True)
            assert verified.ok, verified.problems
            check_sound(self.registry.path)
            left = unaccounted(self.registry.path)
            assert [each for each in left if not each.startswith("quarantine/")] == []
        finally:
            self.registry.__exit__(None, None, None)
            remove_tree(self.folder)

    def needed(self):
        """Return the digests of all blobs that something refers to."""
        revisions = [tree for trees in self.kept.values() for tree in trees]
        trees = [*revisions, *self.artifacts.values()]
        return {each for tree in trees for each in blobs_of(tree)} | set(self.files.values())

    def check(self, model):
        tree = self.kept[model][-1]
        assert look(Model(model).get_local_copy(raise_on_error=True)) == tree
        assert Model(model).digest == digest_of(tree)

    def some(self, number, models):
        """Return one of some models, by a number that was drawn."""
        return sorted(models)[number % len(models)]

    @rule(tree=TREES)
    def add(self, tree):
        self.kept[self.registry.add(self.source(tree), "net", "p").id] = [tree]

    @rule(tree=TREES, keep=st.integers(1, 3))
    def update(self, tree, keep):
        """A model with revisions: the oldest are dropped."""
        if self.output is None or self.output.id not in self.kept:  # it was removed
            self.output = OutputModel(self.task, name="output")
        self.output.update_weights_package(
            weights_path=str(self.source(tree)), auto_delete_file=False, keep_last=keep
        )
        model = self.output.id
        self.kept[model] = [*self.kept.get(model, []), tree][-keep:]

    @rule(tree=TREES, name=st.sampled_from("xy"))
    def upload_artifact(self, tree, name):
        self.task.upload_artifact(name, self.source(tree), wait_on_upload=True)
        self.artifacts[name] = tree

    @rule(name=st.sampled_from("xy"))
    def delete_artifact(self, name):
        self.task.delete_artifacts([name], raise_on_errors=False)
        self.artifacts.pop(name, None)

    @rule(tree=TREES, whole=st.booleans(), number=st.integers(0, 9))
    def add_a_file(self, tree, whole, number):
        """The bytes of a file that packages have too; or those of a manifest."""
        datas = [file.content for file in tree.values() if file is not None]
        data = manifest_of(tree) if whole else datas[number % len(datas)]
        self.count += 1
        path = self.folder / f"file-{self.count}"
        path.write_bytes(data)
        self.files[self.registry.add(path, "file", "p").id] = sha256(data)

    @precondition(lambda self: self.kept)
    @rule(number=st.integers(0, 99), delete=st.booleans())
    def remove(self, number, delete):
        model = self.some(number, self.kept)
        Model.remove(model, delete_weights_file=delete, raise_on_errors=True, force=True)
        trees = self.kept.pop(model)
        if not delete:
            self.removed[model] = trees

    @precondition(lambda self: self.files)
    @rule(number=st.integers(0, 99), delete=st.booleans())
    def remove_a_file(self, number, delete):
        model = self.some(number, self.files)
        Model.remove(model, delete_weights_file=delete, raise_on_errors=True)
        del self.files[model]

    @precondition(lambda self: self.removed)
    @rule(number=st.integers(0, 99))
    def restore(self, number):
        model = self.some(number, self.removed)
        self.registry.restore(model)
        self.kept[model] = self.removed.pop(model)

    @rule()
    def collect(self):
        done = self.registry.gc(grace_seconds=0, dry_run=False)
        assert done.failed == ()
        self.removed.clear()
        assert self.registry.gc(grace_seconds=0).garbage == ()
        found = {each.parent.name + each.name for each in blobs(self.registry.path)}
        assert found == self.needed(), "exactly what something refers to"

    @rule()
    def prune(self):
        done = cache.prune(self.registry._chain, max_size=0, dry_run=False)
        assert done.failed == ()

    @rule()
    def verify(self):
        verified = self.registry.verify(full=True)
        assert verified.ok, verified.problems

    @rule()
    def repair(self):
        assert self.registry.repair().lost == ()

    @precondition(lambda self: self.kept)
    @rule(number=st.integers(0, 99))
    def get(self, number):
        self.check(self.some(number, self.kept))

    @precondition(lambda self: self.kept)
    @rule(number=st.integers(0, 99), other=st.integers(0, 99))
    def get_a_file(self, number, other):
        model = self.some(number, self.kept)
        tree = self.kept[model][-1]
        files = {path: file for path, file in tree.items() if file is not None}
        path = self.some(other, files)
        copy = Path(Model(model).get_local_copy(file=path, raise_on_error=True))
        assert copy.read_bytes() == files[path].content

    @precondition(lambda self: self.kept)
    @rule(number=st.integers(0, 99), damage=DAMAGE)
    def damage(self, number, damage):
        model = self.some(number, self.kept)
        tree = self.kept[model][-1]
        copy = Path(Model(model).get_local_copy(raise_on_error=True))
        path = min(path for path, file in tree.items() if file is not None)
        DAMAGES[damage](copy, path)
        outside = self.registry.path / "outside"
        if outside.exists():  # where the link leads
            remove_tree(outside) if outside.is_dir() else outside.unlink()
        self.check(model)

    @invariant()
    def nothing_needed_is_lost(self):
        found = {each.parent.name + each.name for each in blobs(self.registry.path)}
        assert self.needed() <= found


@pytest.mark.long
def test_any_operations_on_packages_that_share_files():
    """Nothing needed is lost; a collection leaves nothing else; all local folders are whole."""
    run_state_machine_as_test(
        Packages,
        settings=settings(
            max_examples=12 * TIMES, stateful_step_count=25, deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
