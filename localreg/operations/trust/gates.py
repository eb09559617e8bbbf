"""The gates of aliases: what a model must have before an alias may point to it.

Every event that points an alias at a model is recorded here (`record_alias`), after `check_gate` in
the same transaction. So of a gate and a setting of its alias, one always stands before the other:
either the gate is checked, or the gate checks the model to which the alias points.
"""

from __future__ import annotations

from functools import cache, partial

from localreg.errors import GateError, MissingPackageError
from localreg.operations.finding import gates as finding
from localreg.operations.finding.upstream import Found
from localreg.operations.weights.signatures import signatures_of
from localreg.registry import Chain
from localreg.store.events.registers import WAS
from localreg.store.rows import gate_rows, model_rows
from localreg.values.arrivals import shown_name
from localreg.values.checks import check_text
from localreg.values.conditions import MOST, SCANNED, SIGNED
from localreg.values.frozen import Frozen
from localreg.values.ids import alias_id, new_id
from localreg.values.secrets import masked_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from localreg.registry import OpenRegistry
    from localreg.store.events.change import Change
    from localreg.store.rows.gate_rows import Held, Line
    from localreg.store.rows.model_rows import Connection, ModelRow

    # The event of the gate that was checked, and the reason if the model did not pass it.
    Passed = tuple[str | None, str | None]
    # Project, name and alias; the model; and the event of the gate.
    HeldKey = tuple[str, str, str, str, str]

LONGEST_REASON = 1_000
_POINTED_THERE = (
    "The alias points to it, so nothing was changed: let the model have what it lacks, move or "
    "drop the alias, or give --override REASON to leave it there"
)
NO_GATE: Passed = (None, None)


class Protected(Frozen):
    """What became of the gate of an alias.

    Attributes:
        name: the alias, such as ``vision/resnet@prod``.
        conditions: those of the gate now; () for no gate.
        before: those of the gate before.
        target: reference of the model that the alias points to; None if it points to none.
        changed: False if the gate was so already.
        overridden: True if that model does not pass, and a reason was given.
    """

    name: str
    conditions: tuple[str, ...]
    before: tuple[str, ...]
    target: str | None
    changed: bool
    overridden: bool


class Gate(Frozen):
    """The gate of an alias, and where the alias points to.

    Attributes:
        name: the alias, such as ``vision/resnet@prod``.
        conditions: what a model must have; () for no gate.
        target: reference of the model that the alias points to; None if it points to none.
        held: True if the alias leads to no model, since a gate was not passed.
        missing: what that model lacks now.
        override: the reason for which the alias was set although the model did not pass.
    """

    name: str
    conditions: tuple[str, ...]
    target: str | None
    held: bool
    missing: tuple[str, ...]
    override: str | None

    @property
    def state(self) -> str:
        """If the model that the alias points to has passed: in a word, for a gate with a model."""
        if self.held:
            return "held"
        return "passed" if self.override is None else "overridden"

    @property
    def text(self) -> str:
        """What a model must have, and if that of the alias passed, in a line."""
        state = self.state
        if self.held:
            state = f"held: {', '.join(self.missing) or 'it was not checked here'}"
        elif self.override is not None:
            state = f"overridden: {masked_text(self.override)}"
        more = len(self.conditions) - MOST
        needs = ", ".join(map(shown_name, self.conditions[:MOST]))
        return f"needs {needs}{f' and {more:,} more' if more > 0 else ''}; {state}"


def check_override(override: object) -> str | None:
    """Return the reason for which a gate is overridden; None for none."""
    if override is None:
        return None
    return check_text("override", override, limit=LONGEST_REASON, nul=False, empty=False).strip()


