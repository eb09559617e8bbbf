"""Certificates: whom they let sign, and why others are refused."""

from __future__ import annotations

from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from support import foreign_signatures as foreign
from support.foreign_signatures import DAY, NOW, certificate, new_key

from localreg.errors import SignatureError
from localreg.operations.trust.keys import add_key, signing_key, trusted_file
from localreg.operations.trust.signing import attach, sign, verify

DIGEST = sha256(b"weights").hexdigest()
KEY, TEAM_KEY, ROOT_KEY, OTHER_KEY = (new_key() for _ in range(4))
ROOT = certificate("root", ROOT_KEY, authority=True)
TEAM = certificate("team", TEAM_KEY, (ROOT, ROOT_KEY), authority=True)
LEAF = certificate("anna", KEY, (TEAM, TEAM_KEY))


def chain_of(*, root=None, team=None, leaf=None):
    """Return a chain with some of its certificates made otherwise: the leaf, the team, the root."""
    top = certificate("root", ROOT_KEY, **({"authority": True} | (root or {})))
    middle = certificate("team", TEAM_KEY, (top, ROOT_KEY), **({"authority": True} | (team or {})))
    return certificate("anna", KEY, (middle, TEAM_KEY), **(leaf or {})), middle, top


EXPIRED = {"begins": NOW - 3 * DAY, "ends": NOW - DAY}
FUTURE = {"begins": NOW + DAY, "ends": NOW + 3 * DAY}
UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True)
# What is made otherwise, and why it is refused.
REFUSED = {
    "an expired leaf": ({"leaf": EXPIRED}, r"of CN=anna expired: it is valid from .* to .* UTC"),
    "an expired authority": ({"team": EXPIRED}, "of CN=team expired"),
    "an expired root": ({"root": EXPIRED}, "of CN=root expired"),
    "a leaf of the future": ({"leaf": FUTURE}, "of CN=anna is not yet valid: it is valid from"),
    "an authority of the future": ({"team": FUTURE}, "of CN=team is not yet valid"),
    "a leaf for servers": (
        {"leaf": {"signs": False, "usages": (ExtendedKeyUsageOID.SERVER_AUTH,)}},
        "is not for signatures: it names neither digitalSignature",
    ),
    "a leaf for nothing": ({"leaf": {"signs": False, "usages": ()}}, "is not for signatures"),
    "an issuer that is no authority": (
        {"team": {"authority": False}}, "CN=team is not one of an authority",
    ),
    "an authority that is not for issuing": (
        {"team": {"issues": False}}, r"CN=team is not for issuing others \(keyCertSign\)",
    ),
    "too many authorities": ({"root": {"path_length": 0}}, "path length constraint violated"),
    "a leaf that another key signed": (
        {"leaf": {"by": OTHER_KEY}}, "of the same name has another key",
    ),
    "a leaf that is signed too weakly": (
        {"leaf": {"algorithm": hashes.SHA224()}}, "Forbidden signature algorithm",
    ),
    "a leaf with what nobody knows": (
        {"leaf": {"extensions": (UNKNOWN,)}}, r"1\.2\.3\.4: .* unaccounted-for critical",
    ),
}  # fmt: skip


@pytest.fixture
def model(registry, weights, found):
    registry.add(weights, "vit", project="vision")
    return found("vision/vit")


@pytest.fixture
def written(tmp_path):
    """Return a function that writes certificates to a PEM file, and returns its path."""

    def write(name, *certificates):
        path = tmp_path / f"{name}.pem"
        path.write_bytes(foreign.pem(*certificates))
        return path

    return write


@pytest.fixture
def kept(registry, model, tmp_path):
    """Return a function that keeps a signature of the model as another program makes it."""

    def keep(chain, key=KEY, digest=DIGEST):
        path = tmp_path / "model.sig"
        path.write_bytes(foreign.signed({".": digest}, key, chain))
        attach(registry._chain, model, path)

    return keep


@pytest.mark.parametrize(
    ("given", "trusted"),
    [
        ((LEAF, TEAM, ROOT), (ROOT,)),
        ((LEAF, TEAM), (ROOT,)),
        ((LEAF,), (TEAM, ROOT)),  # what is between is trusted, too
        ((LEAF,), (TEAM,)),
        ((LEAF, ROOT, TEAM), (ROOT,)),  # in any order
    ],
    ids=["whole", "without the root", "only the leaf", "an authority below", "mixed up"],
)
def test_who_has_a_certificate_of_a_trusted_authority_may_sign(
    registry, model, written, key_file, given, trusted
):
    chain = registry._chain
    rest = [written(f"rest-{number}", each) for number, each in enumerate(given[1:])]
    key = signing_key(key_file(KEY), certificate=written("leaf", LEAF), certificate_chain=rest)
    assert sign(chain, model, key).new
    assert not sign(chain, model, key).new
    (found,) = verify(chain, model, trusted_file("key", written("trusted", *trusted)))
    assert found.signer.startswith("CN=anna by CN=")
    add_key(chain.first, written("trusted", *trusted))
    assert verify(chain, model, chain.first) == [found]


