"""How many files the call of a local copy runs through: few, so that it can be followed.

The tests count the files of localreg that have a function which a second call calls; the first
call opens connections and imports modules. In the longer cases `filesystem` and `values` are not
counted: they are leaves and call no other package. Raise a bound only with a reason.
"""

import shutil
import sys
from pathlib import Path

import pytest

import localreg
from localreg import InputModel, Registry
from localreg.operations.weights import local_copies

PACKAGE = Path(localreg.__file__).parent


def files_called_for(model, **options):
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
    """Return the files that are not in `filesystem` or `values`."""
    return [each for each in files if not each.startswith(("filesystem/", "values/"))]


@pytest.fixture
def kept(registry, tmp_path):
    (tmp_path / "net.pt").write_bytes(b"weights")
    model = registry.add(tmp_path / "net.pt", "net")
    model.get_weights(raise_on_error=True)
    return model


def test_an_existing_copy_takes_ten_files(kept):
    files = files_called_for(kept)
    assert len(files) <= 10, files


def test_a_new_copy_takes_fourteen_files(kept):
    shutil.rmtree(Path(kept.get_weights()).parent)
    kept.get_weights(raise_on_error=True)
    shutil.rmtree(Path(kept.get_weights()).parent)
    files = layers(files_called_for(kept))
    assert len(files) <= 14, files


def test_a_file_outside_the_registry_takes_fourteen_files(registry, tmp_path):
    (tmp_path / "net.pt").write_bytes(b"weights")
    model = InputModel.import_model(tmp_path / "net.pt", name="net")
    files_called_for(model)
    files = layers(files_called_for(model))
    assert len(files) <= 14, files


def test_the_copy_of_an_upstream_registry_takes_fourteen_files(tmp_path):
    (tmp_path / "net.pt").write_bytes(b"weights")
    with Registry(tmp_path / "upstream", durability="fast") as upstream:
        upstream.add(tmp_path / "net.pt", "net").get_weights(raise_on_error=True)
    with Registry(
        tmp_path / "first", upstream=[tmp_path / "upstream"], durability="fast"
    ) as registry:
        model = registry.model("net")
        files_called_for(model)
        files = layers(files_called_for(model))
    assert len(files) <= 14, files


def test_a_download_takes_six_files_of_operations(registry, site):
    """The other files hash, transfer, read headers and write rows; they decide nothing."""
    model = InputModel.import_model(site.url(), name="net")
    files_called_for(model)
    files = [each for each in files_called_for(model, force=True) if each.startswith("operations/")]
    assert len(files) <= 6, files
