"""Signature files, keys and certificates of strangers; none of them may count.

`ENVELOPES`, `STATEMENTS`: a function of (files, key) that returns the file of a signature. In the
second group the trusted key did sign what the file says. `CHAINS`: functions of an `Authority`
that return the key and the certificates of a signature. `PUBLIC`, `PRIVATE`: files that are no
keys.
"""

from __future__ import annotations

import base64
import hashlib
import json

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from support.foreign_signatures import (
    DAY,
    NOW,
    PAYLOAD_TYPE,
    bundle_of,
    certificate,
    der,
    material_of,
    new_key,
    pae,
    pem,
    private_pem,
    public_pem,
    signature_of,
    signed,
    statement_of,
    text,
)

OTHER = hashlib.sha256(b"other").hexdigest()


def enveloped(change):
    """Return a maker of a signature whose bundle was changed after it was signed."""

    def make(files, key):
        bundle = json.loads(signed(files, key))
        changed = change(bundle, files, key)
        bundle = bundle if changed is None else changed
        return bundle if isinstance(bundle, bytes) else json.dumps(bundle).encode()

    return make


def within(*path, value):
    """Return a change that sets one value of a bundle."""

    def change(bundle, *_):
        for part in path[:-1]:
            bundle = bundle[part]
        bundle[path[-1]] = value

    return enveloped(change)


def without(*path):
    def change(bundle, *_):
        for part in path[:-1]:
            bundle = bundle[part]
        del bundle[path[-1]]

    return enveloped(change)


def raw(payload):
    """Return a maker of a signature of a payload that may be no JSON: bytes, or of (files)."""

    def make(files, key):
        data = payload(files) if callable(payload) else payload
        return json.dumps(bundle_of(data, key)).encode()

    return make


def of_curve(point):
    """Return a maker of a signature that is the numbers (r, s) in DER."""
    return within(
        "dsseEnvelope",
        "signatures",
        0,
        "sig",
        value=text(utils.encode_dss_signature(*point)),
    )


def other_payload(bundle, files, key):
    payload = json.dumps(statement_of(dict.fromkeys(files, OTHER))).encode()
    bundle["dsseEnvelope"]["payload"] = text(payload)


def swapped_type(bundle, files, key):
    """The payload was signed as another type of content."""
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    sig = signature_of(pae(payload, "application/json"), key)
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = text(sig)


def bare(bundle, files, key):
    """The signature is of the payload alone, as a plain `openssl dgst -sign` makes it."""
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = text(signature_of(payload, key))


def old_encoding(bundle, files, key):
    """As model-signing 0.2 signed, by mistake: the text of Python's bytes."""
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    data = f"DSSEV1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} {payload!r}".encode()
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = text(signature_of(data, key))


def stranger(bundle, files, key):
    """Another key signed, and the file says that ours did."""
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    sig = signature_of(pae(payload), new_key())
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = text(sig)


def two_signatures(bundle, files, key):
    signatures = bundle["dsseEnvelope"]["signatures"]
    signatures.append({"sig": text(b"0" * 70), "keyid": ""})


def many_signatures(bundle, files, key):
    bundle["dsseEnvelope"]["signatures"] *= 50_000


def both_materials(bundle, files, key):
    bundle["verificationMaterial"] |= material_of(key, [certificate("me", key)])


def twice(bundle, files, key):
    """One name occurs twice in an object: readers of JSON do not agree which counts."""
    body = json.dumps(bundle["dsseEnvelope"])
    bundle["dsseEnvelope"] = "HERE"
    lie = json.dumps({"payload": "e30=", "payloadType": PAYLOAD_TYPE, "signatures": []})
    return json.dumps(bundle).replace('"HERE"', f'{lie}, "dsseEnvelope": {body}').encode()


def keyless(bundle, files, key):
    """As Sigstore's public service makes it: a short-lived certificate, and a log."""
    bundle["verificationMaterial"] = {
        "certificate": {"rawBytes": material_of(key, [certificate("me", key)])[
            "x509CertificateChain"]["certificates"][0]["rawBytes"]},
        "tlogEntries": [{"logIndex": "1", "logId": {"keyId": "aaaa"}}],
    }  # fmt: skip


