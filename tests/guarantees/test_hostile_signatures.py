"""Signatures, keys and certificates of strangers are refused with a reason, whatever is in them.

A test that lets a file of a stranger count would find the weights of a stranger given out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import tracemalloc
import warnings
from functools import partial

import pytest
from cryptography import x509
from support.foreign_signatures import (
    CURVES,
    bundle_of,
    der,
    new_key,
    pem,
    private_pem,
    public_pem,
    signed,
    statement_of,
    text,
)
from support.hostile_signatures import (
    CHAINS,
    ENVELOPES,
    PRIVATE,
    PUBLIC,
    STATEMENTS,
    Authority,
    leaf,
    through,
)
from support.proofs import TIMES

from localreg.blobs.signing.certificates import load_certificates
from localreg.blobs.signing.keys import load_private, load_public
from localreg.blobs.signing.verifying import check, trusted_of
from localreg.errors import SignatureError
from localreg.values.ids import now
from localreg.values.signatures import LARGEST, SignedFile, parse_bundle, problems

FILES = {
    "config.json": hashlib.sha256(b"{}").hexdigest(),
    "weights/model.safetensors": hashlib.sha256(b"weights").hexdigest(),
}


@pytest.fixture(scope="module")
def key():
    return new_key()


@pytest.fixture(scope="module")
def authority():
    return Authority()


def judge(data, trusted):
    """Return who signed `FILES`; raise SignatureError if this is not a signature of them."""
    bundle = parse_bundle(data)
    files = [SignedFile(name, digest) for name, digest in FILES.items()]
    if found := problems(bundle, files, package=True, ref="p/m:1"):
        raise SignatureError("; ".join(found), reason="; ".join(found))
    return check(bundle, trusted, now())


def reason_of(act):
    """Return why an act is refused, with a reason; None if it is not."""
    try:
        act()
    except SignatureError as error:
        return error.reason or pytest.fail("no reason was given")
    return None


def refused(data, trusted):
    """Return why a signature is refused."""
    with pytest.raises(SignatureError) as caught:
        judge(data, trusted)
    error = caught.value
    assert error.reason
    assert error.reason in str(error)
    assert str(error).isprintable(), "a stranger's text may not command a terminal"
    assert len(str(error)) < 3_000, "nor fill it"
    return error.reason


def of_key(key):
    return trusted_of(public_pem(key), "ours")


@pytest.mark.parametrize("curve", [*CURVES, "Ed25519"])
def test_what_is_refused_below_is_refused_for_its_lie(curve):
    """A signature that lies nowhere counts: else the other tests would prove nothing."""
    key = new_key(curve)
    assert judge(signed(FILES, key), of_key(key)).name == "ours"


@pytest.mark.parametrize("make", [leaf, through])
def test_a_chain_without_a_lie_counts(make, authority):
    key, chain = make(authority)
    trusted = trusted_of(pem(authority.certificate), "root")
    assert "root" in judge(signed(FILES, key, chain), trusted).name


@pytest.mark.parametrize("name", ENVELOPES)
def test_an_envelope_that_lies_is_refused(name, key):
    refused(ENVELOPES[name](FILES, key), of_key(key))


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_that_is_not_of_these_files_is_refused(name, key):
    """The key that is trusted signed it: what it says is what counts."""
    refused(STATEMENTS[name](FILES, key), of_key(key))


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_that_does_not_lead_to_the_authority_is_refused(name, authority):
    key, chain = CHAINS[name](authority)
    refused(signed(FILES, key, chain), trusted_of(pem(authority.certificate), "root"))


def test_a_signature_by_a_certificate_does_not_count_for_keys(key, authority):
    """Nor the other way round: what was not asked for is not believed."""
    signer, chain = leaf(authority)
    refused(signed(FILES, signer, chain), of_key(key))
    refused(signed(FILES, signer), trusted_of(pem(authority.certificate), "root"))
    refused(signed(FILES, authority.key), trusted_of(pem(authority.certificate), "root"))
    refused(signed(FILES, signer, chain), [])


@pytest.mark.parametrize("name", PUBLIC)
def test_a_file_that_is_no_public_key_is_refused(name):
    with pytest.raises(SignatureError) as caught:
        load_public(PUBLIC[name]())
    assert caught.value.reason


@pytest.mark.parametrize("name", PRIVATE)
def test_a_file_that_is_no_private_key_is_refused(name):
    with pytest.raises(SignatureError) as caught:
        load_private(PRIVATE[name](), None)
    assert caught.value.reason


def mutated(data, choose):
    """Return bytes with one or a few changes."""
    changed = bytearray(data)
    for _ in range(choose.choice([1, 1, 1, 2, 5])):
        place = choose.randrange(len(changed) or 1)
        size = choose.choice([1, 2, 8, 100])
        match choose.randrange(6):
            case 0:
                changed[place] ^= 1 << choose.randrange(8)
            case 1:
                changed[place : place + 1] = choose.choice(
                    [b"\0", b"\xff", b'"', b"{", b"}", b"[", b"]", b"\\u0000", b"9", b"-", b"null"]
                )
            case 2:
                del changed[place : place + size]
            case 3:
                changed[place:place] = changed[place : place + size]
            case 4:
                changed[place : place + size] = choose.randbytes(size)
            case 5:
                other = choose.randrange(len(changed) or 1)
                changed[place : place + size] = changed[other : other + size]
        if not changed:
            break
    return bytes(changed)


def envelope_of(data):
    """Return (payload, signature) of a signature file, as its values say."""
    envelope = json.loads(data)["dsseEnvelope"]
    return (
        base64.b64decode(envelope["payload"]),
        base64.b64decode(envelope["signatures"][0]["sig"]),
    )


@pytest.mark.long
@pytest.mark.parametrize("kind", ["key", "certificates"])
def test_any_change_of_a_signature_is_an_error_or_changes_nothing(kind, key, authority):
    """1,000 changes of the file, and 1,000 of the statement that was signed, for each kind."""
    choose = random.Random(0 if TIMES == 1 else None)
    if kind == "key":
        chain, trusted, signer = (), of_key(key), key
    else:
        signer, chain = through(authority)
        trusted = trusted_of(pem(authority.certificate), "root")
    sound = signed(FILES, signer, chain)
    whole, refusals = envelope_of(sound), 0
    for _ in range(1_000 * TIMES):
        data = mutated(sound, choose)
        if reason_of(partial(judge, data, trusted)):
            refusals += 1
        else:
            assert envelope_of(data)[0] == whole[0], "what was signed is what was compared"
    assert refusals > 500 * TIMES
    payload = json.dumps(statement_of(FILES)).encode()
    for _ in range(1_000 * TIMES):
        changed = mutated(payload, choose)
        data = json.dumps(bundle_of(changed, signer, chain)).encode()
        if reason_of(partial(judge, data, trusted)) is None:
            said = json.loads(changed)["predicate"]["resources"]
            assert {each["name"]: each["digest"] for each in said} == FILES


@pytest.mark.long
def test_any_change_of_a_certificate_is_an_error_or_the_same_certificate(authority):
    """1,000 changes of each of two certificates; cryptography warns of some that it reads."""
    choose = random.Random(0 if TIMES == 1 else None)
    trusted = trusted_of(pem(authority.certificate), "root")
    key, chain = through(authority)
    bundle = json.loads(signed(FILES, key, chain))
    listed = bundle["verificationMaterial"]["x509CertificateChain"]["certificates"]
    for place, each in enumerate(chain):
        for _ in range(1_000 * TIMES):
            changed = mutated(der(each), choose)
            listed[place] = {"rawBytes": text(changed)}
            if reason_of(partial(judge, json.dumps(bundle).encode(), trusted)) is None:
                # There is more than one encoding of a signature; what it is of is the same.
                signed_part = x509.load_der_x509_certificate(changed).tbs_certificate_bytes
                assert signed_part == each.tbs_certificate_bytes
        listed[place] = {"rawBytes": text(der(each))}


@pytest.mark.long
@pytest.mark.parametrize("kind", ["public", "private", "encrypted", "certificates"])
def test_any_change_of_a_key_file_is_an_error_or_a_key(kind, key, authority):
    """500 changes of each kind of file, of its text and of what is in it."""
    choose = random.Random(0 if TIMES == 1 else None)
    password = b"password"
    sound, load = {
        "public": (public_pem(key), load_public),
        "private": (private_pem(key), lambda data: load_private(data, None)),
        "encrypted": (
            private_pem(key, password),
            lambda data: load_private(data, choose.choice([password, b"wrong", None, b"\xff" * 9])),
        ),
        "certificates": (pem(authority.certificate, *leaf(authority)[1]), load_certificates),
    }[kind]
    first, *body, last = sound.strip().splitlines()
    for number in range(500 * TIMES):
        if number % 2 or kind == "certificates":
            data = mutated(sound, choose)
        else:
            inside = mutated(base64.b64decode(b"".join(body)), choose)
            data = b"\n".join([first, base64.b64encode(inside), last, b""])
        with warnings.catch_warnings():  # of ciphers that an encrypted key may name
            warnings.simplefilter("ignore")
            reason_of(partial(load, data))


def heavy(files, key):
    """A statement of as many small values as fit into the largest file."""
    size = LARGEST // 2
    yield b"[" + b"[]," * (size // 3) + b"[]]"
    yield b"[" + b"{}," * (size // 3) + b"{}]"
    yield b"[" + b"1," * (size // 2) + b"1]"
    yield b"[" + b'"a",' * (size // 4) + b'"a"]'
    yield b"{" + b",".join(b'"%d":0' % number for number in range(size // 12)) + b"}"


def test_no_signature_takes_much_more_memory_than_its_file(key):
    """A file of a stranger may be as large as the limit, and dense."""
    for payload in heavy(FILES, key):
        data = json.dumps(bundle_of(payload, key)).encode()
        tracemalloc.start()
        refused(data, of_key(key))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * LARGEST
    refused(b'{"a": "' + b"x" * LARGEST + b'"}', of_key(key))
