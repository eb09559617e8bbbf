"""Stores of other programs in stores/, unpacked for a test, imported, and damaged."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path

from localreg.errors import SourceError
from localreg.operations.importers.bringing import Wish
from localreg.operations.importers.kinds import import_from

STORES = Path(__file__).parent / "stores"


def unpacked(name, into):
    """Unpack NAME.zip into a new folder of its name; return it."""
    folder = into / name
    with zipfile.ZipFile(STORES / f"{name}.zip") as archive:
        archive.extractall(folder)
    return folder


def said_of(name):
    """Return what the program's own API said of a store."""
    return json.loads((STORES / f"{name}.json").read_text(encoding="utf-8"))


def brought(registry, source, kind, *, task=None, **wish):
    """Import a source; return what came."""
    return import_from(registry._chain, str(source), kind, Wish(**wish), task=task)


def counts(registry):
    """Return how much is in a registry, to see that nothing came."""
    return {
        table: next(iter(registry.db.query(f"SELECT count(*) AS n FROM {table}")))["n"]
        for table in ("event", "model", "task", "blob", "alias")
    }


def files_of(model):
    """Return the bytes of the files of a model, by their names."""
    place = Path(model.get_local_copy())
    if place.is_file():
        return {place.name: place.read_bytes()}
    return {
        each.relative_to(place).as_posix(): each.read_bytes()
        for each in sorted(place.rglob("*"))
        if each.is_file()
    }


def survives(registry, folder, kind, random, file, *, task=None):
    """Damage a file of a source at random and import it; only a SourceError may be raised.

    Returns:
        True if it was one.
    """
    whole = file.read_bytes()
    data = bytearray(whole)
    for _ in range(random.randint(1, 4)):
        start = random.randrange(len(data) + 1)
        match random.randrange(4):
            case 0:
                del data[start : start + random.randint(1, 40)]
            case 1:
                data[start:start] = random.choice(PIECES)
            case 2 if data:
                data[min(start, len(data) - 1)] = random.randrange(256)
            case _:
                end = start + random.randint(1, 60)
                data[start:start] = data[start:end] * random.randint(1, 3)
    file.write_bytes(data)
    before = counts(registry)
    try:
        brought(registry, folder, kind, task=task, dry_run=True)
        return False
    except SourceError:
        assert counts(registry) == before
        return True
    finally:
        file.write_bytes(whole)


PIECES = (
    b"\0", b"\xff\xfe", b"../", b"/etc/passwd", b"{", b"}", b"[", b"]", b"null", b"1e999", b"-1",
    b"9" * 400, b"NaN", b"''", b'""', b": ", b"- ", b"\n", b"\n  ", b"&a ", b"*a", b"!!python/x ",
    b"true", b"\\ud800", b"\r\n", b"!!binary x", b"? ", b"0x" + b"f" * 5_000, b"2026-99-99",
    b"0001-01-01T00:00:00+23:59", b"!!int ", b"!!float ", b"!!bool ", b"!!timestamp ", b"!!set ",
    b"!!omap ", b"<<: ", b"%YAML 9.9\n---\n", b"\xc2\x85", b"\t", b"# ", b"| ", b"> ", b"!a ",
)  # fmt: skip


def points_of(registry, name):
    """Return the points of a task: by title and series, its (step, value, milliseconds)."""
    found = {}
    rows = registry.db.query(
        "SELECT s.title, s.name, c.iteration, c.value, s.epoch + c.ms AS at FROM scalar c "
        "JOIN series s ON s.pk = c.series JOIN task t ON t.pk = s.task WHERE t.name = ? "
        "ORDER BY s.title, s.name, c.iteration",
        [name],
    )
    for row in rows:
        value = math.nan if row["value"] is None else row["value"]
        place = (row["title"], row["name"])
        found.setdefault(place, []).append((row["iteration"], value, row["at"]))
    return found
