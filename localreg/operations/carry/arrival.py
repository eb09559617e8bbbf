"""What arrives from a bundle or another registry, taken in by one transaction."""

from __future__ import annotations

from collections.abc import Iterator

from localreg.errors import GateError
from localreg.operations.carry import copies
from localreg.operations.carry.export import Missing
from localreg.operations.carry.numbers import renumber_all
from localreg.operations.models.aliases import alias_at, point_alias
from localreg.operations.trust import gates
from localreg.operations.weights.arriving_blobs import ArrivingBlobs
from localreg.operations.weights.packages import record_files_of
from localreg.registry import Chain
from localreg.store.events.arriving import take_in
from localreg.store.events.registers import ALIAS
from localreg.store.rows import (
    arrival_rows,
    blob_rows,
    model_rows,
    report_transfer,
    tree_rows,
    writer_rows,
)
from localreg.values.bundle_format import broken
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.ids import alias_id
from localreg.values.records import Owner, reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Protocol

    from localreg.store.events.change import Change
    from localreg.values.manifest import Manifest
    from localreg.values.records import LoggedEvent

    class Incoming(Protocol):
        """What another registry has, or a bundle of it.

        Attributes:
            source: where it comes from, for the history.
            whole: True if it is the whole registry. Then its events must not have another order.
        """

        source: str
        whole: bool

        def origins(self) -> dict[str, str]:
            """Return the names of the origins of its events, by their ids."""

        def events(self) -> Iterator[LoggedEvent]:
            """Yield its events."""

        def packages(self) -> Iterator[tuple[str, Manifest]]:
            """Yield its packages: the digest of the manifest, and the manifest."""

        def reports(self) -> Iterator[tuple[Owner, Iterable[bytes], int | None]]:
            """Yield what was reported to each model and task: owner, stream, and its size."""

        def models(self) -> Iterator[tuple[str, dict[str, Any]]]:
            """Yield ids of its models, and what each was when it was exported."""

        def missing(self) -> tuple[Missing, ...]:
            """Return the bytes that it should have, and has not."""


class Arrived(Frozen):
    """What an import or a merge brought, or would bring.

    Attributes:
        models: references of the models that are new here.
        events, blobs: how many came.
        size: the bytes of the blobs.
        reports: how many points, values, plots and log lines came.
        differences: what else is different now, as text: changes that have lost, aliases that
            moved, numbers that are ambiguous.
        conflict: True if a change that was made here has lost against another one, a model was
            published twice with different weights, or an alias is held.
        missing: bytes that models need, and that did not come.
        dry_run: True if nothing was changed.
        tasks: ids of the tasks that are new here.
    """

    models: tuple[str, ...]
    events: int
    blobs: int
    size: int
    reports: int
    differences: tuple[str, ...]
    conflict: bool
    missing: tuple[Missing, ...]
    dry_run: bool
    tasks: tuple[str, ...] = ()


class _UndoneError(Exception):
    """Ends a transaction that changes nothing."""

    def __init__(self, arrived: Arrived) -> None:
        super().__init__()
        self.arrived = arrived


def arrive(
    chain: Chain,
    incoming: Incoming,
    blobs: ArrivingBlobs,
    *,
    copied: copies.Copying | None = None,
    renumber: bool = False,
    aliases: bool = False,
    dry_run: bool = False,
    lines: Iterable[str] = (),
    first: Callable[[Change], None] | None = None,
    then: Callable[[Change], None] | None = None,
) -> Arrived:
    """Take in what arrives, whose bytes are here already.

    Args:
        copied: make copies of the models, instead of taking the events.
        renumber: where two models have one number, give new ones to the later.
        aliases: set the aliases that the models had, where they are as they were before.
        dry_run: change nothing. The bytes need not be here.
        lines: differences that were found before.
        first: called in the same transaction, before events come.
        then: called in it when events and reports are here.

    Raises:
        InvalidEventError: an event is malformed; nothing was changed.
        EventConflictError: an event is here with other content, or in another order.
    """
    try:
        with chain.first.store.write() as change:
            arriving = _Arriving(chain, change, incoming, blobs)
            arriving.differences += lines
            if not dry_run:
                blobs.record(change)
                arriving.record_packages()
            if first is not None:
                first(change)
            arriving.take(copied)
            arriving.record_packages_without_bytes()
            if then is not None:
                then(change)
            if aliases:
                arriving.set_aliases()
            if renumber:
                arriving.differences += renumber_all(change)
            arriving.check_held(dry_run=dry_run)
            arrived = arriving.result(dry_run=dry_run)
            if dry_run or arriving.is_nothing():
                raise _UndoneError(arrived)
            if arrived.events or arrived.differences:
                arrival_rows.record(
                    change.connection,
                    change.at,
                    incoming.source,
                    arrived.events,
                    arrived.differences,
                )
    except _UndoneError as undone:
        return undone.arrived
    return arrived


