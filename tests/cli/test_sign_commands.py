"""The commands sign, key, verify and get --signature."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from support.command_line import run_cli
from support.foreign_signatures import new_key, private_pem, public_pem

from localreg.values import settings

PASSWORD = "correct horse battery"


@pytest.fixture
def stage(registry, tmp_path, monkeypatch):
    """A package, a file, and keys, in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("net").mkdir()
    Path("net/a.bin").write_bytes(b"a")
    Path("net/b.bin").write_bytes(b"b")
    Path("vit.onnx").write_bytes(b"weights")
    registry.add("net", "resnet", "vision")
    registry.add("vit.onnx", "vit", "vision")
    for name, password in (("k", None), ("other", None), ("locked", PASSWORD.encode())):
        key = new_key()
        Path(f"{name}.pem").write_bytes(private_pem(key, password))
        Path(f"{name}.pub").write_bytes(public_pem(key))
    return registry


def said(*words):
    code, out, err = run_cli(*words)
    return code, (out + err).strip()


def test_sign_says_what_it_did(stage):
    code, text = said("sign", "vision/resnet", "--key", "k.pem")
    assert (code, text[:36]) == (0, "Signed vision/resnet:1 (2 files), by")
    code, text = said("sign", "vision/resnet", "--key", "k.pem")
    assert (code, text[:50]) == (0, "Nothing changed: vision/resnet:1 has this signatur")
    assert said("sign", "vision/vit", "--key", "k.pem", "-q") == (0, "")
    found = json.loads(run_cli("sign", "vision/vit", "--key", "k.pem", "--json")[1])
    assert (found["changed"], found["files"], found["path"]) == (False, 1, None)


def test_the_signature_is_written_where_it_is_wanted(stage):
    assert said("sign", "vision/vit", "--key", "k.pem", "-o", "out.sig")[0] == 0
    assert said("get", "vision/vit", "--signature") == (0, str(Path("model.sig").absolute()))
    run_cli("get", "vision/vit", "--signature", "-o", "net/")
    sheets = [Path(each).read_bytes() for each in ("out.sig", "model.sig", "net/model.sig")]
    assert len(set(sheets)) == 1
    assert said("get", "vision/vit", "--signature", "-o", "-")[1].encode() == sheets[0]
    code, text = said("sign", "vision/resnet", "--key", "k.pem", "-o", "out.sig")
    assert (code, "out.sig exists already; -f replaces it" in text) == (5, True)
    assert said("verify", "vision/resnet", "--key", "k.pub")[0] == 4  # nothing was recorded
    assert said("sign", "vision/resnet", "--key", "k.pem", "-f", "-o", "out.sig")[0] == 0
    assert Path("out.sig").read_bytes() != sheets[0]
    code, text = said("get", "vision/vit", "--signature", "--archive")
    assert (code, "leave --file out" in text) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        "sign vision/vit",
        "sign vision/vit --key k.pem --signature a.sig",
        "sign vision/vit --signature a.sig --certificate k.pub",
        "sign vision/vit --key k.pem --certificate-chain k.pub",
        "verify --key k.pub",
    ],
)
def test_what_does_not_belong_together_is_wrong_usage(stage, words):
    assert said(*words.split())[0] == 2


def test_verify_says_who_signed_or_why_nobody_counts(stage):
    assert said("verify", "vision/vit", "--key", "k.pub") == (
        4, "localreg: no signature of vision/vit:1 counts: it is not signed",
    )  # fmt: skip
    assert "`localreg sign " in said("get", "vision/vit", "--signature")[1]
    run_cli("sign", "vision/vit", "--key", "k.pem")
    run_cli("sign", "vision/vit", "--key", "other.pem")
    code, text = said("verify", "vision/vit", "--key", "k.pub", "--full")
    assert (code, "vision/vit:1 is signed by " in text) == (0, True)
    assert "Checked 1 blob" in text
    code, text = said("verify", "vision/vit", "--signed")
    assert (code, text.count("is neither given nor trusted")) == (4, 2)
    assert said("key", "add", "k.pub", "--name", "release")[1].startswith("Trusts release (key ")
    assert "is signed by release." in said("verify", "vision/vit", "--signed")[1]
    code, out, _ = run_cli("verify", "vision/vit", "--signed", "--json")
    signatures = json.loads(out)["signatures"]
    assert (code, [each["valid"] for each in signatures]) == (0, [True, False])
    assert said("verify", "vision/vit", "vision/resnet", "--signed")[0] == 4
    assert "no more" in said("key", "rm", "release")[1]
    assert said("verify", "vision/vit", "--signed")[0] == 4


def test_verify_also_says_if_a_signed_file_was_changed(stage):
    run_cli("sign", "vision/resnet", "--key", "k.pem")
    blob = next(
        each for each in (stage.path / "blobs").rglob("*") if each.is_file() and
        each.read_bytes() == b"a"
    )  # fmt: skip
    blob.chmod(0o644)
    blob.write_bytes(b"x")
    code, text = said("verify", "vision/resnet", "--key", "k.pub")
    assert (code, "is signed by" in text, "a.bin" in text) == (4, True, True)


def test_key_commands_say_what_is_trusted(stage):
    assert said("key", "ls") == (0, "No key is trusted. `localreg key add FILE` adds one.")
    assert said("key", "add", "k.pub")[1].endswith("from now on.")
    assert said("key", "add", "k.pub")[1] == (
        "Nothing changed: what is in the file is trusted already."
    )
    name, kind, digest, added = said("key", "ls")[1].split("\t")
    assert (name, kind, len(digest), len(added)) == ("k", "key", 12, 19)
    code, text = said("key", "add", "k.pem")
    assert (code, "it is a private key, which is never kept" in text) == (4, True)
    assert said("key", "rm", digest)[0] == 0
    assert said("key", "rm", digest)[0] == 3


def test_the_password_of_a_key_is_asked_for_on_a_terminal_only(stage, monkeypatch):
    code, text = said("sign", "vision/vit", "--key", "locked.pem")
    assert (code, "set LOCALREG_KEY_PASSWORD" in text) == (4, True)
    terminal, end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "localreg.cli", "sign", "vision/vit", "--key", "locked.pem"],
        stdin=end, stdout=end, stderr=end, start_new_session=True, env=os.environ.copy(),
    ) as process:  # fmt: skip
        os.close(end)
        text = b""
        with suppress(OSError):  # how Linux tells that the other end was closed
            while data := os.read(terminal, 1_000):
                text += data
                if text.endswith(b"Password of the key: "):
                    os.write(terminal, f"{PASSWORD}\n".encode())
        os.close(terminal)
        assert process.wait() == 0, text
    assert b"Signed vision/vit:1" in text
    assert PASSWORD.encode() not in text
    monkeypatch.setenv(settings.KEY_PASSWORD, PASSWORD)
    assert said("sign", "vision/resnet", "--key", "locked.pem")[0] == 0
    monkeypatch.setenv(settings.KEY_PASSWORD, "wrong")
    code, text = said("sign", "vision/resnet", "--key", "locked.pem")
    assert (code, "its password is wrong" in text, "'wrong'" in text) == (4, True, False)