def test_who_forgot_an_authority_signs_again_with_it(registry, model, written, key_file):
    """The first signature names the same signer, and does not count."""
    leaf, private = written("leaf", LEAF), key_file(KEY)
    assert sign(registry._chain, model, signing_key(private, certificate=leaf)).new
    trusted = trusted_file("key", written("trusted", ROOT))
    with pytest.raises(SignatureError, match="does not descend"):
        verify(registry._chain, model, trusted)
    whole = signing_key(private, certificate=leaf, certificate_chain=[written("team", TEAM)])
    assert sign(registry._chain, model, whole).new
    assert not sign(registry._chain, model, whole).new
    assert [each.valid for each in verify(registry._chain, model, trusted)] == [False, True]


@pytest.mark.parametrize(("changes", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_with_a_chain_is_said(registry, model, written, kept, changes, reason):
    *chain, root = chain_of(**changes)
    kept(chain)
    trusted = trusted_file("key", written("trusted", root))
    with pytest.raises(SignatureError, match=reason):
        verify(registry._chain, model, trusted)


def test_a_sound_chain_of_the_same_kind_counts(registry, model, written, kept):
    """So the cases above are refused for what is changed in them."""
    *chain, root = chain_of()
    kept(chain)
    assert verify(registry._chain, model, trusted_file("key", written("trusted", root)))


def test_a_foreign_authority_of_the_same_name_does_not_count(registry, model, written, kept):
    kept((LEAF, TEAM, ROOT))
    trusted = trusted_file("key", written("other", certificate("root", OTHER_KEY, authority=True)))
    with pytest.raises(SignatureError, match="of the same name has another key"):
        verify(registry._chain, model, trusted)
    stranger = certificate("stranger", OTHER_KEY, authority=True)
    with pytest.raises(SignatureError, match="issued by CN=team, does not descend from one that"):
        verify(registry._chain, model, trusted_file("key", written("stranger", stranger)))
    with pytest.raises(SignatureError, match="issued by CN=team, does not descend from one that"):
        verify(registry._chain, model, registry._chain.first)


def test_an_expired_root_counts_no_more_though_an_authority_below_it_is_trusted(
    registry, model, written, kept
):
    leaf, team, root = chain_of(root=EXPIRED)
    kept((leaf, team))
    with pytest.raises(SignatureError, match="of CN=root expired"):
        verify(registry._chain, model, trusted_file("key", written("both", team, root)))


def test_a_certificate_of_one_key_does_not_help_the_signature_of_another(
    registry, model, written, kept
):
    kept((LEAF, TEAM, ROOT), key=OTHER_KEY)
    with pytest.raises(SignatureError, match="made by another key, or changed since"):
        verify(registry._chain, model, trusted_file("key", written("root", ROOT)))


def test_the_public_key_of_a_certificate_is_not_enough(registry, model, key_file, kept):
    """A key that is trusted for ever would make the dates of its certificate worthless."""
    kept((LEAF, TEAM, ROOT))
    with pytest.raises(SignatureError, match="does not descend"):
        verify(registry._chain, model, trusted_file("key", key_file(KEY, public=True)))


def test_signing_refuses_a_certificate_that_would_not_count(registry, model, written, key_file):
    expired, *_ = chain_of(leaf=EXPIRED)
    servers, *_ = chain_of(leaf={"signs": False, "usages": ()})
    for leaf, key, reason in (
        (expired, KEY, "of CN=anna expired"),
        (servers, KEY, "is not for signatures"),
        (LEAF, OTHER_KEY, "is not of this key"),
    ):
        with pytest.raises(SignatureError, match=reason):
            sign(
                registry._chain,
                model,
                signing_key(key_file(key), certificate=written("leaf", leaf)),
            )
    with pytest.raises(SignatureError, match="is not signed"):
        verify(registry._chain, model, registry._chain.first)


def test_only_an_authority_is_trusted(registry, written):
    with pytest.raises(SignatureError, match="CN=anna is not one of an authority"):
        add_key(registry._chain.first, written("leaf", LEAF))
    assert registry.trusted_keys() == []


def test_a_signer_with_an_rsa_key_is_refused(registry, model, written, key_file):
    """No signature of the format can be by one: the kind of the hash is not said anywhere."""
    key = rsa.generate_private_key(65_537, 2_048)
    leaf = written("leaf", certificate("anna", key, (TEAM, TEAM_KEY)))
    with pytest.raises(SignatureError, match="its kind cannot be used: only ECDSA"):
        sign(registry._chain, model, signing_key(key_file(KEY), certificate=leaf))


def test_an_authority_with_a_weak_key_is_refused(registry, model, written, kept):
    key = rsa.generate_private_key(65_537, 1_024)
    root = certificate("root", key, authority=True)
    kept((certificate("anna", KEY, (root, key)),))
    with pytest.raises(SignatureError, match="RSA key is too weak"):
        verify(registry._chain, model, trusted_file("key", written("root", root)))


def test_an_authority_with_an_rsa_key_may_issue(registry, model, written, kept):
    key = rsa.generate_private_key(65_537, 2_048)
    root = certificate("root", key, authority=True)
    kept((certificate("anna", KEY, (root, key)),))
    assert verify(registry._chain, model, trusted_file("key", written("root", root)))


def test_many_authorities_of_one_name_do_not_make_a_check_endless(registry, model, written, kept):
    """Each could have issued each: without a limit the ways between them would never end."""
    key = new_key()
    rings = [certificate("ring", key, authority=True) for _ in range(15)]
    kept((certificate("anna", KEY, (rings[0], key)), *rings))
    with pytest.raises(SignatureError, match="does not descend"):
        verify(registry._chain, model, trusted_file("key", written("root", ROOT)))
