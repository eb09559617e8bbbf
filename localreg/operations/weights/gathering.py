"""Gather blobs: copy their bytes here from wherever they are, many in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from localreg import log
from localreg.blobs.staging import hashing, staging
from localreg.blobs.trees.staging import StagedFile
from localreg.errors import LocalregError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.portable_files import remove_file
from localreg.filesystem.syncing import open_for_sync, sync_of_all, sync_tree
from localreg.operations.weights.ingest import inside_of
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows
from localreg.store.rows.blob_rows import BlobRow
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.records import Json

AT_ONCE = 200  # blobs of one transaction


class Wanted(Frozen):
    """A blob whose bytes are wanted here.

    Attributes:
        row: what is recorded of it.
        sources: paths of files that may have its bytes, the best first; they are asked for when
            the blob's turn comes.
        filename: the name of the file, which helps to find out what is in it; None without one.
    """

    row: BlobRow
    sources: Callable[[], Iterable[Path]]
    filename: str | None


class Gathered(Frozen):
    """What came of a blob.

    Attributes:
        row: of the blob.
        source: the file that it was copied from; None if none has the right bytes.
        why: what was wrong with the last source; "" if there was none.
    """

    row: BlobRow
    source: Path | None
    why: str = ""


def gather(registry: OpenRegistry, wanted: Iterable[Wanted]) -> Iterator[Gathered]:
    """Copy blobs here; yield what came of each, in order, once it is recorded.

    A copy is hashed. One sync of the file system and one transaction are enough for many blobs.
    """
    group: list[Wanted] = []
    for each in wanted:
        group.append(each)
        if len(group) == AT_ONCE:
            yield from _gather(registry, group)
            group = []
    if group:
        yield from _gather(registry, group)


def _gather(registry: OpenRegistry, wanted: list[Wanted]) -> list[Gathered]:
    blobs = registry.blobs
    with (
        blobs.temporary_folder() as folder,
        disk_errors("keeping weights", folder),
        open_for_sync(folder) as opened,
    ):
        staged: dict[str, StagedFile] = {}
        found = []
        for number, each in enumerate(wanted):
            outcome, file = _copied(registry, each, folder / str(number))
            found.append(outcome)
            if file is not None:
                staged[file.digest] = file
        if blobs.durable and staged:
            sync_tree(folder, opened)
        files = list(staged.values())
        with registry.store.write() as change:
            recorded = blob_rows.recorded(change.connection, staged)
            kept = blobs.keep_many(files, frozenset(), recorded)
            try:
                blob_rows.record_many(
                    change.connection,
                    [
                        blob_rows.New(each.digest, each.size, ctime, each.sample, each.facts)
                        for each, ctime in zip(files, kept.ctimes, strict=True)
                    ],
                )
            except BaseException:
                blobs.give_back(kept)
                raise
    return found


def _copied(
    registry: OpenRegistry, wanted: Wanted, target: Path
) -> tuple[Gathered, StagedFile | None]:
    row, why = wanted.row, ""
    # Where one call syncs everything, a file needs no sync of its own, unless it is large.
    alone = row.size > staging.SYNC_STEP or sync_of_all() is None
    for source in wanted.sources():
        try:
            with disk_errors("keeping weights", source):
                blob = staging.stage_file(
                    source,
                    target,
                    "copy",
                    sync=registry.blobs.durable and alone,
                    progress=None,
                    group=registry.blobs.group,
                )
                if (blob.digest, blob.size) == (row.digest, row.size):
                    facts: Json | None = None  # as they are recorded
                    if row.facts is None:
                        facts = inside_of(blob, wanted.filename)
                    file = StagedFile(
                        blob.digest, blob.size, str(target), hashing.sample(target), facts
                    )
                    return Gathered(row, source), file
                why = f"{source} has other bytes: the sha256 is {blob.digest}"
        except LocalregError as error:  # the next source may be good
            why = str(error)
        log.info("%s", why)
        with suppress(FileNotFoundError):
            remove_file(target)
    return Gathered(row, None, why), None
