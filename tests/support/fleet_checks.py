"""Check what a fleet holds: the remote by deltalake alone, and each registry by SQL."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from support.delta_tables import rows_of
from support.rules_of_registries import check_by_rules, shown_by

EVENTS = """
    SELECT e.event_id, o.id, o.name, e.seq, e.lamport, e.stamp, e.at, a.name, e.kind, e.v,
        e.subject, e.field, e.payload, e.position
    FROM event e JOIN origin o ON o.pk = e.origin JOIN actor a ON a.pk = e.actor
"""
TABLE = (
    "event_id", "origin", "origin_name", "seq", "lamport", "stamp", "time", "actor", "kind", "v",
    "subject", "field", "payload",
)  # fmt: skip


def events_at(url):
    """Return the rows of a remote that are events; the others are its notes."""
    return [row for row in rows_of(url) if not row["kind"].startswith("remote.")]


def check_remote(url, acknowledged):
    """Check that a remote has each event once, and those that were acknowledged; return its events.

    Args:
        url: of the remote.
        acknowledged: ids of events that machines wrote into their logs.
    """
    rows = rows_of(url)
    counts = Counter((row["position"], row["n"]) for row in rows)
    assert set(counts.values()) <= {1}, "two rows of one place"
    for position in {row["position"] for row in rows}:
        numbers = [row["n"] for row in rows if row["position"] == position]
        assert numbers == list(range(len(numbers))), position
    events = events_at(url)
    ids = [row["event_id"] for row in events]
    twice = [each for each, count in Counter(ids).items() if count > 1]
    assert not twice, f"twice: {twice}"
    missing = set(acknowledged) - set(ids)
    assert not missing, f"missing: {missing}"
    check_order(events)
    return events


def check_order(events):
    """Check that no event stands before one that its writer knew, as far as events show that."""
    before = set()
    for row in events:
        payload = json.loads(row["payload"])
        knew = {payload.get("was"), *payload.get("over", ()), *payload.get("adds", ())}
        if row["kind"] not in ("alias.set", "alias.protected"):
            knew.add(row["subject"])
        late = knew - before - {None, row["event_id"]}
        assert not late, f"{row} stands before what it knew: {late}"
        before.add(row["event_id"])


def check_registry(root, events):
    """Check that a registry has the events of a remote, at their places, and shows their fold.

    Returns:
        What it shows, to compare it with others.
    """
    places = {row["event_id"]: row["position"] * 2**20 + row["n"] for row in events}
    with closing(sqlite3.connect(Path(root) / "registry.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        here = {row[0]: row[1:] for row in connection.execute(EVENTS)}
        assert here.keys() == places.keys(), (root, len(here), len(places))
        for row in events:
            *content, position = here[row["event_id"]]
            assert position == places[row["event_id"]], (root, row)
            told = [row[each] for each in TABLE[1:]]
            # The name of an origin is for people: the owner may change it.
            del content[1], told[1]
            assert [*content[:-1], json.loads(content[-1])] == [*told[:-1], json.loads(told[-1])]
        shown = shown_by(connection)
    check_by_rules(root)
    return shown


def check_fleet(url, roots, acknowledged):
    """Check that a remote and all registries hold and show the same; return the events."""
    events = check_remote(url, acknowledged)
    first = check_registry(roots[0], events)
    for root in roots[1:]:
        shown = check_registry(root, events)
        for part, found in shown.items():
            assert found == first[part], (root, part)
    return events


def check_bytes(get, events):
    """Check that a remote has the bytes that its events name, whole.

    Args:
        get: returns the bytes of a key, or None.
        events: rows of the remote.
    """
    digests = set()
    for row in events:
        payload = json.loads(row["payload"])
        match row["kind"]:
            case "model.created":
                digests |= {each["digest"] for each in payload["weights"]}
            case "model.weights_added":
                digests.add(payload["new"]["digest"])
    return check_digests(get, digests - {None})


def check_live_bytes(get, root):
    """Check that a remote has the bytes of the models that a registry shows; return the digests."""
    with closing(sqlite3.connect(Path(root) / "registry.db")) as connection:
        models = shown_by(connection)["models"].values()
    return check_digests(
        get, {digest for each in models for digest in each["revisions"].values()} - {None}
    )


def check_digests(get, digests):
    """Check that a remote has the bytes of some digests, whole; return them."""
    for digest in digests:
        data = get(f"blobs/sha256/{digest[:2]}/{digest[2:]}")
        assert data is not None, f"no bytes of {digest}"
        assert hashlib.sha256(data).hexdigest() == digest
    return digests
