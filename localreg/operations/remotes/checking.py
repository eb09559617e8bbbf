"""Look if a remote is whole: its identity, its events, the bytes that they name, its checkpoint.

Only the remote is looked at, by a clone that is thrown away. Nothing there changes, unless it is
asked for: a repair removes newest commits that cannot be read. Here it is noted which bytes and
reports are missing there, so that the next push sends what is here of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from localreg.errors import LocalregError, RemoteError
from localreg.operations.remotes import cloning, comparing, names, sending_blobs
from localreg.operations.remotes.log_check import RowCheck
from localreg.operations.remotes.object_check import ObjectCheck
from localreg.registry import Chain, open_registry
from localreg.store.rows import remote_report_rows
from localreg.values.frozen import Frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.progress import Progress
    from localreg.store.rows.remote_rows import RemoteRow

_MOST = 20  # problems of one kind that are named


class Checked(Frozen, kw_only=True):
    """What a check of a remote found.

    Attributes:
        remote, url: its name here, and where it is, without secrets.
        version: the number of its newest commit; None if that cannot be read.
        events: how many events it has.
        blobs, size: how many blobs are there that its models, tasks and reports name, and their
            bytes.
        hashed: how many objects were read and hashed; of the others only the size was compared.
        missing: how many blobs are not there that nothing else would bring back.
        unused, unused_size: objects that nothing there names, and their bytes.
        collections: how many collections of garbage began, and did not end.
        checkpoint: the key of the checkpoint that a clone begins with; None without one.
        problems: what is wrong, a sentence for each.
        repaired: what was repaired, a sentence for each.
    """

    remote: str
    url: str
    version: int | None = None
    events: int = 0
    blobs: int = 0
    size: int = 0
    hashed: int = 0
    missing: int = 0
    unused: int = 0
    unused_size: int = 0
    collections: int = 0
    checkpoint: str | None = None
    problems: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True if no problem was found."""
        return not self.problems


def check(
    chain: Chain,
    name: str | None = None,
    *,
    full: bool = False,
    repair: bool = False,
    progress: Progress | None = None,
) -> Checked:
    """Look if a remote is whole.

    Args:
        name: of the remote; None for the one that gives the order, else the only one.
        full: hash the bytes of all blobs, which are downloaded for that; else those of a few.
        repair: remove newest commits that cannot be read first.
        progress: called with the bytes that were hashed so far, and with all.

    Raises:
        NotFoundError: there is no such remote here.
        RemoteError: the place does not answer.
    """
    chain.first.store.check_writable()  # the clone is made there
    remote = names.find(chain, name)
    store = names.open_store(remote.url)
    found = Checked(remote=remote.name, url=remote.url)
    if repair:
        store.check_place()
        found = replace(found, repaired=tuple(store.repair()))
    problems = _Problems()
    try:
        names.check_identity(remote, store)
        head = store.head()
    except RemoteError as error:
        return replace(found, problems=(str(error),))
    found = replace(found, version=head.version)
    try:
        comparing.check_rows(chain.first, remote, store, head)
    except RemoteError as error:
        problems.take([str(error)])
    problems.take(store.check())
    log = RowCheck()
    try:
        problems.take(log.problems(store.rows(-1, found.version)))
    except RemoteError as error:
        problems.take([str(error)])
    found = replace(found, events=log.events, collections=len(log.collections))
    with chain.first.blobs.temporary_folder("clone") as folder:
        found, objects = _look_by_clone(
            found, remote, store, folder, log, problems, full=full, progress=progress
        )
    if objects is not None and (objects.missing or objects.cut):
        sending_blobs.look_for_gaps(chain, remote, store)
    if objects is not None and objects.lost:
        with chain.first.store.write() as change:
            remote_report_rows.forget(change.connection, remote.pk, objects.lost)
    return replace(found, problems=tuple(problems))


class _Problems(list[str]):
    """Sentences; of each kind only the first ones are kept."""

    def take(self, some: Iterable[str]) -> None:
        more = 0
        for number, each in enumerate(some):  # to the end: it counts
            if number < _MOST:
                self.append(each)
            else:
                more += 1
        if more:
            self.append(f"there are {more:,} more of this kind")


def _look_by_clone(
    found: Checked,
    remote: RemoteRow,
    store: RemoteStore,
    folder: Path,
    log: RowCheck,
    problems: _Problems,
    *,
    full: bool,
    progress: Progress | None,
) -> tuple[Checked, ObjectCheck | None]:
    """Make a clone, which shows what the remote needs; look if that is there.

    Returns:
        What was found, and the objects; None if there is no clone.
    """
    try:
        cloned = cloning.clone(remote.url, folder / "clone", durability="fast")
    except LocalregError as error:
        problems.take([f"it cannot be cloned: {error}"])
        return found, None
    problems.take(cloned.skipped)
    registry = open_registry(folder / "clone", durability="fast", make=False)
    try:
        objects = ObjectCheck(registry, log.reports, store)
        problems.take(objects.problems(folder, full=full, progress=progress))
    finally:
        registry.close()
    found = replace(
        found,
        blobs=objects.blobs,
        size=objects.size,
        hashed=objects.hashed,
        missing=objects.missing,
        unused=objects.unused,
        unused_size=objects.unused_size,
        checkpoint=cloned.checkpoint,
    )
    return found, objects