def flat(bundle, files, key):
    return json.dumps(bundle).encode("utf-16")


def deep(opening, closing=""):
    return lambda *_: (opening * 200_000 + closing * 200_000).encode()


SIGNATURE = ("dsseEnvelope", "signatures", 0, "sig")
ENVELOPES = {
    "nothing": lambda *_: b"",
    "no JSON": lambda *_: b"-----BEGIN SIGNATURE-----",
    "not UTF-8": lambda *_: b'{"mediaType": "\xff"}',
    "UTF-16": enveloped(flat),
    "a list": lambda *_: b"[]",
    "a number": lambda *_: b"1",
    "null": lambda *_: b"null",
    "an empty object": lambda *_: b"{}",
    "deep lists": deep("["),
    "deep objects": deep('{"a":', "}"),
    "a number of many digits": lambda *_: b'{"mediaType": ' + b"9" * 100_000 + b"}",
    "another media type": within("mediaType", value="application/json"),
    "a media type of many": within("mediaType", value=["a"]),
    "an old media type": within(
        "mediaType", value="application/vnd.dev.sigstore.bundle+json;version=0.1"
    ),
    "no media type": without("mediaType"),
    "no envelope": without("dsseEnvelope"),
    "an envelope that is a text": within("dsseEnvelope", value="x"),
    "no material": without("verificationMaterial"),
    "an empty material": within("verificationMaterial", value={}),
    "material that is a list": within("verificationMaterial", value=[]),
    "a key that is a number": within("verificationMaterial", "publicKey", value=5),
    "a hint that is a list": within("verificationMaterial", "publicKey", "hint", value=[1]),
    "the hint of another key": within("verificationMaterial", "publicKey", "hint", value=OTHER),
    "a key and certificates": enveloped(both_materials),
    "no certificates": within(
        "verificationMaterial", value={"x509CertificateChain": {"certificates": []}}
    ),
    "certificates that are none": within(
        "verificationMaterial",
        value={"x509CertificateChain": {"certificates": [{"rawBytes": text(b"\x30\x82\xff\xff")}]}},
    ),
    "a certificate that is a number": within(
        "verificationMaterial", value={"x509CertificateChain": {"certificates": [5]}}
    ),
    "keyless": enveloped(keyless),
    "no payload": without("dsseEnvelope", "payload"),
    "a payload that is no base64": within("dsseEnvelope", "payload", value="!!!!"),
    "a payload that is a list": within("dsseEnvelope", "payload", value=[]),
    "an empty payload": within("dsseEnvelope", "payload", value=""),
    "another payload type": within("dsseEnvelope", "payloadType", value="application/json"),
    "no payload type": without("dsseEnvelope", "payloadType"),
    "no signatures": within("dsseEnvelope", "signatures", value=[]),
    "signatures that are a text": within("dsseEnvelope", "signatures", value="ab"),
    "a signature that is a text": within("dsseEnvelope", "signatures", value=["ab"]),
    "two signatures": enveloped(two_signatures),
    "50,000 signatures": enveloped(many_signatures),
    "an empty signature": within(*SIGNATURE, value=""),
    "a signature that is no base64": within(*SIGNATURE, value="*"),
    "a signature that is no text": within(*SIGNATURE, value={"a": 1}),
    "a signature that is no DER": within(*SIGNATURE, value=text(b"\xff" * 70)),
    "a signature of zeros": of_curve((0, 0)),
    "a signature of ones": of_curve((1, 1)),
    "a signature of huge numbers": of_curve((2**20_000, 2**20_000)),
    "a payload that was swapped": enveloped(other_payload),
    "signed as another type": enveloped(swapped_type),
    "signed without the type": enveloped(bare),
    "signed in the encoding of 0.2": enveloped(old_encoding),
    "signed by a stranger": enveloped(stranger),
    "one name twice": enveloped(twice),
    "cut in the middle": lambda files, key: signed(files, key)[:-200],
    "something after it": lambda files, key: signed(files, key) + b"{}",
}  # fmt: skip


