"""The import hook patches what the script imports, and restores everything."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import sys
import threading

import pytest

from localreg import Task
from localreg.api import ambient
from localreg.integrations import hook, libraries
from localreg.integrations.patches import Patches

LIBRARY = '''
"""A library."""

class Model:
    @classmethod
    def load(cls, path):
        return cls()

    @staticmethod
    def check(path):
        return path

    def save(self, path):
        return save(self, path)

def save(model, path):
    """Save a model."""
    if path == "bad":
        raise ValueError(path)
    return len(path)
'''


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Return the name of a library that can be imported, and is not."""
    (tmp_path / "library_of_tests.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(tmp_path)
    yield "library_of_tests"
    sys.modules.pop("library_of_tests", None)


class Recorded:
    """A recorder that keeps what it is given."""

    def __init__(self):
        self.seen = []

    def stop(self):
        """It has no threads."""


@pytest.fixture
def recorded():
    return Recorded()


def note(recorder, result, *args, **kwargs):
    recorder.seen.append((result, args, kwargs))


def test_functions_methods_class_and_static_methods_are_noted_and_restored(library, recorded):
    module = importlib.import_module(library)
    originals = dict(vars(module)), dict(vars(module.Model))
    patches = Patches(lambda: recorded)
    patches.after(module, "save", note, kind="model")
    for name in ("load", "check", "save"):
        patches.after(module.Model, name, note, kind="model")

    model = module.Model.load("a")
    assert module.Model.check(path="b") == "b"
    assert model.save("abc") == 3
    assert module.save(model, "ab") == 2
    assert [(each[0], each[2]) for each in recorded.seen] == [
        (model, {}), ("b", {"path": "b"}), (3, {}), (2, {}),
    ]  # fmt: skip
    assert recorded.seen[0][1] == (module.Model, "a")
    assert recorded.seen[2][1] == (model, "abc")
    assert module.save.__doc__ == "Save a model."

    patches.restore()
    assert (dict(vars(module)), dict(vars(module.Model))) == originals


def test_an_error_of_the_function_is_its_own_and_nothing_is_noted(library, recorded):
    module = importlib.import_module(library)
    patches = Patches(lambda: recorded)
    patches.after(module, "save", note)
    with pytest.raises(ValueError, match="bad"):
        module.save(None, "bad")
    assert recorded.seen == []
    assert module.save(None, "good") == 4  # not inside of the one that failed
    assert len(recorded.seen) == 1


def test_an_error_of_ours_is_logged_once_and_does_not_reach_the_caller(library, caplog):
    """P33."""
    module = importlib.import_module(library)

    def fail(recorder, *_, **__):
        raise RuntimeError("broken")

    patches = Patches(lambda: Recorded())
    patches.after(module, "save", fail)
    patches.before(module.Model, "check", fail)
    assert [module.save(None, "ab"), module.save(None, "ab"), module.Model.check(1)] == [2, 2, 1]
    assert [each.message for each in caplog.records] == [
        "localreg could not record library_of_tests.save: RuntimeError: broken",
        "localreg could not record Model.check: RuntimeError: broken",
    ]


def test_without_a_task_the_function_is_called_and_nothing_else(library):
    module = importlib.import_module(library)
    patches = Patches(lambda: None)
    patches.after(module, "save", note)
    assert module.save(None, "abc") == 3


def test_what_was_patched_by_others_since_is_not_restored(library, recorded):
    module = importlib.import_module(library)
    patches = Patches(lambda: recorded)
    patches.after(module, "save", note)
    ours = module.save
    module.save = lambda model, path: ours(model, path) + 1
    patches.restore()
    assert module.save(None, "ab") == 3


def test_a_function_in_two_places_stays_one(library, recorded):
    module = importlib.import_module(library)
    module.alias = module.save
    patches = Patches(lambda: recorded)
    patches.after(module, "save", note, also=[(module, "alias")])
    assert module.alias is module.save
    assert pickle.loads(pickle.dumps(module.save)) is module.save
    patches.restore()
    assert module.alias is module.save


def test_a_method_of_an_object_can_be_watched(recorded):
    class Stream:
        def write(self, text):
            return len(text)

    stream = Stream()
    patches = Patches(lambda: recorded)
    patches.after(stream, "write", note)
    assert stream.write("ab") == 2
    assert recorded.seen == [(2, ("ab",), {})]
    patches.restore()
    assert vars(stream) == {}


PATCHING = """
def patch(patches, module):
    patches.after(module, "save", lambda recorder, *given, **_: recorder.seen.append(given))
"""


@pytest.fixture
def install(library, tmp_path, recorded):
    """Return a function that installs the hook, with a table that has the library alone."""
    (tmp_path / "patching_of_tests.py").write_text(PATCHING)
    yield lambda: hook.install(lambda: recorded, libraries={library: ["patching_of_tests"]})
    hook.uninstall()
    sys.modules.pop("patching_of_tests", None)


def test_a_library_is_patched_when_it_is_imported(library, install, recorded):
    install()
    module = importlib.import_module(library)
    assert module.save(None, "ab") == 2
    assert recorded.seen == [(2, None, "ab")]
    plain = importlib.util.find_spec("json")
    assert type(module.__loader__) is type(plain.loader)
    assert module.__spec__.loader is module.__loader__
    install()
    assert module.save(None, "abc") == 3
    assert len(recorded.seen) == 2  # it is not patched twice
    hook.uninstall()
    assert hook.installed() is None
    assert not hasattr(module.save, "__wrapped__")


def test_a_library_that_was_imported_before_is_patched_at_once(library, install, recorded):
    module = importlib.import_module(library)
    install()
    assert module.save(None, "ab") == 2
    assert recorded.seen == [(2, None, "ab")]


def test_the_spec_of_a_library_answers_questions_before_it_is_imported(library, install):
    install()
    assert importlib.util.find_spec(library).loader.get_source(library) == LIBRARY
    assert "patching_of_tests" not in sys.modules


def test_every_entry_of_the_table_is_a_module_that_patches():
    for name, integrations in libraries.LIBRARIES.items():
        for each in integrations:
            module = importlib.import_module(each, hook.__package__)
            assert callable(module.patch), (name, each)
    every = {each for some in libraries.LIBRARIES.values() for each in some}
    assert every >= libraries.PARSERS


def test_a_task_installs_the_hook_and_the_last_one_that_ends_removes_it():
    """P33."""
    assert hook.installed() is None
    first = Task.init(task_name="first")
    assert hook.installed() is not None
    second = Task.init(task_name="second")
    first.close()
    assert hook.installed() is not None
    second.close()
    assert hook.installed() is None


def test_a_task_that_is_not_closed_leaves_no_patches_in_an_isolated_block():
    with ambient.isolated():
        Task.init(task_name="not closed")
        assert hook.installed() is not None
    assert hook.installed() is None


@pytest.mark.parametrize(
    ("table", "rounds"), [(libraries.LIBRARIES, 8), ({}, 5_000)], ids=["patches", "hook"]
)
def test_tasks_that_begin_and_end_at_once_in_threads_have_one_hook(table, rounds):
    """Two would record twice what a script saves; none would record nothing.

    A few rounds patch what is imported here; many with nothing to patch find gaps between calls.
    """
    ready = threading.Barrier(3)
    wrong = []

    def work(number):
        try:
            for _ in range(rounds):
                ready.wait(60)
                with ambient.patching():
                    ambient.set_recorder(f"task {number}", Recorded())
                    hook.install(ambient.recorder, libraries=table)
                found = sum(isinstance(each, hook.Hook) for each in sys.meta_path)
                wrong.extend([found] if found != 1 else [])
                ambient.drop_recorder(f"task {number}")
        except BaseException:
            ready.abort()  # the others do not wait
            raise

    with ambient.isolated():
        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for each in threads:
                each.start()
            for each in threads:
                each.join()
        finally:
            sys.setswitchinterval(interval)
        assert wrong == []
        assert hook.installed() is None