def prepare(chain: Chain, model_id: str, alias: str) -> None:
    """Bring what a check of the gate of an alias needs; before the transaction that checks it.

    Reported values are written, and signatures are fetched if their bytes are elsewhere.
    """
    chain.first.store.flush()
    with chain.first.store.read() as connection:
        row = model_rows.model_row(connection, model_id)
        gate = None if row is None else gate_rows.gate(connection, line_of(row), alias)
    if gate is not None:
        _bring_signatures(chain, model_id, gate.conditions)


def check_gate(
    chain: Chain,
    connection: Connection,
    row: ModelRow,
    alias: str,
    override: str | None = None,
    *,
    remedy: str = "",
) -> Passed:
    """Check that an alias may point to a model, within the transaction that sets it.

    Args:
        chain: the registry that has the alias is its first.
        connection: of the transaction.
        row: of the model.
        override: a reason for which the alias is set although the model does not pass.
        remedy: what to do if it does not pass, for the error; by default how the alias can be set.

    Returns:
        The id of the event that made the gate, and the override; None each if there is none. A
        reason that is not needed is not kept.

    Raises:
        GateError: the model does not pass; the error names all that is missing.
    """
    line = line_of(row)
    gate = gate_rows.gate(connection, line, alias)
    if gate is None:
        return NO_GATE
    lacks = _missing(chain, connection, row, gate.conditions)
    if not lacks:
        return gate.event, None
    if override is None:
        raise _refused(line, alias, row, lacks, remedy)
    return gate.event, override


def record_alias(
    change: Change, line: Line, alias: str, old: str | None, new: str | None, passed: Passed
) -> None:
    """Record that an alias points to another model, or to none.

    Args:
        line: names of the project ("" for none) and of the models.
        old, new: ids of the models.
        passed: what `check_gate` returned for the new one.
    """
    project, name = line
    payload = {"project": project, "name": name, "old": old, "new": new, **passed_payload(passed)}
    change.record("alias.set", alias_id(project, name, alias), payload, field=alias)


def passed_payload(passed: Passed) -> dict[str, str]:
    """Return what an event says of the gate that was checked when an alias was set."""
    pairs = zip(("gate", "override"), passed, strict=True)
    return {key: value for key, value in pairs if value is not None}


def gates_of(chain: Chain, found: Found) -> dict[str, Gate]:
    """Return the gates of the aliases that point to a model, by alias."""
    of = chain.starting_at(found.registry)
    with found.registry.store.read() as connection:
        aliases = gate_rows.with_gates(connection, found.id)
        row = model_rows.model_row(connection, found.id) if aliases else None
        return {} if row is None else {each: look(of, line_of(row), each) for each in aliases}


def look(chain: Chain, line: Line, alias: str) -> Gate:
    """Return the gate of an alias, and if the model passes to which the alias points.

    Args:
        chain: the registry of the alias is its first.
    """
    with chain.first.store.read() as connection:
        gate = gate_rows.gate(connection, line, alias)
        target = gate_rows.target(connection, line, alias)
        row = None if target is None else model_rows.model_row(connection, target.model)
        conditions = () if gate is None else gate.conditions
        lacks = () if row is None else _missing(chain, connection, row, conditions)
    return Gate(
        name=finding.alias_name(line, alias),
        conditions=conditions,
        target=None if row is None else row.ref,
        held=target is not None and target.held,
        missing=lacks,
        override=None if target is None or gate is None else target.override,
    )


def protect(
    chain: Chain,
    line: Line,
    alias: str,
    conditions: Sequence[str],
    *,
    override: str | None = None,
) -> Protected:
    """Give an alias a gate, or another one. It need not exist yet.

    Args:
        chain: the registry of the alias is its first.
        line: names of the project ("" for none) and of the models.
        conditions: as `values.conditions.check_conditions` returns them.
        override: a reason for which the alias stays although its model does not pass.

    Raises:
        GateError: the model that the alias points to does not pass; nothing was changed.
    """
    chain.first.store.check_writable()
    prepare_gate(chain, line, alias, conditions)
    with chain.first.store.write() as change:
        before = gate_rows.gate(change.connection, line, alias)
        known = () if before is None else before.conditions
        if before is not None and known == tuple(conditions):
            return _protected(change.connection, line, alias, known, changed=False)
        overridden = record_gate(chain, change, line, alias, conditions, override=override)
        return _protected(
            change.connection, line, alias, known, changed=True, overridden=overridden
        )


