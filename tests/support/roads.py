"""Every road by which the bytes of a model come to a user: what each of them gives, if it does."""

from __future__ import annotations

import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from support.command_line import run_cli

from localreg.errors import TrustError

LATER = datetime(2090, 1, 1, tzinfo=UTC)


class Roads:
    """A model, and the roads to its bytes.

    Args:
        registry: through which it is found, and where commands find it by the environment.
        model: it, found there.
        out: a folder for copies.
        file: a file of the package; of a single file its name.
        without: names of roads that do not lead to it.
    """

    def __init__(self, registry, model, out, file, without=frozenset()):
        self.registry, self.model, self.out, self.file = registry, model, out, file
        self.without = without

    def new_folder(self):
        return Path(tempfile.mkdtemp(dir=self.out))

    def command(self, *arguments):
        """Return what a command writes to stdout; TrustError if trust is why it fails."""
        code, out, err = run_cli(*arguments)
        if code and re.search(r"trust\.mode|is signed, but not", err):
            assert out == "", out
            raise TrustError(err)
        assert code == 0, err
        return out

    def given(self):
        """Return what each road gives: bytes; or None if trust is why it gives nothing."""
        found = {}
        for name, road in ROADS.items():  # the first ones bring what only a remote has
            if name in self.without:
                continue
            try:
                found[name] = road(self)
            except TrustError:
                found[name] = None
        return found


def read(path):
    """Return the bytes of a file, or those of all files of a folder; None of no path."""
    if path is None:
        return None
    place = Path(path)
    if place.is_file():
        return place.read_bytes()
    return b"".join(each.read_bytes() for each in sorted(place.rglob("*")) if each.is_file())


def read_url(url):
    """Return what is at a URL on this machine; a server is not asked."""
    parts = urlsplit(url or "")
    return read(unquote(parts.path)) if parts.scheme == "file" else None


def as_of(case, question):
    with case.registry.as_of(LATER) as past:
        return question(past.model(case.model.id))


def copied(case, *arguments):
    place = case.new_folder()
    try:
        case.command("get", case.model.id, *arguments, "-o", f"{place}/")
    except TrustError:
        assert not [*place.iterdir()]
        raise
    return read(place)


def exported(case, kind, weights):
    """Return the files of a model in a folder for another program; None without any.

    Args:
        weights: the folder of them.
    """
    place = case.new_folder() / "out"
    try:
        case.command("export", case.model.id, "--format", kind, "-o", place)
    except TrustError:
        assert not place.exists()
        raise
    (place / "README.md").unlink(missing_ok=True)  # a card, made of what is recorded
    return read(place / weights) or None


def printed(case, *arguments):
    return read(case.command("path", case.model.id, *arguments).strip())


ROADS = {
    "get_local_copy": lambda case: read(case.model.get_local_copy(raise_on_error=True)),
    "get_local_copy without errors": lambda case: read(case.model.get_local_copy()),
    "again": lambda case: read(
        case.model.get_local_copy(raise_on_error=True, force_download=True)
    ),
    "one file": lambda case: read(
        case.model.get_local_copy(raise_on_error=True, file=case.file)
    ),
    "packed": lambda case: read(
        case.model.get_local_copy(raise_on_error=True, extract_archive=False)
    ),
    "unpacked": lambda case: read(
        case.model.get_local_copy(raise_on_error=True, extract_archive=True)
    ),
    "private": lambda case: read(case.model.get_local_copy(raise_on_error=True, mutable=True)),
    "to a folder": lambda case: read(
        case.model.get_local_copy(raise_on_error=True, target_folder=case.new_folder())
    ),
    "get_weights": lambda case: read(case.model.get_weights(raise_on_error=True)),
    "get_weights_package": lambda case: read(
        case.model.get_weights_package(raise_on_error=True, return_path=True)
    ) if case.model._row().package else read(case.model.get_weights(raise_on_error=True)),
    "url": lambda case: read_url(case.model.url),
    "revisions": lambda case: read_url(case.model.revisions()[-1].url),
    "as of": lambda case: as_of(case, lambda past: read(past.get_local_copy(raise_on_error=True))),
    "url as of": lambda case: as_of(case, lambda past: read_url(past.url)),
    "path": printed,
    "path --json": lambda case: read(
        re.search(r'"path": "(.*?)"', case.command("path", case.model.id, "--json"))[1]
    ),
    "path --file": lambda case: printed(case, "--file", case.file),
    "path --archive": lambda case: printed(case, "--archive"),
    "path --as-of": lambda case: printed(case, "--as-of", f"{LATER:%Y-%m-%d}"),
    "get": copied,
    "get --file": lambda case: copied(case, "--file", case.file),
    "get -o -": lambda case: case.command(
        "get", case.model.id, "--file", case.file, "-o", "-"
    ).encode(),
    "get --archive": lambda case: copied(case, "--archive"),
    "export --format hf": lambda case: exported(case, "hf", ""),
    "export --format mlflow": lambda case: exported(case, "mlflow", "mlartifacts/models"),
    "get --as-of": lambda case: copied(case, "--as-of", f"{LATER:%Y-%m-%d}"),
}  # fmt: skip
