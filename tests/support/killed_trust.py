"""The calls that sign models and guard aliases, which are killed at many places.

Each is prepared, and returned, as a command of the command line.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from support.command_line import run_cli
from support.foreign_signatures import new_key, private_pem, public_pem, signed

from localreg import Registry

PASSED = "p/m:2"  # what the gate of the alias lets pass


def prepare(folder):
    """Make a registry with signed and unsigned models, and keys and signatures for them."""
    (folder / "pkg" / "deep").mkdir(parents=True)
    for name in ("a", "deep/b"):
        (folder / "pkg" / name).write_bytes(name.encode() * 1_000)
    ours, theirs = new_key(), new_key()
    (folder / "ours.pem").write_bytes(private_pem(ours))
    (folder / "ours.pub").write_bytes(public_pem(ours))
    (folder / "theirs.pub").write_bytes(public_pem(theirs))
    with Registry(folder / "registry", durability="fast") as registry:
        for number in range(3):
            registry.add(io.BytesIO(b"%d" % number * 1_000), "m", "p", filename="w.pt")
        registry.add(folder / "pkg", "packed", "p")
        registry.model("p/m:2").publish()
        registry.set_alias("p/m:1", "prod")
        digest = registry.model("p/m:1").digest
    with Registry(folder / "signed", durability="fast") as registry:
        large = bytes(range(256)) * 8_000  # more than is sent or read at once
        registry.add(io.BytesIO(large), "m", "p", filename="w.pt")
        registry.sign("p/m:1", folder / "ours.pem")
    assert digest == hashlib.sha256(b"0" * 1_000).hexdigest()
    (folder / "made.sig").write_bytes(signed({"w.pt": digest}, theirs))
    do("key", "add", folder / "ours.pub", "--name", "ours", at=folder / "registry")
    do("protect", "p/m@guarded", "--require", "published", at=folder / "registry")


def do(*words, at="registry"):
    """Run a command in a registry; it must succeed."""
    command = ["-R", str(at), *map(str, words), "-q"]
    code, _, said = run_cli(*command)
    assert code == 0, f"{command}: {said}"


def call(*words):
    """Return a call that runs a command; what it imports is imported before."""

    def prepared():
        import localreg.blobs.signing.verifying
        import localreg.operations.trust.signing  # noqa: F401

        do("ls")
        return lambda: do(*words)

    return prepared


def carried(*words):
    """Return a call with a container registry, whose host is in the file ``host``."""

    def prepared():
        place = f"oci://{Path('host').read_text()}/p/m:1"
        return call(*words[:-1], place, "--plain-http", "--json")()

    return prepared


TRUSTING = {
    "sign": call("sign", "p/m:1", "--key", "ours.pem"),
    "sign a package": call("sign", "p/packed", "--key", "ours.pem"),
    "keep a signature": call("sign", "p/m:1", "--signature", "made.sig"),
    "trust a key": call("key", "add", "theirs.pub", "--name", "theirs"),
    "trust a key no more": call("key", "rm", "ours"),
    "enforce": call("config", "trust.mode", "enforce"),
    "protect": call("protect", "p/m@new", "--require", "published,signed"),
    "protect in any case": call(
        "protect", "p/m@prod", "--require", "published", "--override", "it is so"
    ),
    "pass a gate": call("alias", PASSED, "guarded"),
    "override a gate": call("alias", "p/m:1", "guarded", "--override", "it burns"),
    "lift a gate": call("protect", "p/m@guarded", "--drop"),
}
CARRYING = {
    "send": carried("-R", "signed", "export", "p/m:1", "-o", "PLACE"),
    "take": carried("import", "PLACE"),
}
CALLS = TRUSTING | CARRYING


def state(folder):
    """Return what a registry shows of trust; signatures by what they are of."""
    root = Path(folder) / "registry"
    with Registry(root, durability="fast") as registry:
        rows = registry.db.execute
        return (
            sorted(rows("SELECT m.id, s.digest FROM signature s JOIN model m ON m.pk = s.model")),
            sorted(rows("SELECT id, kind, name FROM trusted_key")),
            sorted(rows("SELECT name, alias, conditions FROM gate")),
            sorted(rows("SELECT name, alias, model, gate IS NULL, override FROM alias")),
            sorted(rows("SELECT * FROM setting WHERE name LIKE 'trust%'")),
            sorted(rows("SELECT kind, count(*) FROM event GROUP BY kind")),
        )
