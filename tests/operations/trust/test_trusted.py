"""What is checked before weights are given out: of which bytes, by which setting, at what cost."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from support import foreign_signatures as foreign
from support.command_line import run_cli
from support.statements import counted

from localreg import Dataset, InputModel, OutputModel, Registry, Task
from localreg.errors import (
    CorruptBlobError,
    DamagedRowError,
    DigestMismatchError,
    TrustError,
    WeightsError,
)
from localreg.operations.finding.references import resolve_model
from localreg.operations.reports.cards import card_text
from localreg.operations.trust.keys import add_key, remove_key, signing_key
from localreg.operations.trust.signing import sign
from localreg.operations.upkeep.config import set_setting
from localreg.operations.upkeep.doctor import examine


@pytest.fixture
def first(registry):
    """The registry, which enforces signatures."""
    set_setting(registry._chain.first, "trust.mode", "enforce")
    return registry._chain.first


@pytest.fixture
def release(registry, key_file):
    """Return a function that signs a model with a key that is trusted."""
    key = foreign.new_key()
    add_key(registry._chain.first, key_file(key, "release", public=True))
    signing = signing_key(key_file(key))
    return lambda model: sign(registry._chain, resolve_model(registry._chain, model.id), signing)


def read(path):
    return Path(path).read_bytes()


def path_of(url):
    return Path(unquote(urlsplit(url).path))


# which bytes


def test_other_weights_of_a_signed_model_are_unsigned(first, weights, release, tmp_path):
    model = OutputModel(task=Task.create("vision", "train"), name="net")
    assert path_of(model.update_weights(weights)).read_bytes() == b"weights"  # back to who has it
    release(model)
    assert read(model.get_weights(raise_on_error=True)) == b"weights"
    (tmp_path / "more.onnx").write_bytes(b"others")
    model.update_weights(tmp_path / "more.onnx")
    with pytest.raises(TrustError, match=r"vision/net:1 \(.{8}\) is not signed\. The setting"):
        model.get_weights(raise_on_error=True)
    old, new = model.revisions()
    assert path_of(old.url).read_bytes() == b"weights"
    assert new.url is None
    model.restore_weights(1)
    assert read(model.get_weights(raise_on_error=True)) == b"weights"


def test_what_a_url_serves_now_is_not_what_was_signed(first, site, release):
    model = InputModel.import_model(site.url(), name="net")
    with pytest.raises(TrustError, match="is not signed"):
        model.get_weights(raise_on_error=True)
    release(model)
    assert read(model.get_weights(raise_on_error=True)) == site.files["/net.pt"]
    site.files["/net.pt"] = b"others"
    with pytest.raises(TrustError, match="is not signed"):
        model.get_weights(raise_on_error=True, force_download=True)
    with pytest.raises(TrustError, match="is not signed"):
        model.get_weights(raise_on_error=True)


def test_a_package_that_a_url_serves_now_is_not_what_was_signed(first, folder, site, release):
    def zipped(more):
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as writer:
            writer.writestr("model.bin", b"weights")
            writer.writestr("more", more)
        return target.getvalue()

    site.files["/net.zip"] = zipped(b"one")
    model = InputModel.import_model(site.url("/net.zip"), name="net", is_package=True)
    with pytest.raises(TrustError, match="is not signed"):
        model.get_local_copy(raise_on_error=True)
    release(model)
    assert (Path(model.get_local_copy(raise_on_error=True)) / "more").read_bytes() == b"one"
    site.files["/net.zip"] = zipped(b"two")
    for _ in range(2):
        with pytest.raises(TrustError, match="is not signed"):
            model.get_local_copy(raise_on_error=True, force_download=True)
    with pytest.raises(TrustError, match="is not signed"):
        model.get_local_copy(raise_on_error=True, file="model.bin")


def test_a_pinned_digest_does_not_stand_for_the_signed_one(
    registry, first, weights, release, tmp_path
):
    """A record that came from elsewhere names other bytes by its URL and its pin."""
    model = registry.add(weights, "net")
    release(model)
    evil = tmp_path / "evil.onnx"
    evil.write_bytes(b"evil!!!")
    with first.store.write() as change:
        change.connection.execute(
            "UPDATE weights SET url = ?, pinned = ?, kept = 0",
            (evil.as_uri(), hashlib.sha256(b"evil!!!").hexdigest()),
        )
    with pytest.raises(TrustError, match="is not signed"):
        model.get_weights(raise_on_error=True)
    with pytest.raises(DigestMismatchError):
        print(model.url)
    assert [each.url for each in model.revisions()] == [None]


def test_an_archive_is_made_of_the_signed_files(registry, first, folder, release, tmp_path):
    """A record that came from elsewhere names the sha256 of any archive."""
    model = registry.add(folder, "net")
    release(model)
    evil = tmp_path / "evil.zip"
    with zipfile.ZipFile(evil, "w") as writer:
        writer.writestr("evil", b"evil")
    digest = registry.add(evil, "evil").digest
    with first.store.write() as change:
        change.connection.execute(
            "UPDATE weights SET archive = ?, archive_size = ?, filename = 'net.zip' WHERE tree = 1",
            (digest, evil.stat().st_size),
        )
    with zipfile.ZipFile(model.get_local_copy(extract_archive=False, raise_on_error=True)) as found:
        assert "evil" not in found.namelist()
        assert "model.safetensors" in found.namelist()
    set_setting(first, "trust.mode", "off")
    with zipfile.ZipFile(model.get_local_copy(extract_archive=False, raise_on_error=True)) as found:
        assert found.namelist() == ["evil"]


def test_an_archive_at_its_url_must_unpack_to_what_was_signed(
    registry, first, folder, release, tmp_path
):
    model = registry.add(folder, "net")
    release(model)
    evil = tmp_path / "evil.zip"
    with zipfile.ZipFile(evil, "w") as writer:
        writer.writestr("model.safetensors", b"evil")
    with first.store.write() as change:
        change.connection.execute(
            "UPDATE weights SET url = ?, archive = ?, archive_size = ?, kept = 0, uploaded = 1",
            (evil.as_uri(), hashlib.sha256(evil.read_bytes()).hexdigest(), evil.stat().st_size),
        )
    with pytest.raises(TrustError, match="does not unpack to what was signed"):
        model.get_local_copy(raise_on_error=True)
    for asked in ({"extract_archive": False}, {"file": "model.safetensors"}):
        with pytest.raises(TrustError):
            model.get_local_copy(raise_on_error=True, **asked)


def test_an_upload_that_was_changed_is_no_local_url(registry, first, weights, release, tmp_path):
    (tmp_path / "uploads").mkdir()
    model = OutputModel(task=Task.create("vision", "train"), name="net")
    model.update_weights(weights, upload_uri=str(tmp_path / "uploads"))
    model.wait_for_uploads()
    release(model)
    place = path_of(model.url)
    assert place.read_bytes() == b"weights"
    place.chmod(0o644)
    place.write_bytes(b"w3ights")
    with pytest.raises(DigestMismatchError):
        print(model.url)
    with pytest.raises(WeightsError):
        model.get_weights(raise_on_error=True)


# data sets


def test_a_data_set_is_given_out_whole_and_in_parts_if_it_is_signed(
    registry, first, folder, release, tmp_path
):
    dataset = Dataset.create("cats", "vision")
    dataset.add_files(folder)
    dataset.finalize(auto_upload=True)
    roads = {
        "whole": dataset.get_local_copy,
        "a part": lambda: dataset.get_local_copy(part=0, num_parts=2),
        "files": lambda: dataset.get_local_copy(files=["model.safetensors"]),
        "a copy": lambda: dataset.get_mutable_local_copy(tmp_path / "copy", overwrite=True),
        "a part of a copy": lambda: dataset.get_mutable_local_copy(
            tmp_path / "part", overwrite=True, part=0, num_parts=2
        ),
    }
    commands = [(), ("--part", "0/2")]
    for road in roads.values():
        with pytest.raises(TrustError, match="is not signed"):
            road()
    for number, arguments in enumerate(commands):
        target = tmp_path / f"out{number}"
        code, out, err = run_cli("dataset", "get", dataset.id, *arguments, "-o", target)
        assert (code != 0, out, target.exists()) == (True, "", False)
        assert "is not signed" in err
    release(dataset)
    for name, road in roads.items():
        assert any(each.read_bytes() for each in Path(road()).rglob("*.*")), name
    for number, arguments in enumerate(commands):
        code, _, err = run_cli(
            "dataset", "get", dataset.id, *arguments, "-o", tmp_path / f"out{number}"
        )
        assert code == 0, err


def test_links_of_a_data_set_are_not_signed(registry, first, folder, weights, release, caplog):
    dataset = Dataset.create("cats", "vision")
    dataset.add_files(folder)
    dataset.add_external_files(weights.as_uri())
    dataset.finalize(auto_upload=True)
    release(dataset)
    with pytest.raises(TrustError, match=r"has links, which no signature covers: net\.onnx\."):
        dataset.get_local_copy()
    assert Path(dataset.get_local_copy(files=["model.safetensors"])).is_dir()
    set_setting(first, "trust.mode", "warn")
    assert (Path(dataset.get_local_copy()) / "net.onnx").read_bytes() == b"weights"
    assert "has links, which no signature covers" in caplog.text


# what is shown


def test_the_card_of_an_unsigned_package_is_not_shown_and_the_page_says_why(
    registry, folder, release, tmp_path
):
    (folder / "README.md").write_text("# What it is\n\nwritten by a stranger\n")
    model = registry.add(folder, "net")
    first = registry._chain.first

    def shown():
        page = model.report().read_text()
        assert ("written by a stranger" in page) == (
            "written by a stranger" in run_cli("card", model.id)[1]
        )
        return "written by a stranger" in page, page

    there, page = shown()
    assert (there, "it is not signed" in page) == (True, False)
    set_setting(first, "trust.mode", "warn")
    there, page = shown()
    assert (there, "not trusted: it is not signed" in page) == (True, True)
    set_setting(first, "trust.mode", "enforce")
    there, page = shown()
    assert (there, "not given out: it is not signed" in page) == (False, True)
    release(model)
    there, page = shown()
    assert (there, "signed by a trusted key" in page) == (True, True)


def test_doctor_and_env_show_what_is_checked(registry, key_file, weights):
    registry.add(weights, "net")
    first = registry._chain.first

    def shown():
        env = run_cli("env")[1]
        (line,) = (each for each in env.splitlines() if each.startswith("trust"))
        (finding,) = (
            each for each in run_cli("doctor")[1].splitlines() if each.startswith("trust\t")
        )
        return line.split(None, 1)[1], finding

    assert shown()[0] == "off"
    set_setting(first, "trust.mode", "enforce")
    mode, finding = shown()
    assert mode == "enforce"
    assert "no key is trusted" in finding
    add_key(first, key_file(foreign.new_key(), "release", public=True))
    assert "trusted keys and certificates: 1" in shown()[1]


# which setting, and at what cost


def test_a_setting_that_cannot_be_one_gives_out_nothing(registry, weights):
    model, first = registry.add(weights, "net"), registry._chain.first
    for value in ("", "enforc", b"\xff", 5):
        with first.store.write() as change:
            change.connection.execute(
                "INSERT OR REPLACE INTO setting VALUES ('trust.mode', ?)", (value,)
            )
        for road in (
            lambda: model.get_weights(raise_on_error=True),
            lambda: model.url,
            lambda: model.revisions(),
        ):
            with pytest.raises(DamagedRowError):
                road()


def test_remedies_name_the_registry_that_they_change(tmp_path, weights):
    """The setting and the keys are upstream; a model is there, and another one is here."""
    upstream, first = tmp_path / "upstream", tmp_path / "first"
    with Registry(upstream) as registry:
        there = registry.add(weights, "net", "vision").id
        set_setting(registry._chain.first, "trust.mode", "enforce")
    with Registry(first, upstream=[upstream]) as registry:
        here = registry.add(weights, "own", "vision").id
        for id_, command in ((there, f"localreg -R {upstream}"), (here, "localreg")):
            with pytest.raises(TrustError) as caught:
                registry.model(id_).get_local_copy(raise_on_error=True)
            assert f"`{command} sign {id_[:8]} --key FILE`" in str(caught.value)
            assert f"`localreg -R {upstream} key add FILE`" in str(caught.value)
            assert f"`localreg -R {upstream} config trust.mode`" in str(caught.value)


def test_an_upstream_registry_that_is_gone_or_damaged(tmp_path, weights):
    upstream, first = tmp_path / "upstream", tmp_path / "first"

    def set_upstream(value):
        with Registry(upstream, durability="fast") as registry:
            set_setting(registry._chain.first, "trust.mode", "warn")
            with registry._chain.first.store.write() as change:
                change.connection.execute(
                    "UPDATE setting SET value = ? WHERE name = 'trust.mode'", (value,)
                )

    with Registry(first, durability="fast") as registry:
        registry.add(weights, "net")
    for value in ("", "enforc", b"\xff"):
        set_upstream(value)
        with Registry(first, upstream=[upstream]) as registry, pytest.raises(DamagedRowError):
            registry.model("net").get_weights(raise_on_error=True)
    set_upstream("enforce")
    with Registry(first, upstream=[upstream]) as registry:
        model = registry.model("net")
        shutil.rmtree(upstream)  # as it was when it was opened, also if it is away
        for road in (lambda: model.get_weights(raise_on_error=True), lambda: print(model.url)):
            with pytest.raises(TrustError):
                road()
    with Registry(first, upstream=[upstream]) as registry:
        assert read(registry.model("net").get_weights(raise_on_error=True)) == b"weights"
        (finding,) = (each for each in examine(registry._chain) if each.what == "trust")
        assert finding.text == (
            "off; what the upstream registries that are left out want is not known"
        )


def exchange(root, old, new):
    """Exchange bytes of a registry where they lie; their size stays."""
    assert len(old) == len(new)
    for each in (root / "blobs").rglob("*"):
        if each.is_file() and each.read_bytes() == old:
            each.chmod(0o644)
            each.write_bytes(new)


def test_bytes_that_others_exchange_upstream_are_not_given_out(tmp_path, folder, weights, key_file):
    """A signature is of sha256s: what lies in the directory of others is hashed."""
    upstream = tmp_path / "upstream"
    key = foreign.new_key()
    (folder / "README.md").write_bytes(b"# what it is")
    with Registry(upstream, durability="fast") as registry:
        made = [registry.add(weights, "file"), registry.add(folder, "package")]
        dataset = Dataset.create("cats", "vision", registry=registry)
        dataset.add_files(folder)
        dataset.finalize(auto_upload=True)
        for each in (*made, dataset):
            each = resolve_model(registry._chain, each.id)
            sign(registry._chain, each, signing_key(key_file(key)))

    def roads(registry):
        file, package = registry.model("file"), registry.model("package")
        data = Dataset.get(dataset_id=dataset.id, registry=registry)
        name = "model.safetensors"
        return {
            "file": lambda: file.get_weights(raise_on_error=True),
            "its url": lambda: path_of(file.url),
            "its revision": lambda: path_of(file.revisions()[0].url or ""),
            "package": lambda: package.get_local_copy(raise_on_error=True),
            "its archive": lambda: package.get_local_copy(
                raise_on_error=True, extract_archive=False
            ),
            "its url too": lambda: path_of(package.url),
            "its revision too": lambda: path_of(package.revisions()[0].url or ""),
            "one of it": lambda: package.get_local_copy(raise_on_error=True, file=name),
            "a copy": lambda: package.get_local_copy(raise_on_error=True, mutable=True),
            "data set": lambda: data.get_local_copy(),
            "a part": lambda: data.get_local_copy(files=[name]),
        }

    def given():
        found = set()
        with Registry(tmp_path / "first", upstream=[upstream], durability="fast") as registry:
            for name, road in roads(registry).items():
                try:
                    if os.path.lexists(road()) and road() != Path():
                        found.add(name)
                except CorruptBlobError:
                    pass
            if "what it is" in card_text(registry._chain, registry.model("package")._found()):
                found.add("card")
        shutil.rmtree(tmp_path / "first" / "trees", ignore_errors=True)
        shutil.rmtree(tmp_path / "first" / "files", ignore_errors=True)
        return found

    with Registry(tmp_path / "first", durability="fast") as registry:
        first = registry._chain.first
        set_setting(first, "trust.mode", "enforce")
        add_key(first, key_file(key, "release", public=True))
    everything = given()
    assert len(everything) == 12
    exchange(upstream, b"weights", b"w3ights")
    exchange(upstream, b"# what it is", b"# what it_is")
    assert given() == set()


def test_what_an_upstream_registry_says_of_a_signed_archive_is_not_signed(
    tmp_path, folder, key_file
):
    upstream, key = tmp_path / "upstream", foreign.new_key()
    archive = tmp_path / "net.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("good", b"good")
    with Registry(upstream, durability="fast") as registry:
        model = registry.add(archive, "net")
        found = resolve_model(registry._chain, model.id)
        sign(registry._chain, found, signing_key(key_file(key)))
        evil = registry.add(folder, "evil").digest
        with registry._chain.first.store.write() as change:
            change.connection.execute(
                "INSERT INTO unpacked SELECT ?, pk, 0 FROM blob WHERE digest = ?",
                (model.digest, evil),
            )
    with Registry(tmp_path / "first", upstream=[upstream], durability="fast") as registry:
        model = registry.model("net")
        unpacked = Path(model.get_local_copy(raise_on_error=True, extract_archive=True))
        assert (unpacked / "model.safetensors").exists()
        set_setting(registry._chain.first, "trust.mode", "enforce")
        add_key(registry._chain.first, key_file(key, "release", public=True))
        unpacked = Path(model.get_local_copy(raise_on_error=True, extract_archive=True))
        assert [each.name for each in unpacked.iterdir()] == ["good"]


def test_in_a_view_of_the_past_the_signatures_of_then_count_by_the_keys_of_now(
    registry, first, weights, release
):
    model = registry.add(weights, "net")
    before = registry.history(limit=1)[0].event_id
    release(model)
    after = registry.history(limit=1)[0].event_id
    with registry.as_of(before) as past, pytest.raises(TrustError, match="is not signed"):
        past.model(model.id).get_weights(raise_on_error=True)
    with registry.as_of(after) as past:
        assert read(past.model(model.id).get_weights(raise_on_error=True)) == b"weights"
        remove_key(first, "release")
        with pytest.raises(TrustError, match="no signature by a trusted key"):
            past.model(model.id).get_weights(raise_on_error=True)


@pytest.mark.parametrize("mode", ["off", "enforce"])
def test_a_view_is_as_strict_after_its_registry_was_closed(tmp_path, weights, mode):
    with Registry(tmp_path / "first", durability="fast") as registry:
        model = registry.add(weights, "net")
        set_setting(registry._chain.first, "trust.mode", mode)
        view = registry.as_of("2090-01-01")
    with view:
        past = view.model(model.id)
        if mode == "off":
            assert read(past.get_weights(raise_on_error=True)) == b"weights"
        else:
            with pytest.raises(TrustError):
                past.get_weights(raise_on_error=True)


def test_without_the_setting_a_warm_road_is_as_short_as_before(registry, weights, folder):
    file, package = registry.add(weights, "net"), registry.add(folder, "net")
    for model, most in ((file, 1), (package, 2)):
        model.get_local_copy(raise_on_error=True)
        with counted() as statements, Registry(registry.path) as again:
            same = again.model(model.id)
            same.get_local_copy(raise_on_error=True)
            before = sum(statements.values())
            same.get_local_copy(raise_on_error=True)
            assert sum(statements.values()) - before == most, statements


WITHOUT = """
import sys
sys.modules["cryptography"] = None
from localreg import Registry
from localreg.errors import TrustError
with Registry(sys.argv[1]) as registry:
    try:
        print(registry.model(sys.argv[2]).get_local_copy(raise_on_error=True))
    except TrustError as error:
        print("TrustError", error)
"""


def test_without_cryptography_nothing_counts_as_signed(registry, first, weights, release):
    model = registry.add(weights, "net")
    release(model)

    def said():
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT, registry.path, model.id],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout, done.stderr

    out, _ = said()
    assert out.startswith("TrustError")
    assert "pip install 'localreg[sign]'" in out
    set_setting(first, "trust.mode", "warn")
    out, err = said()
    assert Path(out.strip()).read_bytes() == b"weights"
    assert "pip install 'localreg[sign]'" in err
    set_setting(first, "trust.mode", "off")
    assert said()[1] == ""
