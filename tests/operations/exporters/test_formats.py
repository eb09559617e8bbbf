"""What holds for every format: all of the folder or nothing, trust, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command_line import run_cli
from support.contents import blobs

from localreg import Registry
from localreg.errors import CorruptBlobError, InvalidValueError, PathExistsError, TrustError
from localreg.operations.exporters.formats import FORMATS
from localreg.operations.upkeep.config import set_setting

EVERY = pytest.mark.parametrize("name", FORMATS)
WITH_BYTES = pytest.mark.parametrize("name", ["mlflow", "hf"])


def listing(folder):
    return sorted(each.name for each in folder.iterdir())


@EVERY
def test_a_dry_run_says_the_same_and_writes_nothing(made, tmp_path, name):
    before = listing(tmp_path)
    dry = made.export(everything=True, path=tmp_path / "out", format=name, dry_run=True)
    assert listing(tmp_path) == before
    done = made.export(everything=True, path=tmp_path / "out", format=name)
    assert (dry.models, dry.tasks, dry.points, dry.files, dry.size, dry.missing) == (
        done.models, done.tasks, done.points, done.files, done.size, done.missing,
    )  # fmt: skip
    assert (dry.dry_run, done.dry_run) == (True, False)


@EVERY
def test_what_exists_is_not_replaced_and_an_empty_folder_is_used(made, tmp_path, name):
    (tmp_path / "out").mkdir()
    made.export(everything=True, path=tmp_path / "out", format=name)
    with pytest.raises(PathExistsError, match="new folder"):
        made.export(everything=True, path=tmp_path / "out", format=name)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(PathExistsError):
        made.export(everything=True, path=tmp_path / "file", format=name)
    assert (tmp_path / "file").read_text() == "mine"


@EVERY
def test_a_folder_in_the_registry_is_refused(made, name):
    with pytest.raises(InvalidValueError, match="inside the registry"):
        made.export(everything=True, path=made.path / "out", format=name)


@WITH_BYTES
def test_damaged_bytes_leave_no_folder(made, tmp_path, name):
    blob = next(each for each in blobs(made.path) if each.read_bytes() == b"first weights")
    blob.chmod(0o644)
    blob.write_bytes(b"other weights")
    before = listing(tmp_path)
    with pytest.raises(CorruptBlobError):
        made.export("vision/resnet:1", path=tmp_path / "out", format=name)
    assert listing(tmp_path) == before


@WITH_BYTES
def test_lost_bytes_are_named_and_the_exit_code_is_4(made, tmp_path, name):
    next(each for each in blobs(made.path) if each.read_bytes() == b"first weights").unlink()
    Path("w.pt").unlink()  # it would be taken instead
    code, out, err = run_cli("export", "vision/resnet:1", "--format", name, "-o", tmp_path / "out")
    assert code == 4
    assert out == f"{tmp_path / 'out'}\n"
    assert "Not in the folder: vision/resnet:1" in err


@WITH_BYTES
def test_unsigned_weights_do_not_go_out_if_that_is_enforced(made, tmp_path, name):
    set_setting(made._chain.first, "trust.mode", "enforce")
    before = listing(tmp_path)
    with pytest.raises(TrustError):
        made.export(everything=True, path=tmp_path / "out", format=name)
    assert listing(tmp_path) == before


def test_tables_hold_no_bytes_and_need_no_signature(made, tmp_path):
    set_setting(made._chain.first, "trust.mode", "enforce")
    assert made.export(everything=True, path=tmp_path / "out", format="parquet").files == 0


@WITH_BYTES
def test_bytes_of_an_upstream_registry_go_out(tmp_path, write_file, name, monkeypatch):
    with Registry(tmp_path / "up") as up:
        up.add(write_file("w.pt", b"upstream weights"), "net", "p")
    with Registry(tmp_path / "own", upstream=[tmp_path / "up"]) as own:
        own.export("p/net", path=tmp_path / "out", format=name)
    found = [each.read_bytes() for each in (tmp_path / "out").rglob("w.pt")]
    assert found == [b"upstream weights"]


@EVERY
@pytest.mark.parametrize(
    ("argument", "value"),
    [("since", "x"), ("reports", False), ("history", False), ("image", True), ("split", 9),
     ("plain_http", True)],
)  # fmt: skip
def test_arguments_of_bundles_are_refused(made, tmp_path, name, argument, value):
    with pytest.raises(InvalidValueError, match=f"{argument} is for bundles only"):
        made.export(everything=True, path=tmp_path / "out", format=name, **{argument: value})


@EVERY
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "name a new folder: -o FOLDER"),
        (("-o", "-"), "writes a folder"),
        (("-o", "oci://h/a:1"), "writes a folder"),
        (("-o", "x", "--since", "y"), "--since is for bundles"),
        (("-o", "x", "--no-reports"), "--no-reports is for bundles"),
        (("-o", "x", "--no-history"), "--no-history is for bundles"),
        (("-o", "x", "--image"), "--image is for bundles"),
        (("-o", "x", "--split", "1MB"), "--split is for bundles"),
        (("-o", "x", "--plain-http"), "--plain-http is for bundles"),
    ],
)
def test_options_of_bundles_are_usage_errors(registry, name, options, said):
    code, out, err = run_cli("export", "--all", "--format", name, *options)
    assert (code, out) == (2, "")
    assert said in err


@EVERY
def test_the_command_says_in_one_sentence_what_it_wrote(made, tmp_path, name):
    code, out, err = run_cli("export", "--all", "--format", name, "-o", tmp_path / "out")
    assert (code, out) == (0, f"{tmp_path / 'out'}\n")
    assert "Exported 4 models" in err


@EVERY
def test_a_read_only_registry_is_exported(made, tmp_path, name):
    made.close()
    with Registry(made.path, readonly=True) as registry:
        registry.export(everything=True, path=tmp_path / "out", format=name)
    assert (tmp_path / "out").is_dir()
