"""The keys that a registry trusts, and the keys that sign."""

from __future__ import annotations

import os
from collections.abc import Sequence

from localreg.blobs.signing import certificates, keys, verifying
from localreg.blobs.signing.certificates import Certificate
from localreg.blobs.signing.keys import PrivateKey
from localreg.errors import ConflictError, InvalidValueError, NotFoundError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import absolute, check_path
from localreg.filesystem.plain_files import read_plain
from localreg.operations.weights.trusted import trusting
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import key_rows
from localreg.values import settings
from localreg.values.checks import check_name, check_text, shown
from localreg.values.frozen import Frozen, replace
from localreg.values.signatures import Trusted

PREFIX = 6  # the fewest digits of an id that name a key


class SigningKey(Frozen):
    """What signs: a private key, and the certificates that go with it.

    Attributes:
        key: the private key.
        chain: certificates, first that of the key; none if the key itself is trusted.
    """

    key: PrivateKey
    chain: tuple[Certificate, ...] = ()

    @property
    def signer(self) -> str:
        """What signatures name: the id of the key, or of its certificate."""
        return self.chain[0].id if self.chain else self.key.public.id

    @property
    def interoperable(self) -> bool:
        """True if model-signing accepts signatures of this key, too."""
        return self.key.public.interoperable


def has_password(path: object) -> bool:
    """Return True if the file of a private key is encrypted."""
    return keys.is_encrypted(_content("key", path, keys.LARGEST))


def signing_key(
    key: object,
    *,
    password: object = None,
    certificate: object = None,
    certificate_chain: Sequence[object] = (),
) -> SigningKey:
    """Return what signs.

    Args:
        key: path of a private key, PEM.
        password: of the key; by default that in LOCALREG_KEY_PASSWORD.
        certificate: path of its certificate, PEM; None if the key itself is trusted.
        certificate_chain: paths of the certificates of authorities between it and what is trusted.

    Raises:
        SignatureError: one of them cannot be used.
        MissingPackageError: cryptography is not installed.
    """
    secret = _password(password)
    private = keys.load_private(_content("key", key, keys.LARGEST), secret)
    if certificate is None:
        if certificate_chain:
            raise InvalidValueError(
                "certificate_chain needs certificate, the one of the key", argument="certificate"
            )
        return SigningKey(private)
    paths = [("certificate", certificate), *(("certificate_chain", p) for p in certificate_chain)]
    chain = [each for name, path in paths for each in _certificates(name, path)]
    return SigningKey(private, tuple({each.id: each for each in chain}.values()))


def trusted_file(argument: str, path: object, name: str | None = None) -> list[Trusted]:
    """Return the key, or the certificates of authorities, in a file.

    Args:
        argument: the argument's name, for the error.
        path: of a PEM file.
        name: what people call it.

    Raises:
        SignatureError: it is no such file.
    """
    return verifying.trusted_of(_content(argument, path, certificates.LARGEST), name)


def add_key(registry: OpenRegistry, path: object, name: object = None) -> list[Trusted]:
    """Trust a key, or the certificates of authorities, from now on.

    Args:
        path: of a PEM file with a public key, or with certificates.
        name: what people call it; by default the name in a certificate, or that of the file.

    Returns:
        Those that are new; none if all are trusted already.

    Raises:
        SignatureError: it is no such file.
        ConflictError: another key has the name.
    """
    chosen = None if name is None else check_name("name", name)
    found = trusted_file("key", path, chosen)
    if chosen is None:
        stem = check_path("key", path).stem
        found = [replace(each, name=stem) if each.kind == "key" else each for each in found]
    with registry.store.write() as change:
        known = key_rows.keys(change.connection)
        names = {each.name for each in known}
        new = [each for each in found if each.id not in {one.id for one in known}]
        new = [
            replace(_named(each, names, given=chosen is not None), added=change.at) for each in new
        ]
        for each in new:
            key_rows.add(change.connection, each)
    return new


def trusted_keys(registry: OpenRegistry) -> list[Trusted]:
    """Return what a registry trusts, by name."""
    with registry.store.read() as connection:
        return key_rows.keys(connection)


def trusted_keys_of(chain: Chain) -> list[Trusted]:
    """Return the keys that count for a chain: those of the registry that decides."""
    return trusted_keys(trusting(chain))


def remove_key(registry: OpenRegistry, name: object) -> Trusted:
    """Trust a key or certificate no more.

    Args:
        name: its name, or the first 6 or more digits of its id.

    Raises:
        NotFoundError: the registry trusts no such key.
        ConflictError: the digits mean several.
    """
    text = check_text("name", name, nul=False, empty=False)
    with registry.store.write() as change:
        known = key_rows.keys(change.connection)
        found = [each for each in known if each.name == text]
        if not found and len(text) >= PREFIX:
            found = [each for each in known if each.id.startswith(text)]
        if not found:
            names = ", ".join(each.name for each in known[:10])
            hint = f"; it trusts {names}" if names else "; it trusts no key"
            raise NotFoundError(
                f"{registry.root} trusts no key {shown(text)}{hint}", reference=shown(text)
            )
        if len(found) > 1:
            raise ConflictError(
                f"{shown(text)} may mean {len(found)} keys: "
                f"{', '.join(each.text for each in found)}; give the name of one"
            )
        key_rows.remove(change.connection, found[0].id)
    return found[0]


def _named(key: Trusted, names: set[str], *, given: bool) -> Trusted:
    """Return a key with a name that no other one has."""
    named = key
    if key.name in names:
        if given:
            raise ConflictError(
                f"another key has the name {key.name}; give it another one, or remove that one: "
                f"`localreg key rm {key.name}`"
            )
        named = replace(key, name=f"{key.name} {key.id[:8]}")
    names.add(named.name)
    return named


def _certificates(argument: str, path: object) -> list[Certificate]:
    return certificates.load_certificates(_content(argument, path, certificates.LARGEST))


def _content(argument: str, path: object, limit: int) -> bytes:
    check_no_key(argument, path)
    place = absolute(argument, check_path(argument, path))
    with disk_errors("reading a key", place):
        return read_plain(place, argument, limit)


def check_no_key(argument: str, path: object) -> None:
    """Raise InvalidValueError if a path is the text of a key: no other error may show that."""
    text = path.decode("latin-1") if isinstance(path, bytes) else path
    if isinstance(text, str) and "PRIVATE KEY" in text:
        raise InvalidValueError(
            f"{argument} must be the path or name of a file, not the text of a private key",
            argument=argument,
        )


def _password(given: object) -> bytes | None:
    """Return the password of a key; its text is in no message."""
    if given is None:
        return os.fsencode(os.environ.get(settings.KEY_PASSWORD, "")) or None
    if not isinstance(given, str):
        raise InvalidValueError(
            f"password must be a str, not {type(given).__name__}", argument="password"
        )
    try:
        return given.encode()
    except UnicodeEncodeError:  # it has the password
        raise InvalidValueError(
            "password has characters that cannot be encoded", argument="password"
        ) from None
