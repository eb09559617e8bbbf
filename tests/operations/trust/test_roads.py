"""No road gives out unsigned bytes if that is enforced: each is tried with each kind of weights."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import foreign_signatures as foreign
from support.roads import ROADS, Roads
from support.servers.file_site import FileSite

from localreg import InputModel, Model, OutputModel, Registry, Task
from localreg.operations.finding.references import resolve_model
from localreg.operations.trust.keys import add_key, remove_key, signing_key
from localreg.operations.trust.signing import sign
from localreg.operations.upkeep.config import set_setting, unset

ALL = set(ROADS)
URLS = {"url", "url as of", "revisions"}
ARCHIVES = {"get_weights", "packed", "path --archive", "get --archive"}


@dataclass
class Sources:
    """What models are made of."""

    weights: Path
    folder: Path
    archive: Path
    destination: Path
    site: FileSite


@pytest.fixture
def sources(tmp_path, site):
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"bytes of weights")
    (folder / "vocab.txt").write_bytes(b"bytes of words")
    weights = tmp_path / "model.bin"
    weights.write_bytes(b"bytes of weights")
    archive = tmp_path / "net.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        for each in sorted(folder.iterdir()):
            writer.write(each, each.name)
    site.files = {"/model.bin": weights.read_bytes(), "/net.zip": archive.read_bytes()}
    destination = tmp_path / "uploads"
    destination.mkdir()
    return Sources(weights, folder, archive, destination, site)


@pytest.fixture
def release(key_file):
    """The key that signs, and its public part."""
    key = foreign.new_key()
    return signing_key(key_file(key)), key_file(key, "release", public=True)


def output(registry: Registry, package: bool, sources: Sources) -> OutputModel:
    model = OutputModel(task=Task.create("vision", "train"), name="net")
    destination = str(sources.destination)
    if package:
        model.update_weights_package(weights_path=sources.folder, upload_uri=destination)
    else:
        model.update_weights(sources.weights, upload_uri=destination)
    model.wait_for_uploads()
    return model


@dataclass
class Kind:
    """How to make a model; `signable` if its sha256 is known once it was fetched."""

    make: Callable[[Registry, Sources], Model]
    signable: bool = True


KINDS = {
    "a file": Kind(lambda registry, sources: registry.add(sources.weights, "net")),
    "a package": Kind(lambda registry, sources: registry.add(sources.folder, "net")),
    "an archive": Kind(lambda registry, sources: registry.add(sources.archive, "net")),
    "an upload": Kind(lambda registry, sources: output(registry, False, sources)),
    "an upload of a package": Kind(lambda registry, sources: output(registry, True, sources)),
    "a file of the user": Kind(
        lambda _, sources: InputModel.import_model(sources.weights, name="net"), signable=False
    ),
    "an archive of the user": Kind(
        lambda _, sources: InputModel.import_model(sources.archive, name="net", is_package=True),
        signable=False,
    ),
    "a download": Kind(
        lambda _, sources: InputModel.import_model(sources.site.url("/model.bin"), name="net")
    ),
    "a download of a package": Kind(
        lambda _, sources: InputModel.import_model(
            sources.site.url("/net.zip"), name="net", is_package=True
        )
    ),
}


def given(roads):
    """Return the roads that give something."""
    return {name for name, found in roads.given().items() if found is not None}


@pytest.mark.parametrize("kind", KINDS)
def test_every_road_gives_out_what_a_trusted_key_signed_and_nothing_else(
    registry, sources, release, tmp_path, caplog, kind
):
    made, first = KINDS[kind], registry._chain.first
    key, public = release
    model = made.make(registry, sources)
    roads = Roads(registry, model, tmp_path, "model.bin")
    # What is at a server has no local path: its URL is given, and is not looked at here.
    usual = ALL - (URLS if "download" in kind else set())
    # The archive itself is not what was signed.
    signed = usual - (URLS | ARCHIVES if kind == "an upload of a package" else set())
    set_setting(first, "trust.mode", "enforce")
    assert given(roads) == set()  # before a download, too
    unset(first, "trust.mode")
    assert given(roads) == usual
    set_setting(first, "trust.mode", "enforce")
    assert given(roads) == set()
    if made.signable:
        found = resolve_model(registry._chain, model.id)
        sign(registry._chain, found, key)
        assert given(roads) == set()  # by a key that is not trusted
        add_key(first, public)
        assert given(roads) == signed
        remove_key(first, "release")
        assert given(roads) == set()
    caplog.clear()
    set_setting(first, "trust.mode", "warn")
    with caplog.at_level(logging.WARNING):
        assert given(roads) == usual
        assert given(roads) == usual
    warned = [each.getMessage() for each in caplog.records if "trust.mode" in each.getMessage()]
    assert len(warned) == 1, warned
