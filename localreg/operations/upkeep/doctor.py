"""Examine a registry and the place where it lies: what is wrong, and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator

from localreg.blobs.local_files.listing import digests_with_local_files, lister, size_of_copies
from localreg.errors import DamagedRowError, LocalregError, StorageError
from localreg.filesystem.access_rights import barrier
from localreg.filesystem.clones import clone
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.kinds import filesystem_type, is_network
from localreg.operations.upkeep import sharing
from localreg.operations.upkeep.gc import all_garbage
from localreg.operations.upkeep.verify import database_problems
from localreg.operations.upkeep.versions import has_extra
from localreg.operations.weights.locations import holder
from localreg.operations.weights.trusted import Trust, trust_of
from localreg.registry import Chain, OpenRegistry
from localreg.store.database.opening import sqlite_version
from localreg.store.rows import blob_rows, event_rows, key_rows, overview_rows, remote_rows
from localreg.store.rows.blob_rows import BlobRow
from localreg.values.frozen import Frozen
from localreg.values.ids import now
from localreg.values.layout import BLOBS, FILES, QUARANTINE, TEMPORARY, TREES
from localreg.values.version import __version__

FILE_LOCKS = "file locks"
WEIGHTS = ("/".join(BLOBS), FILES, TREES)  # folders of weights
LITTLE_SPACE = 1_000_000_000  # bytes


class Finding(Frozen):
    """One thing that was examined.

    Attributes:
        what: its name.
        state: "ok", "note" (worth knowing) or "bad" (something must be done).
        text: what was found, and what to do.
    """

    what: str
    state: str
    text: str


def examine(chain: Chain) -> list[Finding]:
    """Return what was found in a registry and in the place where it lies."""
    registry = chain.first
    findings = [_sqlite(), _filesystem(registry), _journal(registry)]
    findings += [_database(registry), _clock(registry), _permissions(registry)]
    findings += examine_sharing(registry)
    findings += _upstream(chain)
    findings += _remotes(registry)
    findings.append(_trust(chain))
    if registry.store.readonly:
        return [*findings, Finding("writing", "note", f"not possible: {registry.store.refusal}")]
    findings += [_space(registry), *_reserve(registry), *_links(registry), *_copies(registry)]
    return [*findings, _locks(registry), *_leftovers(chain)]


def facts(chain: Chain) -> dict[str, str]:
    """Return what is known of a registry and what it runs on, by name."""
    registry, store = chain.first, chain.first.store
    with store.read() as connection:
        models, _ = overview_rows.counts(connection)
    return {
        "registry id": store.registry_id,
        "models": str(models),
        "writable": f"no: {store.refusal}" if store.readonly else "yes",
        "shared": f"by the group {store.shared}" if store.shared else "no",
        "file system": filesystem_type(registry.root) or "unknown",
        "locks": kind_of_locks(registry),
        "journal": store.journal_mode(),
        "durability": store.durability,
        "trust": _trust_text(trust_of(chain), registry),
        "localreg": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite_version(),
    }


def _sqlite() -> Finding:
    return Finding("SQLite", "ok", sqlite_version())


def _filesystem(registry: OpenRegistry) -> Finding:
    kind = filesystem_type(registry.root) or "of an unknown kind"
    if is_network(registry.root):
        return Finding("file system", "note", f"{kind}; other machines may share it")
    return Finding("file system", "ok", f"{kind}, local")


def _journal(registry: OpenRegistry) -> Finding:
    mode = registry.store.journal_mode()
    durability = registry.store.durability
    if mode == "wal" and is_network(registry.root):
        return Finding(
            "journal",
            "bad",
            "wal on a network file system: two machines see different data. Make a registry with "
            "`localreg init --journal truncate`, and copy the models into it",
        )
    return Finding("journal", "ok", f"{mode}, durability {durability}")


def _space(registry: OpenRegistry) -> Finding:
    with disk_errors("asking for the free space", registry.root):
        usage = shutil.disk_usage(registry.root)
    text = f"{usage.free / 1e9:,.1f} GB of {usage.total / 1e9:,.1f} GB free"
    little = usage.free < max(LITTLE_SPACE, usage.total // 50)
    return Finding("disk", "bad" if little else "ok", text + (". Make space" if little else ""))


def _reserve(registry: OpenRegistry) -> Iterator[Finding]:
    if not registry.store.has_reserve():
        text = "no reserve for a full disk, which `gc` needs then: `localreg gc --delete` makes it"
        yield Finding("reserve", "note", text)


def _database(registry: OpenRegistry) -> Finding:
    problem = next(database_problems(registry, full=False), None)
    if problem is not None:
        return Finding("database", "bad", f"{problem.text}. Restore it from a backup")
    size = registry.store.path.stat().st_size
    return Finding("database", "ok", f"not damaged, {size / 1e6:,.1f} MB")


def _clock(registry: OpenRegistry) -> Finding:
    with registry.store.read() as connection:
        newest = event_rows.newest_time(connection, now())
    ahead = ((newest or 0) - now()) / 1e6
    if ahead > 60:
        return Finding(
            "clock",
            "note",
            f"a change is dated {ahead:,.0f} s in the future: a clock was wrong, or is wrong now. "
            "The order of changes does not depend on it",
        )
    return Finding("clock", "ok", "no change is in the future")


def _permissions(registry: OpenRegistry) -> Finding:
    loose = [
        path.name or str(path)
        for path in (registry.root / name for name in ("", BLOBS[0], FILES, TEMPORARY))
        # Without owners of files, as on Windows, the mode means nothing.
        if hasattr(os, "getuid") and path.exists() and path.stat().st_mode & 0o002
    ]
    if loose:
        return Finding(
            "permissions",
            "bad",
            f"all users may write to {', '.join(loose)}. Use `chmod o-w`, or on FAT and exFAT "
            "mount with umask=022",
        )
    shut = [barrier(registry.root / name / "x") for name in WEIGHTS]
    closed = next((each for each in shut if each is not None), None)
    if closed is not None:
        return Finding("permissions", "bad", f"{closed}, so you cannot use the weights there")
    return Finding("permissions", "ok", "only the owner or a group may write")


def examine_sharing(registry: OpenRegistry) -> list[Finding]:
    """Return what keeps members of the sharing group out; [] if the registry is not shared."""
    group, name = registry.store.group, registry.store.shared
    if group is None or name is None:
        return []
    found = list(sharing.flaws(registry, group))
    blocked = sharing.blocked_above(registry, group)
    findings = []
    here = sharing.group_name(group)
    if here != name:
        findings.append(
            Finding(
                "shared",
                "note",
                f"by the group {here}, but it was made for {name}: it was copied, or this machine "
                f"has other groups. `localreg init --shared GROUP {registry.root}` changes it",
            )
        )
    if found:
        first = "; ".join(f"{each.path} {each.text}" for each in found[:3])
        count = "1 path keeps" if len(found) == 1 else f"{len(found):,} paths keep"
        findings.append(
            Finding(
                "shared",
                "bad",
                f"{count} the group {here} out: {first}. `localreg init --shared {here} "
                f"{registry.root}` corrects those of the user who runs it; root can correct all",
            )
        )
    if blocked:
        findings.append(
            Finding(
                "shared",
                "bad",
                f"some members of {here} may not enter {blocked[-1]}. Use `chmod o+x` on it, or "
                "another place",
            )
        )
    return findings or [Finding("shared", "ok", f"by the group {here}, which can use all of it")]


def kind_of_locks(registry: OpenRegistry) -> str:
    """Return how files can be locked in a registry, or why they cannot, as text."""
    if registry.store.readonly:
        return "not needed: nothing can be written"
    import filelock

    try:
        with registry.blobs.temporary("doctor") as path:
            try:
                with filelock.FileLock(path, fallback_to_soft=False, timeout=0):
                    return FILE_LOCKS
            except OSError as error:
                return f"none ({error.strerror or error})"
    except StorageError as error:
        return f"none ({error})"


def _locks(registry: OpenRegistry) -> Finding:
    kind = kind_of_locks(registry)
    if kind == FILE_LOCKS:
        return Finding("locks", "ok", kind)
    return Finding(
        "locks",
        "note",
        f"{kind}: several processes may download the same URL at once; nothing else needs locks",
    )


def _upstream(chain: Chain) -> Iterator[Finding]:
    """Yield a finding for each upstream registry, and one for weights that none of them has."""
    with chain.first.store.read() as connection:
        rows = blob_rows.with_upstream(connection)
        rows = [row for row in rows if blob_rows.kept(connection, row.digest)]
    holders = [(row, holder(chain, row.digest, row.size)) for row in rows]
    for each in chain.others:
        own = [row for row, holding in holders if holding == each]
        text = f"{each.root}: has {_bytes_of(own)} of this registry. `localreg adopt` copies them"
        yield Finding("upstream", "ok", text if own else f"{each.root}: nothing depends on it")
    for absent in chain.absent:
        yield Finding("upstream", "note", f"{absent.root} is left out: {absent.reason}")
    lost = [row for row, holding in holders if holding is None]
    if lost:
        places = ", ".join(sorted({str(row.upstream) for row in lost}))
        text = f"{_bytes_of(lost)} missing; {places} should have them. Make it available"
        yield Finding("upstream", "bad", text)


def remotes(registry: OpenRegistry) -> dict[str, str]:
    """Return where the remotes of a registry are, by name."""
    with registry.store.read() as connection:
        return {each.name: each.url for each in remote_rows.remotes(connection)}


def _remotes(registry: OpenRegistry) -> Iterator[Finding]:
    """Yield a finding for each remote, as far as it is known here: no network is used."""
    with registry.store.read() as connection:
        found = [
            (each, remote_rows.count_waiting(connection, each))
            for each in remote_rows.remotes(connection)
        ]
    for each, waiting in found:
        count = "1 event" if waiting == 1 else f"{waiting:,} events"
        text = f"{each.name}: lacks {count}. `localreg push {each.name}` sends them"
        yield Finding(
            "remote",
            "note" if waiting else "ok",
            text if waiting else f"{each.name}: has everything that was pulled or made here",
        )
    if found and not has_extra("remote"):
        yield Finding("remote", "note", "not usable: pip install 'localreg[remote]'")


def _trust(chain: Chain) -> Finding:
    """Return what is checked of weights, and what is missing for it."""
    try:
        trust = trust_of(chain)
    except DamagedRowError as error:
        return Finding("trust", "bad", str(error))
    text = _trust_text(trust, chain.first)
    if chain.absent and (trust is None or trust.registry != chain.first):
        text += "; what the upstream registries that are left out want is not known"
    if trust is None:
        return Finding("trust", "ok", text)
    if not has_extra("sign"):
        missing = "signatures cannot be checked: pip install 'localreg[sign]'"
        return Finding("trust", "bad" if trust.enforced else "note", f"{text}; {missing}")
    with trust.registry.store.read() as connection:
        count = len(key_rows.keys(connection))
    if count:
        return Finding("trust", "ok", f"{text}; trusted keys and certificates: {count:,}")
    text += "; no key is trusted, so no signature counts: `localreg key add FILE`"
    return Finding("trust", "bad" if trust.enforced else "note", text)


def _trust_text(trust: Trust | None, first: OpenRegistry) -> str:
    if trust is None:
        return "off"
    return trust.mode + ("" if trust.registry == first else f", as {trust.registry.root} wants it")


def _bytes_of(rows: list[BlobRow]) -> str:
    size = sum(row.size for row in rows)
    return f"{len(rows)} blob{'' if len(rows) == 1 else 's'} of {size / 1e6:,.1f} MB"


def _links(registry: OpenRegistry) -> list[Finding]:
    """Try hard links, which save space, and clones of files, which save time."""
    try:
        with (
            registry.blobs.temporary("doctor") as first,
            registry.blobs.temporary("doctor") as second,
        ):
            first.write_bytes(b"x" * 4096)
            try:
                os.link(first, second)
                hard = True
            except OSError:
                hard = False
            second.unlink(missing_ok=True)
            cloned = clone(first, second)
    except LocalregError as error:
        return [Finding("writing", "bad", str(error))]
    return [
        Finding(
            "hard links",
            "ok" if hard else "note",
            "yes" if hard else "no: each local copy takes space",
        ),
        Finding("clones", "ok", "yes" if cloned else "no: weights are copied byte by byte"),
    ]


def _copies(registry: OpenRegistry) -> list[Finding]:
    """Return what local copies cost that are not links, as in a directory that was copied."""
    doubled = upstream = 0
    with disk_errors("looking at local copies", registry.root):
        blobs = registry.blobs
        listed, status = lister(blobs), blobs.status_reader()
        for digest in digests_with_local_files(blobs):
            size = size_of_copies(listed(digest))
            if size and status(digest) is not None:
                doubled += size
            else:
                upstream += size
    findings = []
    folder = registry.root / FILES
    if doubled:
        text = (
            f"{doubled / 1e6:,.1f} MB in {folder} are there twice, because they are not links. To "
            "free the space, delete that folder while the registry is not in use; local copies are "
            "made again when needed"
        )
        if upstream:
            text += ", as long as all upstream registries are there"
        findings.append(Finding("local copies", "note", text))
    if upstream:
        text = (
            f"{upstream / 1e6:,.1f} MB in {folder} are copies of what upstream registries keep. "
            "`localreg cache ls` lists those that can be made again, and `localreg cache prune` "
            "deletes them by age or size"
        )
        findings.append(Finding("local copies", "note", text))
    return findings


def _leftovers(chain: Chain) -> list[Finding]:
    try:
        found = all_garbage(chain)
    except StorageError as error:
        return [Finding("leftovers", "bad", str(error))]
    size = sum(each.size for each in found)
    count = "1 item" if len(found) == 1 else f"{len(found):,} items"
    text = f"{count}, {size / 1e6:,.1f} MB. `localreg gc --grace 0s` lists them"
    findings = [Finding("leftovers", "note", text) if found else Finding("leftovers", "ok", "none")]
    quarantine = chain.first.root / QUARANTINE
    there = list(quarantine.iterdir()) if quarantine.is_dir() else []
    folders = sum(each.is_dir() for each in there)
    if folders:
        count = "1 folder" if folders == 1 else f"{folders:,} folders"
        text = (
            f"{count} in {quarantine}: local copies of packages that somebody changed. `localreg "
            "gc` deletes those without files of your own; take such files from the others, and "
            "delete these"
        )
        findings.append(Finding("quarantine", "note", text))
    damaged = len(there) - folders
    if damaged:
        count = "1 damaged file" if damaged == 1 else f"{damaged:,} damaged files"
        text = (
            f"{count} in {quarantine}: `localreg repair` found no good copy. Add the right files "
            "again if `localreg verify` misses them, then delete these"
        )
        findings.append(Finding("quarantine", "bad", text))
    return findings