def unprotect(chain: Chain, line: Line, alias: str) -> Protected:
    """Drop the gate of an alias."""
    with chain.first.store.write() as change:
        before = gate_rows.gate(change.connection, line, alias)
        known = () if before is None else before.conditions
        if before is not None:
            record_gate(chain, change, line, alias, None)
        return _protected(change.connection, line, alias, known, changed=before is not None)


def prepare_gate(chain: Chain, line: Line, alias: str, conditions: Sequence[str]) -> None:
    """Bring what `record_gate` needs; before its transaction."""
    chain.first.store.flush()
    with chain.first.store.read() as connection:
        target = model_rows.alias_target(connection, line, alias)
    if target is not None:
        _bring_signatures(chain, target, conditions)


def record_gate(
    chain: Chain,
    change: Change,
    line: Line,
    alias: str,
    new: Sequence[str] | None,
    *,
    override: str | None = None,
    was: str | None = None,
) -> bool:
    """Record the gate of an alias, or that it has none, within a transaction.

    If the alias points to a model, that must pass; this is recorded first.

    Args:
        new: the conditions; None for no gate.
        override: a reason for which the alias stays although its model does not pass.
        was: the event that this undoes; by default it replaces the gate that there is.

    Returns:
        True if it was overridden.

    Raises:
        GateError: the model does not pass, and there is no override.
    """
    project, name = line
    connection = change.connection
    before = gate_rows.gate(connection, line, alias)
    gate, overridden = new_id(), False
    row = None if new is None else _pointed_to(connection, line, alias)
    if new is not None and row is not None:
        lacks = _missing(chain, connection, row, new)
        if lacks and override is None:
            raise _refused(line, alias, row, lacks, _POINTED_THERE)
        overridden = bool(lacks)
        record_alias(change, line, alias, row.id, row.id, (gate, override if lacks else None))
    payload = {
        "project": project,
        "name": name,
        "old": None if before is None else list(before.conditions),
        "new": None if new is None else list(new),
        **({} if was is None else {WAS: was}),
    }
    subject = alias_id(project, name, alias)
    change.record("alias.protected", subject, payload, field=alias, event_id=gate)
    return overridden


def check_pointed_to(
    chain: Chain, connection: Connection, line: Line, alias: str, conditions: Sequence[str]
) -> None:
    """Raise GateError if the model that an alias points to does not pass a gate.

    Args:
        conditions: those of the gate.
    """
    row = _pointed_to(connection, line, alias)
    lacks = () if row is None else _missing(chain, connection, row, conditions)
    if row is not None and lacks:
        raise _refused(line, alias, row, lacks, _POINTED_THERE)


def _pointed_to(connection: Connection, line: Line, alias: str) -> ModelRow | None:
    target = model_rows.alias_target(connection, line, alias)
    return None if target is None else model_rows.model_row(connection, target)


def _protected(
    connection: Connection,
    line: Line,
    alias: str,
    before: tuple[str, ...],
    *,
    changed: bool,
    overridden: bool = False,
) -> Protected:
    gate = gate_rows.gate(connection, line, alias)
    target = model_rows.alias_target(connection, line, alias)
    row = None if target is None else model_rows.model_row(connection, target)
    return Protected(
        name=finding.alias_name(line, alias),
        conditions=() if gate is None else gate.conditions,
        before=before,
        target=None if row is None else row.ref,
        changed=changed,
        overridden=overridden,
    )


