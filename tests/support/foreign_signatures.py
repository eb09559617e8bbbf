"""Signatures of models as other programs make them: by `cryptography` alone, without our code.

`signed` writes the file that `model-signing sign` writes. Its arguments replace parts of it, so
that a test can make one that lies.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
CURVES = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
HASHES = {256: hashes.SHA256, 384: hashes.SHA384, 521: hashes.SHA512}
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)


def new_key(curve="P-256"):
    """Return a new private key; `curve` may be Ed25519."""
    if curve == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(CURVES[curve]())


def private_pem(key, password=None):
    """Return the bytes of a file with a private key, encrypted if a password (bytes) is given."""
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def public_pem(key):
    """Return the bytes of a file with the public key of a private one."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def der(certificate):
    """Return the DER bytes of a certificate, which may be given as bytes already."""
    if isinstance(certificate, bytes):
        return certificate
    return certificate.public_bytes(serialization.Encoding.DER)


def pem(*certificates):
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def certificate(
    name, key, issuer=None, *, authority=False, begins=NOW - DAY, ends=NOW + DAY, signs=True,
    usages=(ExtendedKeyUsageOID.CODE_SIGNING,), path_length=None, extensions=(), by=None,
    algorithm=None, issues=None,
):  # fmt: skip
    """Return a certificate of a key.

    Args:
        name: of the subject.
        issuer: (certificate, key) of the authority that signs it; None: it signs itself.
        authority: it may sign other certificates.
        begins, ends: between these times it is valid.
        signs: its key may be used to sign.
        usages: its extended key usages; none: it names none.
        path_length: how many authorities may be between it and what was signed.
        extensions: others, as (extension, critical).
        by: the key that signs it instead of that of the issuer: a forgery.
        algorithm: the hash of its signature.
        issues: its key may be used to sign certificates; by default that of an authority.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(authority, path_length), critical=True)
        .add_extension(
            x509.KeyUsage(
                signs, False, False, False, False,
                authority if issues is None else issues, authority, False, False
            ),
            critical=True,
        )
    )  # fmt: skip
    if usages and not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    signer = by or (issuer[1] if issuer else key)
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        return builder.sign(signer, None)
    return builder.sign(signer, algorithm or hashes.SHA256())


def statement_of(files, **changes):
    """Return the statement that lists files (digests by name), with parts of it replaced."""
    names = sorted(files)
    together = hashlib.sha256(b"".join(bytes.fromhex(files[name]) for name in names)).hexdigest()
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "model", "digest": {"sha256": together}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [],
            },
            "resources": [
                {"name": name, "algorithm": "sha256", "digest": files[name]} for name in names
            ],
        },
    }
    return statement | changes


def pae(payload, kind=PAYLOAD_TYPE):
    """Return what the signature of an envelope is over."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def signature_of(data, key):
    """Return the signature of bytes, as model-signing chooses the hash."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    return key.sign(data, ec.ECDSA(HASHES[key.curve.key_size]()))


def text(data):
    return base64.b64encode(data).decode()


def material_of(key, chain=()):
    """Return what names the signer: the certificates, or else the key."""
    if chain:
        certificates = [{"rawBytes": text(der(each))} for each in chain]
        return {"x509CertificateChain": {"certificates": certificates}, "tlogEntries": []}
    return {
        "publicKey": {"hint": hashlib.sha256(public_pem(key)).hexdigest()},
        "tlogEntries": [],
    }


def bundle_of(payload, key, chain=(), *, kind=PAYLOAD_TYPE, **changes):
    """Return the bundle, as values, with the signature of a payload; with parts replaced."""
    return {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": material_of(key, chain),
        "dsseEnvelope": {
            "payload": text(payload),
            "payloadType": kind,
            "signatures": [{"sig": text(signature_of(pae(payload, kind), key)), "keyid": ""}],
        },
    } | changes


def signed(files, key, chain=(), **changes):
    """Return the file of a signature of files (digests by name), with parts of it replaced.

    Args:
        key: the private key.
        chain: certificates, first that of the key.
        changes: of the statement, if it has such a part; else of the bundle.
    """
    known = statement_of(files)
    inside = {name: value for name, value in changes.items() if name in known}
    outside = {name: value for name, value in changes.items() if name not in known}
    payload = json.dumps(known | inside).encode()
    return json.dumps(bundle_of(payload, key, chain, **outside)).encode()
