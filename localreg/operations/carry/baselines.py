"""What the receiver of a bundle has already, so that only the rest must travel.

A bundle shows it by what it holds, and an event by what came here up to it. An event that got its
place in the order of a remote since then travels again: the receiver may have it without the place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localreg.errors import AmbiguousReferenceError, InvalidValueError, NotFoundError
from localreg.registry import OpenRegistry
from localreg.store.rows import logged_rows
from localreg.values import bundle_format
from localreg.values.checks import check_text
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from localreg.blobs.bundles.reading import Bundle
    from localreg.values.records import LoggedEvent

_DIGITS = re.compile(r"[0-9a-f]{6,32}")


class Baseline(Frozen):
    """What the receiver has.

    Attributes:
        after: only events with a greater key than this must travel, and those before that got
            their places since.
        since: when the event with this key came, microseconds.
        events: ids of events that it has, as bytes.
        unplaced: those of them that had no place in the order of a remote there.
        digests: of blobs and layers that it has, as bytes; None if the events in the bundle show
            which it lacks.
    """

    after: int = 0
    since: int = 0
    events: Collection[bytes] = frozenset()
    unplaced: Collection[bytes] = frozenset()
    digests: Collection[bytes] | None = frozenset()

    def holds(self, event_id: str) -> bool:
        """Return True if the receiver has an event."""
        return bool(self.events) and bytes.fromhex(event_id) in self.events

    def lacks_place(self, event: LoggedEvent) -> bool:
        """Return True if the receiver has an event, perhaps without the place that it has here."""
        return (
            bool(self.unplaced)
            and event.position is not None
            and bytes.fromhex(event.event_id) in self.unplaced
        )

    def has(self, digest: str, named: Collection[str]) -> bool:
        """Return True if the receiver has a blob.

        Args:
            named: the digests that the events in the bundle name.
        """
        if self.digests is None:
            return digest not in named
        return bool(self.digests) and bytes.fromhex(digest) in self.digests


@contextmanager
def baseline_of(registry: OpenRegistry, since: str | os.PathLike[str] | None) -> Iterator[Baseline]:
    """Yield what a bundle holds, or what the registry had when an event came to it.

    Args:
        since: the path of a bundle, or the first 6 or more digits of an event's id; None for
            nothing.

    Raises:
        NotFoundError: there is neither such a file nor such an event.
        AmbiguousReferenceError: several events begin with these digits.
    """
    if since is None:
        yield Baseline()
        return
    if not isinstance(since, (str, os.PathLike)):
        raise InvalidValueError(
            f"since must be the path of a bundle or the id of an event, not {type(since).__name__}",
            argument="since",
        )
    text = check_text("since", os.fspath(since), nul=False, empty=False)
    if os.path.lexists(text):
        yield _of_bundle(Path(text))
    else:
        yield _of_event(registry, text)


def _of_event(registry: OpenRegistry, text: str) -> Baseline:
    found: list[tuple[int, str]] = []
    if _DIGITS.fullmatch(text):
        with registry.store.read() as connection:
            found = logged_rows.keys_of(connection, text)
    if not found:
        raise NotFoundError(
            f"since {text!r:.80} is neither a file nor an event of {registry.root}; "
            "`localreg history` lists the ids of events",
            reference=text,
        )
    if len(found) > 1:
        raise AmbiguousReferenceError(
            f"several events begin with {text}; give more digits",
            reference=text,
            hits=tuple(event_id for _, event_id in found),
        )
    key = found[0][0]
    with registry.store.read() as connection:
        since = logged_rows.came_at(connection, key)
    return Baseline(after=key, since=since, digests=None)


def _of_bundle(path: Path) -> Baseline:
    from localreg.blobs.bundles.reading import open_bundle

    with open_bundle(path, path) as bundle:  # only a stream needs a place to be kept in
        return _held_by(bundle)


def _held_by(bundle: Bundle) -> Baseline:
    events: set[bytes] = set()
    unplaced: set[bytes] = set()
    digests: set[bytes] = set()
    for _, manifest in bundle.manifests():
        for layer in manifest.layers:
            digests.add(bytes.fromhex(layer.digest))
            if layer.media_type == bundle_format.EVENTS:
                part = f"layer sha256:{layer.digest[:12]}"
                for found in bundle_format.read_lines(bundle.read(layer), part):
                    line = found if isinstance(found, dict) else {}
                    event_id = line.get("event_id")
                    if type(event_id) is not str or not _DIGITS.fullmatch(event_id):
                        raise bundle_format.broken(part, "a line is not an event")
                    events.add(bytes.fromhex(event_id))
                    if line.get("position") is None:
                        unplaced.add(bytes.fromhex(event_id))
    return Baseline(
        events=frozenset(events), unplaced=frozenset(unplaced), digests=frozenset(digests)
    )