def held(registry: OpenRegistry) -> frozenset[HeldKey]:
    """Return what names the aliases of a registry that are held now, for `check_held`."""
    with registry.store.read() as connection:
        return held_in(connection)


def held_in(connection: Connection) -> frozenset[HeldKey]:
    """Return what `held` returns, within a transaction."""
    return frozenset(map(_named, gate_rows.held(connection)))


def _named(each: Held) -> HeldKey:
    return *each.key, each.model, each.gate


def check_held(
    chain: Chain, change: Change, known: Collection[HeldKey] = (), *, dry_run: bool = False
) -> list[str]:
    """Check the aliases that other registries set without a check; within a transaction.

    Those whose models pass are not held any more.

    Args:
        known: what `held` returned before: nothing is said of these.
        dry_run: True if bytes did not come, so that signatures and pickles cannot be looked at:
            what they would show is taken for good.

    Returns:
        What the others lack, a line each.
    """
    lines = []
    connection = change.connection
    why_unsigned = cache(
        lambda model_id: (
            finding.why_surely_unsigned(connection, model_id)
            if dry_run
            else _why_unsigned(chain, Found(chain.first, model_id))
        )
    )
    for each in gate_rows.held(connection):
        line = each.project, each.name
        row = model_rows.model_row(connection, each.model)
        gate = gate_rows.gate(connection, line, each.alias)
        if row is None or gate is None:
            continue
        wanted = [text for text in gate.conditions if not (dry_run and text == SCANNED)]
        lacks = finding.missing(connection, row, wanted, partial(why_unsigned, each.model))
        if not lacks:
            gate_rows.let_pass(connection, each)
        elif _named(each) not in known:
            lines.append(finding.held_line(connection, line, each.alias, row, lacks))
    return lines


def bring_signatures_of_held(chain: Chain) -> None:
    """Fetch the signatures that `check_held` needs, outside a transaction."""
    with chain.first.store.read() as connection:
        found = [
            (each.model, gate_rows.gate(connection, (each.project, each.name), each.alias))
            for each in gate_rows.held(connection)
        ]
    for model_id in dict.fromkeys(
        model_id for model_id, gate in found if gate is not None and SIGNED in gate.conditions
    ):
        _bring_signatures(chain, model_id, [SIGNED])


def _missing(
    chain: Chain, connection: Connection, row: ModelRow, conditions: Collection[str]
) -> tuple[str, ...]:
    return finding.missing(
        connection, row, conditions, lambda: _why_unsigned(chain, Found(chain.first, row.id))
    )


def _why_unsigned(chain: Chain, found: Found, *, only_here: bool = True) -> str | None:
    """Return why no key that the registry trusts signed a model; None if one did."""
    reason = "not signed"
    try:
        for each in signatures_of(chain, found, trusted=chain.first, only_here=only_here):
            if each.valid:
                return None
            if reason == "not signed":
                reason = f"not signed by a key that is trusted here ({each.reason})"
    except MissingPackageError as error:
        return f"its signature cannot be checked: {error}"
    return reason


def _bring_signatures(chain: Chain, model_id: str, conditions: Sequence[str]) -> None:
    """Let the signatures of a model be here, if a condition needs them."""
    if SIGNED in conditions:
        _why_unsigned(chain, Found(chain.first, model_id), only_here=False)


def _refused(
    line: Line, alias: str, row: ModelRow, lacks: tuple[str, ...], remedy: str
) -> GateError:
    name = finding.alias_name(line, alias)
    usual = (
        f"`localreg alias {row.ref} {alias} --override REASON` sets the alias in any case, and the "
        "history keeps the reason"
    )
    return GateError(
        f"{row.ref} does not pass the gate of {name}: {finding.listed(lacks)}. {remedy or usual}",
        alias=name,
        missing=lacks,
    )


def line_of(row: ModelRow) -> Line:
    """Return the names of the project ("" for none) and of the models, of a model."""
    return (row.project.name if row.project else ""), row.name
