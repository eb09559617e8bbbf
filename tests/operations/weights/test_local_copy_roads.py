"""How many modules a local copy passes through: few, so that one can follow it.

Counted are the files of localreg of which a function is called, in a second call: the first one
opens connections and imports modules. Not counted are `filesystem` and `values` on the longer
roads: they are leaves, and call nothing else. Raise a bound only with a reason.
"""

import shutil
import sys
from pathlib import Path

import pytest

import localreg
from localreg import InputModel, Registry
from localreg.operations.weights import local_copies

PACKAGE = Path(localreg.__file__).parent


def crossed(model, **options):
    """Return the files of localreg whose functions one call of `local_copy` calls."""
    chain, found = model._place()
    files = []

    def note(frame, event, _):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            files.append(str(path.relative_to(PACKAGE)))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        local_copies.local_copy(chain, found, extract=False, **options)
    finally:
        sys.setprofile(before)
    return list(dict.fromkeys(files))


def layers(files):
    """Return those of some files that are not leaves."""
    return [each for each in files if not each.startswith(("filesystem/", "values/"))]


@pytest.fixture
def kept(registry, tmp_path):
    (tmp_path / "net.pt").write_bytes(b"weights")
    model = registry.add(tmp_path / "net.pt", "net")
    model.get_weights(raise_on_error=True)
    return model


def test_a_copy_that_exists_crosses_nine_files(kept):
    files = crossed(kept)
    assert len(files) <= 9, files


def test_a_copy_that_is_made_crosses_fourteen_files(kept):
    shutil.rmtree(Path(kept.get_weights()).parent)
    kept.get_weights(raise_on_error=True)
    shutil.rmtree(Path(kept.get_weights()).parent)
    files = layers(crossed(kept))
    assert len(files) <= 14, files


def test_a_file_outside_crosses_fourteen_files(registry, tmp_path):
    (tmp_path / "net.pt").write_bytes(b"weights")
    model = InputModel.import_model(tmp_path / "net.pt", name="net")
    crossed(model)
    files = layers(crossed(model))
    assert len(files) <= 14, files


def test_the_copy_of_an_upstream_registry_crosses_fourteen_files(tmp_path):
    (tmp_path / "net.pt").write_bytes(b"weights")
    with Registry(tmp_path / "upstream", durability="fast") as upstream:
        upstream.add(tmp_path / "net.pt", "net").get_weights(raise_on_error=True)
    with Registry(
        tmp_path / "first", upstream=[tmp_path / "upstream"], durability="fast"
    ) as registry:
        model = registry.model("net")
        crossed(model)
        files = layers(crossed(model))
    assert len(files) <= 14, files


def test_a_download_crosses_six_files_of_operations(registry, site):
    """The others hash, transfer, read headers and write rows; they do not decide anything."""
    model = InputModel.import_model(site.url(), name="net")
    crossed(model)
    files = [each for each in crossed(model, force=True) if each.startswith("operations/")]
    assert len(files) <= 6, files