def claiming(**changes):
    return lambda files, key: signed(files, key, **changes)


def predicate(**changes):
    """Return a maker of a signature with parts of its predicate replaced; None: absent."""

    def make(files, key):
        body = statement_of(files)["predicate"] | changes
        return signed(
            files, key, predicate={name: value for name, value in body.items() if value is not None}
        )

    return make


def serialization_of(**changes):
    def make(files, key):
        body = statement_of(files)["predicate"]
        body["serialization"] |= changes
        return signed(files, key, predicate=body)

    return make


def resources(change):
    """Return a maker of a signature with other resources, and the subject that fits to them."""

    def make(files, key):
        listed = statement_of(files)["predicate"]["resources"]
        changed = change(listed)
        listed = listed if changed is None else changed
        return signed(
            files,
            key,
            predicate=statement_of(files)["predicate"] | {"resources": listed},
            subject=subject_of(listed),
        )

    return make


def subject_of(listed):
    """Return the subject of resources, as far as their digests are digests."""
    try:
        together = b"".join(bytes.fromhex(each["digest"]) for each in listed)
    except (TypeError, KeyError, ValueError):
        together = b""
    return [{"name": "model", "digest": {"sha256": hashlib.sha256(together).hexdigest()}}]


def first(**changes):
    def change(listed):
        listed[0] |= changes

    return resources(change)


def added(name, digest=OTHER):
    entry = {"name": name, "algorithm": "sha256", "digest": digest}
    return resources(lambda listed: [*listed, entry])


def old_predicate(files, key):
    """As model-signing 0.2 lists files: each is a subject."""
    subjects = [{"name": name, "digest": {"sha256": files[name]}} for name in files]
    return signed(
        files,
        key,
        predicateType="https://model_signing/Digests/v0.1",
        subject=subjects,
        predicate={},
    )


def two_predicates(files):
    """A payload in which the predicate occurs twice: the last one is a lie."""
    lie = statement_of(dict.fromkeys(files, OTHER))["predicate"]
    body = json.dumps(statement_of(files))
    return f'{body[:-1]}, "predicate": {json.dumps(lie)}}}'.encode()


STATEMENTS = {
    "no JSON": raw(b"files: all of them"),
    "not UTF-8": raw(b'{"_type": "\xff"}'),
    "an empty payload": raw(b""),
    "a list": raw(b"[]"),
    "NaN": raw(lambda files: json.dumps(statement_of(files, extra=float("nan"))).encode()),
    "deep lists": raw(b"[" * 200_000),
    "a number of many digits": raw(b'{"_type": ' + b"9" * 100_000 + b"}"),
    "the predicate twice": raw(two_predicates),
    "another type": claiming(_type="https://in-toto.io/Statement/v0.1"),
    "another predicate": claiming(predicateType="https://slsa.dev/provenance/v1"),
    "the old predicate": old_predicate,
    "no subject": claiming(subject=[]),
    "two subjects": lambda files, key: signed(
        files, key, subject=statement_of(files)["subject"] * 2
    ),
    "the digest of other files": claiming(subject=[{"name": "m", "digest": {"sha256": OTHER}}]),
    "a subject without a digest": claiming(subject=[{"name": "m"}]),
    "a subject that is a text": claiming(subject=["m"]),
    "a predicate that is a list": claiming(predicate=[]),
    "no resources": predicate(resources=None),
    "resources that are a text": predicate(resources="a"),
    "no serialization": predicate(serialization=None),
    "shards": serialization_of(method="shards", shard_size=1_000_000),
    "another method": serialization_of(method=["files"]),
    "blake2b": serialization_of(hash_type="blake2b"),
    "no files": resources(lambda listed: []),
    "a file less": resources(lambda listed: listed[1:]),
    "a file more": added("evil.py"),
    "a file above": added("../evil.py"),
    "a file of the system": added("/etc/passwd"),
    "a file of Windows": added("..\\evil.py"),
    "a name with NUL": added("evil\0.py"),
    "a name with a surrogate": added("evil\ud800.py"),
    "a name that is empty": added(""),
    "another digest": first(digest=OTHER),
    "a digest that is none": first(digest="xyz"),
    "a digest that is short": first(digest="ab"),
    "a digest that is a number": first(digest=7),
    "another algorithm": first(algorithm="blake2b"),
    "no algorithm": resources(lambda listed: [{k: v for k, v in each.items() if k != "algorithm"}
                                              for each in listed]),
    "a name that is a number": first(name=7),
    "a name that is a list": first(name=["a"]),
    "a resource that is a text": resources(lambda listed: ["a", *listed]),
    "a file twice": resources(lambda listed: [*listed, listed[0]]),
    "a file twice, with another digest": resources(
        lambda listed: [*listed, listed[0] | {"digest": OTHER}]
    ),
    "names exchanged": resources(
        lambda listed: [
            each | {"name": other["name"]}
            for each, other in zip(listed, listed[::-1], strict=True)
        ]
    ),
}  # fmt: skip


