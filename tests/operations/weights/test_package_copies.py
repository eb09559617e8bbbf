"""Local copies of packages: what is given out is what was kept, whatever happened to the folder."""

from __future__ import annotations

import pytest
from support.packages import FILES, PROGRAMS, content, keep_package

from localreg.errors import InvalidValueError, NotFoundError
from localreg.operations.weights.package_copies import package_file, package_folder

EXPECTED = (
    dict(FILES) | {"logs": None, "logs/old": None, "tokenizer": None},
    set(PROGRAMS),
)


@pytest.fixture
def package(registry):
    """The chain of a registry and the digest of a package in it."""
    chain = registry._chain
    return chain, keep_package(chain.first)


def folder_of(package, *, verify=False):
    chain, digest = package
    return package_folder(chain, chain.first, digest, verify=verify)


def file_of(package, path, *, verify=False):
    chain, digest = package
    return package_file(chain, chain.first, digest, path, verify=verify)


def test_the_folder_has_the_files_of_the_package(package):
    folder = folder_of(package)
    assert content(folder) == EXPECTED
    assert folder_of(package) == folder
    assert folder_of(package, verify=True) == folder


def test_files_are_links_to_blobs_but_for_programs(package):
    folder = folder_of(package)
    assert (folder / "config.json").stat().st_nlink == 2
    assert (folder / "model.bin").samefile(folder / "tokenizer" / "copy of model.bin")
    assert (folder / "run.sh").stat().st_nlink == 1
    assert all(not each.stat().st_mode & 0o222 for each in [folder, *folder.rglob("*")])


# one file of a package --------------------------------------------------------------------


@pytest.mark.parametrize("verify", [False, True])
def test_one_file_has_its_own_name(package, verify):
    file = file_of(package, "tokenizer/copy of model.bin", verify=verify)
    assert (file.name, file.read_bytes()) == ("copy of model.bin", b"weights")


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("confg.json", "did you mean config.json?"),
        ("vocab.txt", "did you mean tokenizer/vocab.txt?"),
        ("something", "it has config.json, model.bin, run.sh and 2 more"),
    ],
)
def test_a_file_that_is_not_in_the_package_is_an_error_with_names_like_it(package, wrong, hint):
    with pytest.raises(NotFoundError, match="the package has no file") as raised:
        file_of(package, wrong)
    assert hint in str(raised.value)
    assert raised.value.reference == wrong


@pytest.mark.parametrize("path", ["tokenizer", "logs", "logs/old"])
def test_a_folder_of_the_package_is_no_file(package, path):
    with pytest.raises(InvalidValueError, match=f"{path} is a folder of the package"):
        file_of(package, path)


@pytest.mark.parametrize("path", ["../config.json", "/config.json", "", "a//b", "a\0b"])
def test_a_path_that_leads_elsewhere_is_an_error(package, path):
    with pytest.raises(InvalidValueError, match="must be the path of a file in the package"):
        file_of(package, path)
