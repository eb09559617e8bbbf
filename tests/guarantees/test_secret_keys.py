"""P22: a private key and its password are nowhere but in the file and the variable of the user."""

from __future__ import annotations

import io
import logging
import pickle
import traceback

import pytest
from support.command_line import run_cli
from support.foreign_signatures import certificate, new_key, pem, private_pem, public_pem

from localreg import Registry, Task
from localreg.errors import LocalregError
from localreg.operations.trust.keys import signing_key

PASSWORD = "hunter2-of-the-bank"
WRONG = "hunter3-of-the-bank"
KEY = new_key()
PLAIN = private_pem(KEY)
ENCRYPTED = private_pem(KEY, PASSWORD.encode())
_LINES = [line for data in (PLAIN, ENCRYPTED) for line in data.decode().splitlines()[1:-1]]
_NUMBER = KEY.private_numbers().private_value
# Whatever shows one of them shows the key: its lines, and its number as people may write it.
SECRETS = [
    PASSWORD,
    WRONG,
    *(each for each in _LINES if len(each) > 20),
    str(_NUMBER),
    f"{_NUMBER:x}",
]


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "registry"))
    for name, data in {
        "plain.pem": PLAIN,
        "encrypted.pem": ENCRYPTED,
        "damaged.pem": ENCRYPTED[:90] + b"A" + ENCRYPTED[91:],
        "cut.pem": PLAIN[:120],
        "both.pem": PLAIN + public_pem(KEY),
        "key.pub": public_pem(KEY),
        "cert.pem": pem(certificate("me", KEY)),
        "cert-and-key.pem": pem(certificate("me", KEY, authority=True)) + PLAIN,
    }.items():
        (tmp_path / name).write_bytes(data)
    with Registry(tmp_path / "registry", durability="fast") as made:
        made.add(io.BytesIO(b"weights"), "m", "p", filename="w.pt")
        made.add(io.BytesIO(b"others"), "m", "p", filename="w.pt")
        yield made


def secrets_in(text):
    """Return the secrets that a text shows."""
    return [each for each in SECRETS if each in text]


COMMANDS = {
    "sign p/m:1 --key plain.pem": None,
    "sign p/m:2 --key encrypted.pem": PASSWORD,
    "sign p/m:2 --key encrypted.pem --json": PASSWORD,
    "sign p/m:1 --key encrypted.pem": WRONG,
    "sign p/m:1 --key encrypted.pem -q": None,
    "sign p/m:1 --key damaged.pem": PASSWORD,
    "sign p/m:1 --key cut.pem": None,
    "sign p/m:1 --key both.pem --certificate plain.pem": None,
    "sign p/m:1 --key plain.pem --certificate cert.pem": None,
    "sign p/m:1 --key plain.pem --certificate cert.pem --certificate-chain plain.pem": None,
    "sign p/m:1 --signature plain.pem": None,
    "sign p/m:1 --key plain.pem -o made.sig": None,
    "key add plain.pem": None,
    "key add both.pem": None,
    "key add cert-and-key.pem": None,
    "key add encrypted.pem": PASSWORD,
    "key add key.pub": None,
    "key ls": PASSWORD,
    "key ls --json": PASSWORD,
    "verify p/m:1 --key plain.pem": None,
    "verify p/m:1 --key key.pub": None,
    "verify p/m:1 --key key.pub --json": None,
    "verify p/m:1 --certificate-chain cert-and-key.pem": None,
    "show p/m:1": PASSWORD,
    "show p/m:1 --json": PASSWORD,
    "history": None,
    "history --json": None,
    "env": PASSWORD,
    "env --json": PASSWORD,
    "doctor": PASSWORD,
    "doctor --json": PASSWORD,
    "config": PASSWORD,
    "card p/m:1": None,
    "get p/m:1 --signature -o got.sig": None,
    "export --all -o all.tar": None,
    "backup copy": None,
    "site": PASSWORD,
}


def test_no_command_shows_or_keeps_a_private_key(registry, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    mine = {*tmp_path.iterdir()} - {registry.path}
    signed = 0
    for command, password in COMMANDS.items():
        monkeypatch.delenv("LOCALREG_KEY_PASSWORD", raising=False)
        if password is not None:
            monkeypatch.setenv("LOCALREG_KEY_PASSWORD", password)
        code, out, err = run_cli(*command.split())
        assert "Traceback" not in err, command
        assert secrets_in(out + err) == [], command
        signed += command.startswith("sign") and code == 0
    assert signed >= 4, "keys were read"
    task = Task.init("p", "t")  # it records how it was begun
    task.close()
    assert secrets_in(caplog.text + repr([each.__dict__ for each in caplog.records])) == []
    registry.close()
    for path in tmp_path.rglob("*"):
        if path.is_file() and path not in mine:
            found = secrets_in(path.read_bytes().decode("latin-1"))
            assert found == [], path


CALLS = {
    "wrong password": lambda r: r.sign("p/m:1", "encrypted.pem", password=WRONG),
    "no password": lambda r: r.sign("p/m:1", "encrypted.pem"),
    "a password of bytes": lambda r: r.sign("p/m:1", "encrypted.pem", password=PASSWORD.encode()),
    "a password of a list": lambda r: r.sign("p/m:1", "encrypted.pem", password=[PASSWORD]),
    "a password with a surrogate": lambda r: r.sign(
        "p/m:1", "encrypted.pem", password=PASSWORD + "\ud800"
    ),
    "a long password": lambda r: r.sign("p/m:1", "encrypted.pem", password=PASSWORD * 1_000),
    "damaged": lambda r: r.sign("p/m:1", "damaged.pem", password=PASSWORD),
    "cut": lambda r: r.sign("p/m:1", "cut.pem"),
    "the key as text": lambda r: r.sign("p/m:1", PLAIN.decode()),
    "the key as bytes": lambda r: r.sign("p/m:1", PLAIN),
    "the key as a certificate": lambda r: r.sign("p/m:1", "plain.pem", certificate="encrypted.pem"),
    "the key as text of a certificate": lambda r: r.sign(
        "p/m:1", "plain.pem", certificate=PLAIN.decode()
    ),
    "the key as a signature": lambda r: r.attach_signature("p/m:1", "plain.pem"),
    "the key as text of a signature": lambda r: r.attach_signature("p/m:1", PLAIN.decode()),
    "trusted": lambda r: r.add_key("plain.pem"),
    "trusted as text": lambda r: r.add_key(PLAIN.decode()),
    "trusted with a name": lambda r: r.add_key("plain.pem", name=PLAIN.decode()),
    "verified with": lambda r: r.verify_signature("p/m:1", key="plain.pem"),
    "verified with its text": lambda r: r.verify_signature("p/m:1", key=PLAIN.decode()),
    "a chain": lambda r: r.verify_signature("p/m:1", certificate_chain=["plain.pem"]),
    "removed": lambda r: r.remove_key(PLAIN.decode()),
}


@pytest.mark.parametrize("name", CALLS)
def test_no_error_shows_a_private_key(name, registry):
    """No message, attribute or traceback, with all causes."""
    with pytest.raises(LocalregError) as raised:
        CALLS[name](registry)
    error = raised.value
    assert secrets_in("".join(traceback.format_exception(error))) == []
    while error is not None:
        assert secrets_in(f"{error} {error!r} {vars(error)}") == []
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_a_key_that_was_read_shows_nothing_and_cannot_be_copied(registry):
    key = signing_key("encrypted.pem", password=PASSWORD)
    assert secrets_in(f"{key} {key!r} {key.key} {key.key!r}") == []
    with pytest.raises(TypeError):
        pickle.dumps(key)
