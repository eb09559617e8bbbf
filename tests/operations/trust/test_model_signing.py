"""The official tool, model_signing of PyPI, and localreg accept what the other one signed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from model_signing._cli import main as official
from support import foreign_signatures as foreign
from support.command_line import run_cli
from support.foreign_signatures import certificate, new_key

ROOT_KEY, TEAM_KEY, KEY = new_key(), new_key("P-384"), new_key("P-384")
ROOT = certificate("root", ROOT_KEY, authority=True)
TEAM = certificate("team", TEAM_KEY, (ROOT, ROOT_KEY), authority=True)
LEAF = certificate("anna", KEY, (TEAM, TEAM_KEY))


def tool(*words):
    """Run the official tool in this process; return what it says, after "ok: " or "no: "."""
    done = CliRunner().invoke(official, [str(word) for word in words])
    return f"{'no' if done.exit_code else 'ok'}: {done.output}"


def run(*words):
    code, out, err = run_cli(*words)
    return code, out + err


@pytest.fixture
def stage(registry, tmp_path, folder, weights, key_file, monkeypatch):
    """A package, a single file, keys and certificates, in the working directory."""
    monkeypatch.chdir(tmp_path)
    registry.add(folder, "resnet", project="vision")
    registry.add(weights, "vit", project="vision")
    for curve in ("P-256", "P-384", "P-521", "Ed25519"):
        key = new_key(curve)
        key_file(key, curve)
        key_file(key, curve, public=True)
    key_file(KEY, "anna")
    for name, each in (("root", ROOT), ("team", TEAM), ("leaf", LEAF)):
        (tmp_path / f"{name}.pem").write_bytes(foreign.pem(each))
    return tmp_path


@pytest.mark.parametrize("ref", ["vision/resnet", "vision/vit"])
def test_the_tool_accepts_what_localreg_signed_and_refuses_a_changed_file(stage, ref):
    """With each curve, and with certificates; of Ed25519 localreg says that the tool refuses it."""
    assert run_cli("get", ref, "-o", "copy")[0] == 0
    one = stage / "copy"
    changed = one / "model.safetensors" if one.is_dir() else one
    for curve in ("P-256", "P-384", "P-521"):
        code, said = run("sign", ref, "--key", f"{curve}.pem", "-o", f"{curve}.sig")
        assert (code, "Ed25519" in said) == (0, False), said
        verify = ("verify", "key", one, "--public_key", f"{curve}.pub", "--signature")
        assert tool(*verify, f"{curve}.sig").startswith("ok: Verification succeeded")
    code, said = run("sign", ref, "--key", "Ed25519.pem", "-o", "ed.sig")
    assert (code, "model_signing does not accept Ed25519" in said) == (0, True)
    ed = ("verify", "key", one, "--public_key", "Ed25519.pub", "--signature", "ed.sig")
    assert tool(*ed).startswith("no")
    by_certificate = ("--certificate", "leaf.pem", "--certificate-chain", "team.pem")
    code, said = run("sign", ref, "--key", "anna.pem", *by_certificate, "-o", "leaf.sig")
    assert code == 0, said
    verify = ("verify", "certificate", one, "--certificate_chain", "root.pem", "--signature")
    assert tool(*verify, "leaf.sig").startswith("ok: Verification succeeded")
    changed.write_bytes(b"other bytes")
    assert "Hash mismatch" in tool(*verify, "leaf.sig")
    ours = ("verify", "key", one, "--public_key", "P-256.pub", "--signature", "P-256.sig")
    assert tool(*ours).startswith("no")


@pytest.mark.parametrize("ref", ["vision/resnet", "vision/vit"])
def test_localreg_accepts_what_the_tool_signed(stage, registry, ref):
    path = stage / ("net" if ref == "vision/resnet" else "net.onnx")
    for curve in ("P-256", "P-521"):
        made = tool("sign", "key", path, "--private_key", f"{curve}.pem", "--signature", "key.sig")
        assert made.startswith("ok"), made
        code, said = run("sign", ref, "--signature", "key.sig")
        assert (code, "Kept a signature" in said) == (0, True), said
        assert run("sign", ref, "--signature", "key.sig")[1].startswith("Nothing changed")
        assert run("verify", ref, "--key", f"{curve}.pub")[0] == 0
    made = tool(
        "sign", "certificate", path, "--private_key", "anna.pem", "--signing_certificate",
        "leaf.pem", "--certificate_chain", "team.pem", "--signature", "leaf.sig",
    )  # fmt: skip
    assert made.startswith("ok"), made
    assert run("sign", ref, "--signature", "leaf.sig")[0] == 0
    code, out, _ = run_cli("verify", ref, "--certificate-chain", "root.pem", "--json")
    valid = [each["signer"] for each in json.loads(out)["signatures"] if each["valid"]]
    assert (code, valid) == (0, ["CN=anna by CN=root"])


def test_a_signature_in_its_own_package_counts(stage, registry, folder):
    """As in models that are published with their model.sig."""
    made = tool(
        "sign", "key", folder, "--private_key", "P-256.pem", "--signature", folder / "model.sig"
    )
    assert made.startswith("ok"), made
    registry.add(folder, "signed", project="vision")
    assert run("sign", "vision/signed", "--signature", folder / "model.sig")[0] == 0
    assert run("verify", "vision/signed", "--key", "P-256.pub")[0] == 0


def test_files_that_the_tool_leaves_out_are_named(stage, registry, folder):
    (folder / ".gitattributes").write_text("*.bin filter=lfs")
    registry.add(folder, "cloned", project="vision")
    sign = ("sign", "key", folder, "--private_key", "P-256.pem", "--signature", "a.sig")
    assert tool(*sign).startswith("ok")
    code, said = run("sign", "vision/cloned", "--signature", "a.sig")
    assert (code, "left out by ignore_paths, so not signed: .gitattributes" in said) == (4, True)
    assert tool(*sign, "--no-ignore-git-paths").startswith("ok")
    assert run("sign", "vision/cloned", "--signature", "a.sig")[0] == 0
