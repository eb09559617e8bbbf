"""Manifests: one form for the same files, and nothing else is accepted."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg.errors import InvalidValueError
from localreg.values.manifest import Manifest, PackageFile, make_manifest, parse_manifest
from localreg.values.paths import is_package_path

DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(is_package_path)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join).filter(is_package_path)
FILES = st.builds(PackageFile, PATHS, DIGESTS, st.integers(0, 2**50), st.booleans())
NOTHING = "0" * 64


@given(st.lists(FILES, min_size=1, max_size=20), st.lists(PATHS, max_size=5), st.randoms())
def test_the_same_files_in_any_order_give_the_same_bytes_and_come_back(files, folders, random):
    """A manifest does not depend on the order of a folder's listing."""
    try:
        manifest = make_manifest(files, folders)
    except InvalidValueError:  # a path twice, or a file that is also a folder
        return
    random.shuffle(files)
    random.shuffle(folders)
    data = make_manifest(files, folders).encoded()
    assert data == manifest.encoded()
    assert parse_manifest(data) == manifest
    canonical = json.dumps(
        json.loads(data), sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )
    assert data == f"{canonical}\n".encode()


@pytest.mark.parametrize(
    "path",
    ["", "/a", "a/", "a//b", ".", "..", "./a", "a/..", "a/./b", "C:a", "a\\b", "a\nb", "a\0",
     "\x7f", "\ud800"],
)  # fmt: skip
def test_a_path_that_leads_outside_or_is_refused_somewhere_is_refused(path):
    """A manifest of somebody else never becomes a path outside the package."""
    assert not is_package_path(path)
    with pytest.raises(InvalidValueError, match="cannot be the path"):
        make_manifest([PackageFile(path, NOTHING, 1)], [])


@pytest.mark.parametrize("path", ["...", " ", "a b/..c", "é/e\u0301", "-x", "con", "ab:c", "~"])
def test_other_paths_are_kept_as_they_are(path):
    """Names that only some systems keep are a matter of the local copy."""
    manifest = make_manifest([PackageFile(path, NOTHING, 1)], [])
    assert parse_manifest(manifest.encoded()) == manifest


@pytest.mark.parametrize(
    ("files", "folders", "why"),
    [
        (["a", "a"], [], "twice"),
        (["a"], ["a"], "twice"),
        (["a", "a/b"], [], "both a file and a folder"),
        ([], ["a", "a/b"], "both a file and a folder"),
        ([], [], "no files"),
    ],
)
def test_a_list_that_no_folder_can_be_is_refused(files, folders, why):
    """Every path of a package can exist beside the others."""
    with pytest.raises(InvalidValueError, match=why):
        make_manifest([PackageFile(each, NOTHING, 1) for each in files], folders)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + " ",
        lambda text: text.rstrip("\n"),
        lambda text: text.replace('"v":1', '"v":2'),
        lambda text: text.replace('"v":1', '"v": 1'),
        lambda text: text.replace("false", "0"),
        lambda text: text.replace("false", "null"),
        lambda text: text.replace('"size":1', '"size":-1'),
        lambda text: text.replace('"size":1', '"size":1.0'),
        lambda text: text.replace('"size":1', '"more":2,"size":1'),
        lambda text: text.replace('"size":1', '"size":1,"size":1'),
        lambda text: text.replace("0" * 64, "0" * 63),
        lambda text: text.replace("0" * 64, "A" * 64),
        lambda text: text.replace('"folders":[]', '"folders":{}'),
        lambda text: text.replace('"folders":[]', '"folders":[7]'),
        lambda text: "[" * 100_000,
        lambda text: "[]",
        lambda text: "",
        lambda text: text.replace('"a"', '"\\u0061"'),
    ],
)
def test_bytes_that_are_not_exactly_a_manifest_are_refused(change):
    """A package has one digest, so its manifest has one form."""
    good = Manifest((PackageFile("a", NOTHING, 1),)).encoded().decode()
    with pytest.raises(InvalidValueError, match="not the manifest of a package"):
        parse_manifest(change(good).encode())


def test_bytes_that_are_no_text_are_refused():
    """A manifest is UTF-8."""
    with pytest.raises(InvalidValueError, match="not the manifest"):
        parse_manifest(b'{"files":[],"folders":["\xff"],"v":1}\n')
