"""Fixtures of the tests of signatures and gates."""

from __future__ import annotations

import pytest

from localreg.operations.finding.references import resolve_model


@pytest.fixture
def folder(tmp_path):
    """A folder with two files, one of them below another folder, with a name that is not ASCII."""
    made = tmp_path / "net"
    (made / "größe").mkdir(parents=True)
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "größe" / "b é.json").write_bytes(b"{}")
    return made


@pytest.fixture
def weights(tmp_path):
    """A file with weights."""
    made = tmp_path / "net.onnx"
    made.write_bytes(b"weights")
    return made


@pytest.fixture
def found(registry):
    """Return what a reference names."""
    return lambda reference: resolve_model(registry._chain, reference)


@pytest.fixture
def key_file(tmp_path):
    """Return a function that writes a private key or its public key, and returns the path."""
    from support.foreign_signatures import private_pem, public_pem

    def write(key, name="key", *, public=False, password=None):
        path = tmp_path / f"{name}.{'pub' if public else 'pem'}"
        path.write_bytes(public_pem(key) if public else private_pem(key, password))
        return path

    return write
