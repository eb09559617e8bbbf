"""Signatures as text: what is signed, what is read, and what is compared."""

from __future__ import annotations

import base64
import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import foreign_signatures as foreign

from localreg.errors import SignatureError
from localreg.values.signatures import (
    LARGEST,
    SignedFile,
    bundle_file,
    enveloped,
    largest,
    parse_bundle,
    problems,
    statement,
)

A, B, C = (sha256(each).hexdigest() for each in (b"a", b"b", b"c"))
KEY = foreign.new_key()
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)


def files(**digests):
    return [SignedFile(name, digest) for name, digest in digests.items()]


def bundle(listed, **changes):
    return parse_bundle(foreign.signed(listed, KEY, **changes))


@given(st.dictionaries(NAMES, DIGESTS, max_size=20), NAMES)
def test_what_is_written_is_read_again(listed, name):
    signed = statement(name, [SignedFile(*each) for each in listed.items()])
    data = bundle_file(signed, b"signature", key=A)
    found = parse_bundle(data)
    assert {each.name: each.digest for each in found.files} == listed
    assert (found.name, found.statement, found.signature) == (name, signed, b"signature")
    assert (found.key, found.signer, found.certificates) == (A, A, ())
    assert found.digest == sha256(data).hexdigest()
    assert len(data) <= largest(found.files)
    assert problems(found, found.files, package=True, ref="m") == []


@given(st.dictionaries(NAMES, DIGESTS, min_size=1, max_size=6))
def test_the_statement_does_not_depend_on_the_order_of_the_files(listed):
    pairs = [SignedFile(*each) for each in listed.items()]
    assert statement("m", pairs) == statement("m", pairs[::-1])


def test_files_are_listed_as_model_signing_lists_them():
    """By the parts of their paths: its order decides the digest of the whole."""
    pairs = files(**{"a-b": A, "a/b": B, "a": C})
    listed = json.loads(statement("m", pairs))["predicate"]["resources"]
    assert [each["name"] for each in listed] == ["a", "a/b", "a-b"]


def test_certificates_are_named_instead_of_the_key():
    found = parse_bundle(bundle_file(statement("m", []), b"s", key=A, certificates=[b"x"]))
    assert (found.key, found.certificates) == (None, (b"x",))
    assert found.signer == sha256(b"x").hexdigest()


def test_the_envelope_is_that_of_dsse():
    assert enveloped(b"hello") == b"DSSEv1 28 application/vnd.in-toto+json 5 hello"


# What a signature lists, the files of the model, and what is different.
COMPARED = [
    ({"x": A, "y": B}, {"x": A, "y": B}, []),
    ({"x": B, "y": B}, {"x": A, "y": B}, ["other bytes were signed of x"]),
    ({"x": A, "y": B}, {"x": B, "y": A}, ["other bytes were signed of x, y"]),  # swapped
    ({"x": A}, {"x": A, "y": B}, ["not signed: y"]),
    ({"x": A, "y": B}, {"x": A}, ["p/m:1 does not have y, which it lists"]),
    ({"X": A}, {"x": A}, ["p/m:1 does not have X, which it lists", "not signed: x"]),
    ({"./x": A}, {"x": A}, ["p/m:1 does not have ./x, which it lists", "not signed: x"]),
    ({".": A}, {"x": A}, ["p/m:1 does not have ., which it lists", "not signed: x"]),
    ({}, {"x": A}, ["not signed: x"]),
    ({}, {}, []),
    (
        {"x": A},
        {str(number): B for number in range(8)} | {"x": A},
        ["not signed: 0, 1, 2, 3, 4 and 3 more"],
    ),
]


@pytest.mark.parametrize(("listed", "there", "wrong"), COMPARED)
def test_every_difference_to_the_files_is_named(listed, there, wrong):
    pairs = [SignedFile(*each) for each in there.items()]
    assert problems(bundle(listed), pairs, package=True, ref="p/m:1") == wrong


def test_what_was_left_out_is_named():
    serialization = {
        "method": "files", "hash_type": "sha256", "allow_symlinks": False,
        "ignore_paths": [".gitattributes", ".github", "x"],
    }  # fmt: skip
    known = foreign.statement_of({"a": A})["predicate"]
    found = bundle({"a": A}, predicate=known | {"serialization": serialization})
    there = files(**{"a": A, ".gitattributes": B, ".github/ci.yml": B, "xy": B})
    assert problems(found, there, package=True, ref="m") == [
        "left out by ignore_paths, so not signed: .gitattributes, .github/ci.yml",
        "not signed: xy",
    ]


def test_a_signature_in_its_own_package_need_not_list_itself():
    """Only that very file: another file of the same name must be signed."""
    found = bundle({"x": A})
    itself = files(**{"x": A, "model.sig": found.digest})
    assert problems(found, itself, package=True, ref="m") == []
    other = files(**{"x": A, "model.sig": B})
    assert problems(found, other, package=True, ref="m") == ["not signed: model.sig"]