class _Arriving:
    """What arrives, within the transaction."""

    def __init__(
        self, chain: Chain, change: Change, incoming: Incoming, blobs: ArrivingBlobs
    ) -> None:
        self._chain = chain
        self._change = change
        self._connection = change.connection
        self._incoming = incoming
        self._blobs = blobs
        self._events = 0
        self._folded = False  # also if events that were here only got their places in an order
        self._reports = 0
        self._models: list[str] = []
        self._tasks: tuple[str, ...] = ()
        self._conflict = False
        self._copies: dict[str, str] = {}  # by the ids of what they are copies of
        self._without_bytes: list[tuple[str, Manifest]] = []
        self._held = gates.held_in(change.connection)
        self.differences: list[str] = []

    def record_packages(self) -> None:
        """Record the files of packages whose manifests came, or are here."""
        for digest, manifest in self._incoming.packages():
            count = len(manifest.files) + len(manifest.folders)
            if tree_rows.is_recorded(self._connection, digest, manifest.total, count):
                continue
            if blob_rows.recorded(self._connection, (digest,)):
                record_files_of(self._connection, digest, manifest)
            else:
                self._without_bytes.append((digest, manifest))

    def record_packages_without_bytes(self) -> None:
        """Record the files of packages whose manifests did not come, if an event names them.

        Another registry has lost the bytes, or has packages that only removed models had.
        """
        for digest, manifest in self._without_bytes:
            if blob_rows.recorded(self._connection, (digest,)):
                record_files_of(self._connection, digest, manifest)

    def take(self, copied: copies.Copying | None) -> None:
        """Take events and reports, or make copies."""
        if copied is None:
            came = take_in(
                self._change,
                self._incoming.events(),
                self._incoming.origins(),
                same_order=self._incoming.whole,
            )
            self._events = came.events
            self._folded = came.folded
            self._models = list(came.models)
            self._tasks = came.tasks
            self._conflict = came.conflict
            self.differences += came.lines
        else:
            for model_id, found in self._incoming.models():
                made, is_new = copies.make_copy(self._change, model_id, found["model"], copied)
                self._copies[model_id] = made
                if is_new:
                    self._events += 1
                    self._models.append(self._ref(made))
                signatures = found["signatures"]
                self._events += copies.sign_copy(self._change, made, model_id, signatures)
        for owner, pieces, size in self._incoming.reports():
            if copied is not None:
                if owner.kind != "model" or owner.id not in self._copies:
                    continue
                owner = Owner(owner.kind, self._copies[owner.id])
            joined = report_transfer.join(self._connection, owner, pieces, size)
            self._reports += joined.points + joined.singles + joined.plots + joined.messages

    def set_aliases(self) -> None:
        """Set the aliases that models had, where they point to what they pointed to before."""
        for source_id, found in self._incoming.models():
            model_id = self._copies.get(source_id, source_id)
            row = model_rows.model_row(self._connection, model_id)
            if row is None:
                continue
            for alias, before in sorted(found["aliases"].items()):
                there = alias_at(self._change, row, alias)
                if there == model_id:
                    continue
                if self._is_as_expected(row, alias, there, before):
                    self._set_alias(row, alias)
                else:
                    where = "was dropped here" if there is None else f"stays at {self._ref(there)}"
                    self.differences.append(
                        f"{_line(row)}@{alias} {where}; where it comes from it is {row.ref}"
                    )

    def _set_alias(self, row: model_rows.ModelRow, alias: str) -> None:
        """Set an alias, unless the model does not pass its gate."""
        try:
            point_alias(self._chain, self._change, row.id, alias)
        except GateError as error:
            self.differences.append(f"{_line(row)}@{alias} was not set: {error}")
        else:
            self.differences.append(f"{_line(row)}@{alias} is {row.ref} now")

    def check_held(self, *, dry_run: bool) -> None:
        """Check the aliases that came with events which did not pass the gates here."""
        lines = gates.check_held(self._chain, self._change, self._held, dry_run=dry_run)
        self.differences += lines
        self._conflict |= bool(lines)

    def _is_as_expected(
        self, row: model_rows.ModelRow, alias: str, there: str | None, noted: object
    ) -> bool:
        """Return True if an alias here is new, or as it was before it was set at its origin.

        Args:
            there: the model that it points to here.
            noted: what the bundle says of it.
        """
        if type(noted) is not dict:
            raise broken(f"model {row.id}", f"it does not say what the alias {shown(alias)} was")
        subject = alias_id(row.project.name if row.project else "", row.name, alias)
        writers = writer_rows.writers(self._connection, subject, ALIAS, None)
        known = noted.get("events")
        if type(known) is list and set(writers).issubset(
            each for each in known if type(each) is str
        ):
            return True  # nothing was done here that is not known there
        return there is not None and there == noted.get("before")

    def is_nothing(self) -> bool:
        """Return True if nothing is different."""
        return not (self._change.last_event or self._folded or self._reports or self._blobs.came)

    def result(self, *, dry_run: bool) -> Arrived:
        """Return what came."""
        came = self._blobs.would_come if dry_run else self._blobs.came
        return Arrived(
            models=tuple(self._models),
            events=self._events,
            blobs=len(came),
            size=sum(came.values()),
            reports=self._reports,
            differences=tuple(self.differences),
            conflict=self._conflict,
            missing=self._incoming.missing(),
            dry_run=dry_run,
            tasks=self._tasks,
        )

    def _ref(self, model_id: str) -> str:
        row = model_rows.model_row(self._connection, model_id)
        return model_id if row is None else row.ref


def _line(row: model_rows.ModelRow) -> str:
    return reference(row.project, row.name, None)
