"""What differs between two sets of texts, or of files."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from localreg.values.differences import file_changes, leaves, text_changes
from localreg.values.manifest import PackageFile

TEXTS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("xyz"))
FILES = st.dictionaries(
    st.sampled_from(["a", "b", "c/a", "c/b"]),
    st.tuples(st.sampled_from(["1" * 64, "2" * 64]), st.booleans()),
).map(lambda found: [PackageFile(path, *(what[0], 1, what[1])) for path, what in found.items()])


@given(TEXTS, TEXTS)
def test_the_first_with_its_changes_is_the_second(before, after):
    changes = text_changes(before, after)
    made = {name: text for name, text in before.items() if name not in changes.removed}
    made |= changes.added | {name: new for name, (_, new) in changes.changed.items()}
    assert made == after
    assert all(before[name] == old != new for name, (old, new) in changes.changed.items())


@given(TEXTS)
def test_equal_texts_have_no_changes(texts):
    assert not text_changes(texts, dict(texts))


@given(FILES, FILES)
def test_each_file_is_added_removed_changed_or_the_same(before, after):
    changes = file_changes(before, after)
    counted = len(changes.changed) + changes.same
    assert len(changes.removed) + counted == len(before)
    assert len(changes.added) + counted == len(after)
    assert all(old != new for old, new in changes.changed)


@given(FILES)
def test_equal_files_have_no_changes(files):
    assert not file_changes(files, list(reversed(files)))


def test_a_file_that_may_be_executed_now_has_changed():
    before, after = PackageFile("a", "1" * 64, 1), PackageFile("a", "1" * 64, 1, True)
    assert file_changes([before], [after]).changed == ((before, after),)


def test_two_single_files_are_one_file_under_two_names():
    before, after = PackageFile("a-1.pt", "1" * 64, 1), PackageFile("a-2.pt", "2" * 64, 1)
    assert file_changes([before], [after]).changed == ((before, after),)


def test_a_deep_configuration_is_taken_apart_without_recursion():
    deep: object = 1
    for _ in range(5_000):
        deep = {"a": deep}
    ((path, value),) = leaves(deep).items()
    assert (path.count("."), value) == (4_999, 1)