@pytest.mark.parametrize("name", [".", "net.onnx"])
def test_a_single_file_is_named_by_a_point_or_its_name(name):
    single = files(**{"net.onnx": A})
    assert problems(bundle({name: A}), single, package=False, ref="m") == []
    of = "" if name == "." else f" of {name}"
    found = problems(bundle({name: B}), single, package=False, ref="m")
    assert found == [f"other bytes were signed{of}"]
    assert problems(bundle({name: A, "more": B}), single, package=False, ref="m")


def changed(**changes):
    """Return a signature with parts of its bundle replaced."""
    return foreign.signed({"a": A}, KEY, **changes)


def predicate(**changes):
    return foreign.statement_of({"a": A})["predicate"] | changes


WHOLE = changed()
# What is wrong, the file, and the reason.
REFUSED = [
    ("nothing", b"", "no JSON"),
    ("cut off", WHOLE[: len(WHOLE) // 2], "no JSON: it is cut off"),
    ("not text", b"\xff\xfe\x00", "is not text"),
    ("a list", b"[]", "must be an object"),
    ("too large", b"x" * (LARGEST + 1), "at most 16,777,216 are possible"),
    ("deep", b"[" * 60 + b"]" * 60, "must be an object"),
    ("many values", b"[" + b"0," * 100_000 + b"0]", "more values than a list of files"),
    ("twice the same name", b'{"mediaType":1,"mediaType":2}', "stands twice"),
    ("version 0.1", changed(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.1"),
     r"no Sigstore bundle of version 0\.3"),
    ("keyless", changed(verificationMaterial={"certificate": {"rawBytes": "AA=="}}),
     "Sigstore keyless"),
    ("no signer", changed(verificationMaterial={}), "names neither a key nor certificates"),
    ("an odd hint", changed(verificationMaterial={"publicKey": {"hint": "anna"}}),
     "by something else than the sha256"),
    ("no certificates", changed(verificationMaterial={"x509CertificateChain": {
        "certificates": []}}), "0 certificates, and 1 to 16 are possible"),
    ("a message", changed(dsseEnvelope={"payloadType": "text/plain"}),
     "payloadType is 'text/plain'"),
    ("two signatures", changed(dsseEnvelope=json.loads(WHOLE)["dsseEnvelope"] | {
        "signatures": [{"sig": "AA=="}, {"sig": "AA=="}]}), "it has 2 signatures, not one"),
    ("no base64", changed(dsseEnvelope=json.loads(WHOLE)["dsseEnvelope"] | {"payload": "a b"}),
     "payload must be text in base64"),
    ("another predicate", changed(predicateType="https://slsa.dev/provenance/v1"),
     "no signature of a model"),
    ("of before 1.0", changed(predicateType="https://model_signing/Digests/v0.1"),
     r"made by model-signing before 1\.0"),
    ("shards", changed(predicate=predicate(serialization={"method": "shards"})),
     "its method is 'shards'; only whole files"),
    ("blake", changed(predicate=predicate(serialization={
        "method": "files", "hash_type": "blake3"})), "its digests are 'blake3', not sha256"),
    ("a blake digest", changed(predicate=predicate(resources=[
        {"name": "a", "algorithm": "blake2b", "digest": A}])), "'a' is 'blake2b', not sha256"),
    ("a short digest", changed(predicate=predicate(resources=[
        {"name": "a", "algorithm": "sha256", "digest": "ab"}])), "of 'a' is no sha256"),
    ("a file twice", changed(predicate=predicate(resources=[
        {"name": "a", "algorithm": "sha256", "digest": A}] * 2)), "lists a file twice"),
    ("another whole", changed(subject=[{"name": "m", "digest": {"sha256": B}}]),
     "the digest of the whole is another one"),
    ("two subjects", changed(subject=[{}, {}]), "has 2 subjects, not one"),
    ("a surrogate", changed(predicate=predicate(resources=[
        {"name": "\ud800", "algorithm": "sha256", "digest": A}])), "no text of Unicode"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "reason"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED]
)
def test_what_cannot_be_checked_is_refused_with_the_reason(data, reason):
    with pytest.raises(SignatureError, match=reason) as caught:
        parse_bundle(data)
    assert caught.value.reason in str(caught.value)


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_an_error_or_other_content(place, bits):
    """Never another error; that what is left was signed is for cryptography to find out."""
    data = bytearray(WHOLE)
    data[place] ^= bits
    try:
        found = parse_bundle(bytes(data))
    except SignatureError:
        return
    assert found.digest != parse_bundle(WHOLE).digest


def test_a_dense_statement_does_not_fill_the_memory():
    """16 MiB of base64 could hold 6 million empty lists, of 60 bytes each."""
    envelope = json.loads(WHOLE)["dsseEnvelope"]
    dense = b"[" + b"[]," * 1_000_000 + b"[]]"
    payload = base64.b64encode(dense).decode()
    with pytest.raises(SignatureError, match="the statement has more values"):
        parse_bundle(changed(dsseEnvelope=envelope | {"payload": payload}))