class Authority:
    """A certificate authority: its own certificate is trusted."""

    def __init__(self, **options):
        self.key = new_key()
        self.certificate = certificate("authority", self.key, authority=True, **options)

    @property
    def pair(self):
        return self.certificate, self.key


def leaf(authority, **options):
    """Return a key, and the chain of one certificate for it."""
    key = new_key()
    return key, [certificate("signer", key, authority.pair, **options)]


def through(authority, *, path_length=None, **options):
    """Return a key, and its certificate by an authority in between, made with `options`."""
    middle, key = new_key(), new_key()
    between = certificate("between", middle, authority.pair, **{"authority": True} | options)
    return key, [certificate("signer", key, (between, middle)), between]


def own(authority):
    key = new_key()
    return key, [certificate("signer", key)]


def namesake(authority):
    """Another authority of the same name."""
    return leaf(Authority())


def forged(authority):
    """It names the authority, and another key signed it."""
    return leaf(authority, by=new_key())


def of_another_key(authority):
    _, chain = leaf(authority)
    return new_key(), chain


def by_a_leaf(authority):
    """Somebody who may sign models issues a certificate."""
    middle, key = new_key(), new_key()
    between = certificate("between", middle, authority.pair)
    return key, [certificate("signer", key, (between, middle)), between]


def too_long(authority):
    """The authority in between may issue certificates for signers only, and made another one."""
    one, two, key = new_key(), new_key(), new_key()
    first = certificate("one", one, authority.pair, authority=True, path_length=0)
    second = certificate("two", two, (first, one), authority=True)
    return key, [certificate("signer", key, (second, two)), second, first]


def circle(authority):
    """Two authorities issued each other's certificate."""
    one, two, key = new_key(), new_key(), new_key()
    root = certificate("one", one, authority=True)
    second = certificate("two", two, (root, one), authority=True)
    first = certificate("one", one, (second, two), authority=True)
    return key, [certificate("signer", key, (first, one)), first, second]


def many(authority):
    """As many certificates as fit, of which none leads anywhere."""
    key, others = new_key(), new_key()
    useless = [certificate("authority", others, authority=True) for _ in range(40)] * 250
    return key, [certificate("signer", key, by=others, issuer=(useless[0], others)), *useless]


def rsa_leaf(authority):
    key = rsa.generate_private_key(65_537, 2_048)
    return new_key(), [certificate("signer", key, authority.pair)]


def unknown(number):
    return x509.UnrecognizedExtension(ObjectIdentifier(f"1.2.3.4.{number}"), b"\x05\x00"), False


def patched(old, new, **options):
    """Return a maker of a certificate in which bytes (in hex) are replaced: it is damaged."""

    def make(authority):
        key, (one,) = leaf(authority, **options)
        data = der(one)
        assert bytes.fromhex(old) in data
        return key, [data.replace(bytes.fromhex(old), bytes.fromhex(new), 1)]

    return make


