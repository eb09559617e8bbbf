"""No road gives out unsigned bytes if that is enforced (P42): each with each kind of weights."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import foreign_signatures as foreign
from support.remotes import forget_bytes, pushed
from support.roads import ROADS, Roads
from support.servers.file_site import FileSite

from localreg import InputModel, Model, OutputModel, Registry, Task
from localreg.operations.finding.references import resolve_model
from localreg.operations.trust.keys import add_key, remove_key, signing_key
from localreg.operations.trust.signing import sign
from localreg.operations.upkeep.config import set_setting, unset

ALL = set(ROADS)
AS_OF = {each for each in ROADS if "of" in each.split() or "as-of" in each}
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


def signed_with(registry, model, release):
    """Sign a model in its registry, and trust the key in none."""
    sign(registry._chain, resolve_model(registry._chain, model.id), release[0])


@pytest.mark.parametrize("kind", ["a file", "a package"])
def test_the_roads_of_an_upstream_registry_and_who_decides(
    sources, release, tmp_path, monkeypatch, kind
):
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "first"))
    monkeypatch.setenv("LOCALREG_UPSTREAM", str(tmp_path / "upstream"))
    public = release[1]
    with Registry(tmp_path / "upstream", durability="fast") as upstream:
        unsigned = KINDS[kind].make(upstream, sources).id
        (sources.folder / "vocab.txt").write_bytes(b"other words")
        sources.weights.write_bytes(b"other bytes")
        signed = KINDS[kind].make(upstream, sources).id
        signed_with(upstream, upstream.model(signed), release)
    usual = ALL - AS_OF  # what was is asked of the first registry alone

    def both():
        """Return what the roads to both give through a chain that is opened now."""
        with Registry(
            tmp_path / "first", upstream=[tmp_path / "upstream"], durability="fast"
        ) as chain:
            return [
                given(Roads(chain, chain.model(each), tmp_path, "model.bin", without=AS_OF))
                for each in (unsigned, signed)
            ]

    with (
        Registry(tmp_path / "first", durability="fast") as first,
        Registry(tmp_path / "upstream", durability="fast") as upstream,
    ):
        own, other = first._chain.first, upstream._chain.first
        assert both() == [usual, usual]
        # Its own setting and its own keys.
        set_setting(own, "trust.mode", "enforce")
        assert both() == [set(), set()]
        add_key(other, public)
        assert both() == [set(), set()]  # that is not its own key
        add_key(own, public)
        assert both() == [set(), usual]
        # Without a setting of its own, those of the upstream registry.
        unset(own, "trust.mode")
        assert both() == [usual, usual]
        set_setting(other, "trust.mode", "enforce")
        assert both() == [set(), usual]
        remove_key(other, "release")
        assert both() == [set(), set()]
        # "off" is a setting, too.
        set_setting(own, "trust.mode", "off")
        assert both() == [usual, usual]


@pytest.mark.parametrize("kind", ["a file", "a package"])
def test_what_an_upstream_registry_enforces_holds_for_own_models_and_for_views(
    sources, release, tmp_path, monkeypatch, kind
):
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "first"))
    monkeypatch.setenv("LOCALREG_UPSTREAM", str(tmp_path / "upstream"))
    with Registry(tmp_path / "upstream", durability="fast") as upstream:
        set_setting(upstream._chain.first, "trust.mode", "enforce")
        add_key(upstream._chain.first, release[1])
    with Registry(tmp_path / "first", upstream=[tmp_path / "upstream"], durability="fast") as first:
        model = KINDS[kind].make(first, sources)
        roads = Roads(first, model, tmp_path, "model.bin")
        assert given(roads) == set()
        signed_with(first, model, release)
        assert given(roads) == ALL


@pytest.mark.parametrize("kind", ["a file", "a package"])
def test_the_roads_of_a_registry_that_cannot_be_written_to(
    registry, sources, release, tmp_path, kind
):
    model, first = KINDS[kind].make(registry, sources), registry._chain.first
    set_setting(first, "trust.mode", "enforce")
    with Registry(registry.path, readonly=True) as reader:
        roads = Roads(reader, reader.model(model.id), tmp_path, "model.bin")
        assert given(roads) == set()
        signed_with(registry, model, release)
        add_key(first, release[1])
        assert given(roads) == ALL


@pytest.mark.parametrize("kind", ["a file", "a package"])
def test_what_only_a_remote_has_is_not_fetched_before_the_check(
    registry, sources, release, tmp_path, kind
):
    model, first = KINDS[kind].make(registry, sources), registry._chain.first
    pushed(registry, tmp_path / "remote")
    forget_bytes(registry)
    set_setting(first, "trust.mode", "enforce")
    roads = Roads(registry, model, tmp_path, "model.bin")
    assert given(roads) == set()
    assert not any(each.is_file() for each in (registry.path / "blobs").rglob("*"))
    signed_with(registry, model, release)
    add_key(first, release[1])
    pushed(registry, tmp_path / "second", "second")  # the signature comes from there, too
    forget_bytes(registry)
    assert model.url is None  # what is in a folder of others was not hashed
    assert given(roads) == ALL
