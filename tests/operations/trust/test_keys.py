"""Keys: those that sign, with their passwords, and those that a registry trusts."""

from __future__ import annotations

import pickle

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from support.foreign_signatures import certificate, new_key, pem, private_pem, public_pem

from localreg import Registry
from localreg.errors import ConflictError, NotFoundError, SignatureError
from localreg.operations.trust.keys import has_password, signing_key
from localreg.operations.upkeep.config import set_setting
from localreg.values import settings

KEY = new_key()
PASSWORD = "correct horse battery"
Encoding, Private = serialization.Encoding, serialization.PrivateFormat


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a file, and returns its path."""

    def write(data, name="key.pem"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def traditional(password=None):
    """Return a key as older versions of openssl write it."""
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return KEY.private_bytes(Encoding.PEM, Private.TraditionalOpenSSL, encryption)


@pytest.mark.parametrize("write", [private_pem, lambda _, password=None: traditional(password)])
def test_a_key_with_a_password_signs_with_it_only(file, monkeypatch, write):
    path = file(write(KEY, PASSWORD.encode()))
    assert has_password(path)
    assert signing_key(path, password=PASSWORD).key.public.id == signing_id()
    with pytest.raises(SignatureError, match="has a password, which was not given"):
        signing_key(path)
    with pytest.raises(SignatureError, match="its password is wrong") as caught:
        signing_key(path, password="another one")
    assert "another" not in str(caught.value)
    monkeypatch.setenv(settings.KEY_PASSWORD, PASSWORD)
    assert signing_key(path).key.public.id == signing_id()


def test_a_password_that_is_not_needed_is_not_used(file, monkeypatch):
    monkeypatch.setenv(settings.KEY_PASSWORD, PASSWORD)
    for data in (private_pem(KEY), traditional()):
        path = file(data)
        assert not has_password(path)
        assert signing_key(path).key.public.id == signing_id()


def signing_id():
    from hashlib import sha256

    return sha256(public_pem(KEY)).hexdigest()


def test_a_private_key_is_in_no_text_and_no_pickle(file):
    key = signing_key(file(private_pem(KEY)))
    assert str(KEY.private_numbers().private_value) not in repr(key)
    assert "object at" not in repr(key)
    with pytest.raises(TypeError, match="is not pickled"):
        pickle.dumps(key)


def other(key):
    return key.private_bytes(Encoding.PEM, Private.PKCS8, serialization.NoEncryption())


SIGNING = {
    "an RSA key": (other(rsa.generate_private_key(65_537, 2_048)), "only ECDSA with P-256"),
    "a foreign curve": (other(ec.generate_private_key(ec.SECP256K1())), "secp256k1 cannot be used"),
    "a public key": (public_pem(KEY), "it is a public key"),
    "a certificate": (pem(certificate("a", KEY)), "it is a certificate"),
    "no PEM": (b"weights", "no PEM file with a private key"),
    "nothing": (b"", "no PEM file with a private key"),
    "cut off": (private_pem(KEY)[:100], "the file is damaged"),
    "damaged": (private_pem(KEY).replace(b"M", b"N"), "the file is damaged"),
}


@pytest.mark.parametrize(("data", "reason"), SIGNING.values(), ids=SIGNING)
def test_what_cannot_sign_is_refused_with_the_reason(file, data, reason):
    with pytest.raises(SignatureError, match=reason) as caught:
        signing_key(file(data))
    assert "PRIVATE KEY-----" not in str(caught.value)


TRUSTING = {
    "a private key": (private_pem(KEY), "it is a private key, which is never kept"),
    "a damaged key": (public_pem(KEY)[:90], "no PEM file with a public key"),
    "an RSA key": (
        public_pem(rsa.generate_private_key(65_537, 2_048)), "its kind cannot be used",
    ),
    "a damaged certificate": (
        pem(certificate("a", KEY, authority=True))[:200] + b"\n-----END CERTIFICATE-----\n",
        "the file is damaged",
    ),
    "other bytes": (b"\0" * 1_000, "no PEM file with a public key"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "reason"), TRUSTING.values(), ids=TRUSTING)
def test_what_cannot_be_trusted_is_refused_with_the_reason(registry, file, data, reason):
    with pytest.raises(SignatureError, match=reason):
        registry.add_key(file(data))
    assert registry.trusted_keys() == []


def test_a_key_is_named_as_its_file_or_as_its_certificate(registry, file):
    (named,) = registry.add_key(file(public_pem(KEY), "release team.pub"))
    assert (named.name, named.kind, named.id) == ("release team", "key", signing_id())
    roots = [certificate(name, new_key(), authority=True) for name in ("one", "one", "two")]
    new = registry.add_key(file(pem(*roots, roots[0]), "ca.pem"))
    assert [each.name for each in new] == ["CN=one", f"CN=one {new[1].id[:8]}", "CN=two"]
    assert registry.add_key(file(pem(roots[2]), "ca.pem"), name="again") == []
    more = [certificate(name, new_key(), authority=True) for name in ("three", "four")]
    new = registry.add_key(file(pem(*more), "ca.pem"), name="company")
    assert [each.name for each in new] == ["company", "company-2"]
    assert [each.name for each in registry.trusted_keys()] == [
        "CN=one", f"CN=one {registry.trusted_keys()[1].id[:8]}", "CN=two", "company", "company-2",
        "release team",
    ]  # fmt: skip


def test_a_file_with_more_than_is_read_of_it_is_refused(registry, file):
    """Else somebody would believe that all of it is trusted."""
    one, two = public_pem(KEY), public_pem(new_key())
    authority = pem(certificate("root", new_key(), authority=True))
    for data in one + two, authority + two, one + authority:
        with pytest.raises(SignatureError, match="the file holds several"):
            registry.add_key(file(data))
    assert registry.trusted_keys() == []


def test_a_name_means_one_key(registry, file):
    registry.add_key(file(public_pem(KEY)), name="release")
    with pytest.raises(ConflictError, match="another key has the name release"):
        registry.add_key(file(public_pem(new_key())), name="release")
    assert registry.add_key(file(public_pem(KEY)), name="release") == []
    with pytest.raises(NotFoundError, match="trusts no key 'nobody'; it trusts release"):
        registry.remove_key("nobody")
    with pytest.raises(NotFoundError):
        registry.remove_key(signing_id()[:5])
    assert registry.remove_key(signing_id()[:6]).name == "release"
    with pytest.raises(NotFoundError, match="it trusts no key"):
        registry.remove_key("release")


def test_trust_travels_with_a_backup_only(registry, file, tmp_path, weights):
    """Whoever sends models must not be able to make somebody trust them."""
    registry.add(weights, "vit")
    registry.add_key(file(public_pem(KEY)), name="release")
    registry.sign("vit", file(private_pem(KEY)))
    registry.export("vit", path=tmp_path / "vit.tar")
    registry.backup(tmp_path / "copy")
    with Registry(tmp_path / "bundled", durability="fast") as other_one:
        other_one.import_bundle(tmp_path / "vit.tar")
        other_one.merge(registry.path)
        assert other_one.trusted_keys() == []
        with pytest.raises(SignatureError, match="neither given nor trusted"):
            other_one.verify_signature("vit")
        other_one.add_key(file(public_pem(KEY), "k.pub"))
        assert [each.signer for each in other_one.verify_signature("vit")] == ["k"]
    with Registry(tmp_path / "copy", durability="fast") as copy:
        assert [each.name for each in copy.trusted_keys()] == ["release"]
        assert copy.verify_signature("vit")[0].valid


def test_what_the_first_registry_with_a_trust_mode_trusts_counts(registry, file, tmp_path, weights):
    """It is the one that decides if weights are given out, also for models of upstream ones."""
    registry.add(weights, "vit")
    registry.sign("vit", file(private_pem(KEY)))
    registry.add_key(file(public_pem(KEY), "release.pub"))

    def below():
        return Registry(tmp_path / "own", upstream=[registry.path], durability="fast")

    with below() as own, pytest.raises(SignatureError, match="neither given nor trusted"):
        own.verify_signature("vit")
    set_setting(registry._chain.first, "trust.mode", "enforce")
    with below() as own:
        assert own.verify_signature("vit")[0].signer == "release"
        assert own.signature("vit") == registry.signature("vit")