# A name of a kind that cryptography does not read: an address of X.400.
_X400 = x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.17"), bytes.fromhex("3004a3020500"))
UNKNOWN = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
CHAINS = {
    "expired": lambda authority: leaf(authority, begins=NOW - 2 * DAY, ends=NOW - DAY),
    "not yet valid": lambda authority: leaf(authority, begins=NOW + DAY, ends=NOW + 2 * DAY),
    "for servers": lambda authority: leaf(
        authority, signs=False, usages=[ExtendedKeyUsageOID.SERVER_AUTH]
    ),
    "for nothing": lambda authority: leaf(authority, signs=False, usages=()),
    "signed by itself": own,
    "by an authority of the same name": namesake,
    "forged": forged,
    "of another key": of_another_key,
    "by somebody who may only sign": by_a_leaf,
    "by an authority that expired": lambda authority: through(
        authority, begins=NOW - 2 * DAY, ends=NOW - DAY
    ),
    "by an authority that begins": lambda authority: through(
        authority, begins=NOW + DAY, ends=NOW + 2 * DAY
    ),
    "by an authority that is forged": lambda authority: through(authority, by=new_key()),
    "by too many authorities": too_long,
    "in a circle": circle,
    "10,000 certificates": many,
    "RSA": rsa_leaf,
    "an extension twice": patched("2a030406", "2a030405", extensions=[unknown(5), unknown(6)]),
    "another version": patched("a003020102", "a003020105"),
    "a damaged issuer": patched("0c09617574686f72697479", "0609617574686f72697479"),
    "a name of another kind": lambda authority: leaf(authority, extensions=[(_X400, False)]),
    "a critical extension that nobody knows": lambda authority: leaf(
        authority, extensions=[(UNKNOWN, True)]
    ),
    "an authority with a critical extension": lambda authority: through(
        authority, extensions=[(UNKNOWN, True)]
    ),
}


def public(key):
    return public_pem(key)


def explicit():
    """A public key of a curve that Sigstore does not use."""
    return public_pem(ec.generate_private_key(ec.SECP256K1()))


def off_the_curve():
    """A key whose point is not on its curve."""
    data = bytearray(
        new_key().public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )  # fmt: skip
    data[-1] ^= 1
    body = base64.encodebytes(bytes(data)).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{body}-----END PUBLIC KEY-----\n".encode()


def armour(kind, data):
    body = base64.encodebytes(data).decode()
    return f"-----BEGIN {kind}-----\n{body}-----END {kind}-----\n".encode()


NO_KEYS = {
    "nothing": lambda: b"",
    "text": lambda: b"my key",
    "binary": lambda: bytes(range(256)),
    "not UTF-8": lambda: b"-----BEGIN PUBLIC KEY-----\n\xff\xff\n-----END PUBLIC KEY-----\n",
    "an armour without content": lambda: armour("PUBLIC KEY", b""),
    "garbage in an armour": lambda: armour("PUBLIC KEY", b"\x30\x82\xff\xff" + b"x" * 50),
    "cut": lambda: public(new_key())[:60],
    "10 MB": lambda: b"-----BEGIN PUBLIC KEY-----\n" + b"A" * 10_000_000,
    "a signature": lambda: signed({"a": OTHER}, new_key()),
}
PUBLIC = NO_KEYS | {
    "RSA": lambda: public(rsa.generate_private_key(65_537, 2_048)),
    "DSA": lambda: public(dsa.generate_private_key(2_048)),
    "X25519": lambda: armour("PUBLIC KEY", bytes.fromhex("302a300506032b656e032100") + b"x" * 32),
    "secp256k1": explicit,
    "P-224": lambda: public(ec.generate_private_key(ec.SECP224R1())),
    "a point off the curve": off_the_curve,
    "a private key": lambda: private_pem(new_key()),
}
PRIVATE = NO_KEYS | {
    "RSA": lambda: private_pem(rsa.generate_private_key(65_537, 2_048)),
    "secp256k1": lambda: private_pem(ec.generate_private_key(ec.SECP256K1())),
    "a public key": lambda: public(new_key()),
    "a certificate": lambda: pem(certificate("me", new_key())),
    "encrypted": lambda: private_pem(new_key(), b"password"),
    "of the size of nothing": lambda: armour("PRIVATE KEY", b"\x30\x00"),
}
ED25519 = ed25519.Ed25519PrivateKey
