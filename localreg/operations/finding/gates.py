"""What a model lacks to pass a gate, and aliases that lead to no model since they did not pass."""

from __future__ import annotations

from localreg.errors import GateError, InvalidValueError
from localreg.operations.finding.upstream import read_each
from localreg.store.events.registers import ALIAS
from localreg.store.rows import (
    blob_rows,
    condition_rows,
    event_rows,
    gate_rows,
    model_rows,
    signature_rows,
    tree_rows,
    writer_rows,
)
from localreg.values import dataset_names
from localreg.values.arrivals import shown_name
from localreg.values.checks import check_name, check_text, kept_name, shown
from localreg.values.conditions import SIGNED
from localreg.values.frozen import Frozen
from localreg.values.ids import alias_id
from localreg.values.records import line_readings
from localreg.values.secrets import masked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from localreg.registry import Chain, OpenRegistry
    from localreg.store.rows.gate_rows import Line
    from localreg.store.rows.model_rows import Connection, ModelRow
    from localreg.values.conditions import Condition
    from localreg.values.records import Json

_SHOWN_FILES = 3
_SHOWN_CONDITIONS = 10


class Place(Frozen):
    """An alias: the registry that it is in, or would be; its line; and its name.

    Attributes:
        line: names of the project ("" for none) and of the models.
        is_known: True if there are models of this line, or the alias has a gate.
    """

    registry: OpenRegistry
    line: Line
    alias: str
    is_known: bool

    @property
    def name(self) -> str:
        """The alias as people write it."""
        return alias_name(self.line, self.alias)


def find_alias(chain: Chain, reference: object, argument: str = "name") -> Place:
    """Return the alias that ``[project/]name@alias`` names; it need not exist.

    The project ends at the slash where that is a name of models; else at the last one.

    Raises:
        InvalidValueError: this is no name of an alias.
    """
    text = kept_name(check_text(argument, reference, limit=4_096, nul=False, empty=False))
    rest, at, alias = text.rpartition("@")
    if not at or not rest.strip() or not alias.strip():
        raise InvalidValueError(
            f"{argument} must be [project/]name@alias, not {shown(text)}", argument=argument
        )
    alias = check_alias(alias, argument)
    lines = [(project or "", name) for project, name in line_readings(rest)]
    lines += [(dataset_names.project_of(project), name) for project, name in lines]
    project, _, name = rest.rpartition("/")
    usual = project.strip(), check_name(argument, name)
    for registry, known in read_each(chain, lambda connection: _known(connection, lines, alias)):
        if known is not None:
            return Place(registry, known, alias, is_known=True)
    return Place(chain.first, usual, alias, is_known=False)


def _known(connection: Connection, lines: list[Line], alias: str) -> Line | None:
    for line in lines:
        project, name = line
        if model_rows.in_line(connection, project, name, None):
            return line
        if gate_rows.gate(connection, line, alias) is not None:
            return line
    return None


def check_alias(alias: object, argument: str = "alias") -> str:
    """Return `alias` if it can be one: no blanks, none of the signs of references."""
    name = check_name(argument, alias)
    if any(sign in name for sign in "/:@") or name.split() != [name]:
        raise InvalidValueError(
            f"{argument} must not hold blanks or any of / : @, which references use: {name!r}",
            argument=argument,
        )
    return name


def missing(
    connection: Connection,
    row: ModelRow,
    texts: Collection[str],
    why_unsigned: Callable[[], str | None],
) -> tuple[str, ...]:
    """Return what a model lacks to pass a gate, a few words each; nothing if it passes.

    Args:
        texts: the conditions of the gate.
        why_unsigned: returns why no trusted key signed the model; None if one did.
    """
    from localreg.values import conditions
    from localreg.values.conditions import known_condition

    if len(texts) > conditions.MOST:  # somebody forged it
        return (
            f"its gate has {len(texts):,} conditions, and at most {conditions.MOST} are possible",
        )
    found: list[str | None] = []
    for each in map(known_condition, texts):
        if each.kind == conditions.SIGNED:
            found.append(why_unsigned())
        elif each.kind == conditions.PUBLISHED:
            found.append(None if row.published else "not published")
        elif each.kind == conditions.SCANNED:
            found.append(_why_not_scanned(connection, row.id))
        elif each.comparison is None:
            found.append(f"this localreg does not know the condition {shown_name(each.text)}")
        else:
            found.append(_why_not_met(connection, row.id, each))
    return tuple(each for each in found if each is not None)


def _why_not_met(connection: Connection, model_id: str, condition: Condition) -> str | None:
    comparison = condition.comparison
    assert comparison is not None
    wanted = shown_name(condition.text)
    try:
        if condition_rows.holds(connection, model_id, condition.kind, comparison):
            return None
        value = condition_rows.value(connection, model_id, condition.kind, comparison.key)
    except InvalidValueError as error:  # a parameter of several sections
        return f"{wanted}: {error}"
    if value is None:
        return f"no {condition.kind} for {wanted}"
    key = comparison.key
    return f"{shown_name(key)} is {shown_name(masked(key, str(value)))} (needs {wanted})"


def _why_not_scanned(connection: Connection, model_id: str) -> str | None:
    """Return which files were not scanned, or which the scanner flagged; None if all are well."""
    weights = model_rows.current_weights(connection, model_id)
    if weights is None or weights.digest is None:
        return "not scanned: its weights are not known"
    flagged, unscanned = [], []
    why = ""
    for name, facts in _files(connection, weights.digest, weights.filename, tree=weights.tree):
        if facts is None or facts.get("pickle") == "unscanned":
            unscanned.append(name)
            why = why or str((facts or {}).get("why") or "never read here: fetch the weights first")
        elif facts.get("pickle") == "flagged":
            flagged.append(name)
    if flagged:
        return f"flagged by the scanner: {_named(flagged)}"
    return f"not scanned: {_named(unscanned)} ({shown_name(why)})" if unscanned else None


def _files(
    connection: Connection, digest: str, filename: str | None, *, tree: bool
) -> Iterator[tuple[str, Json | None]]:
    """Yield the files of weights, each with what its headers say; None if they were not read."""
    if not tree:
        yield filename or "the weights", blob_rows.facts(connection, digest)
        return
    files = tree_rows.facts(connection, digest)
    if not files:
        yield "its files", None
    yield from files


def _named(names: list[str]) -> str:
    some = ", ".join(shown_name(each) for each in names[:_SHOWN_FILES])
    more = len(names) - _SHOWN_FILES
    return f"{some} and {more:,} more" if more > 0 else some


def listed(lacks: tuple[str, ...]) -> str:
    """Return what a model lacks, as text: a gate of another registry may have any length."""
    more = len(lacks) - _SHOWN_CONDITIONS
    some = ", ".join(lacks[:_SHOWN_CONDITIONS])
    return f"{some} and {more:,} more" if more > 0 else some


def check_not_held(connection: Connection, line: Line, alias: str) -> str | None:
    """Return the id of the model that an alias points to; None if there is no such alias.

    Raises:
        GateError: it is held: it has a gate, and was set without passing it.
    """
    found = gate_rows.target(connection, line, alias)
    if found is not None and found.held:
        raise held_error(connection, line, alias, found.model)
    return None if found is None else found.model


def held_error(connection: Connection, line: Line, alias: str, model_id: str) -> GateError:
    """Return the error that says why an alias leads to no model, and what can be done."""
    row = model_rows.model_row(connection, model_id)
    gate = gate_rows.gate(connection, line, alias)
    assert row is not None  # the target of an alias is a model
    conditions = () if gate is None else gate.conditions
    lacks = missing(connection, row, conditions, lambda: why_surely_unsigned(connection, model_id))
    name = alias_name(line, alias)
    setter = _setter(connection, line, alias)
    if lacks:
        why = f"{row.ref}{setter} did not pass its gate: {listed(lacks)}"
    elif SIGNED in conditions:
        why = f"it is not checked here yet if a trusted key signed {row.ref}{setter}"
    else:
        why = f"{row.ref}{setter} passes its gate now, and did not when that was checked last"
    return GateError(
        f"{name} is held: {why}."
        f" `localreg alias {row.ref} {alias}` checks it again, and with --override REASON sets it "
        f"in any case; {row.ref} names the model itself",
        alias=name,
        missing=lacks,
    )


def why_surely_unsigned(connection: Connection, model_id: str) -> str | None:
    """Return that a model is not signed, if that is seen without checking signatures."""
    weights = model_rows.current_weights(connection, model_id)
    digest = None if weights is None else weights.digest
    is_signed = digest is not None and signature_rows.some(connection, model_id, digest)
    return None if is_signed else "not signed"


def held_line(
    connection: Connection, line: Line, alias: str, row: ModelRow, lacks: tuple[str, ...]
) -> str:
    """Return what is said of an alias that came with others' events and is held here."""
    setter = _setter(connection, line, alias)
    return f"held: {alias_name(line, alias)} → {row.ref}{setter}: {listed(lacks)}"


def _setter(connection: Connection, line: Line, alias: str) -> str:
    writers = writer_rows.writers(connection, alias_id(*line, alias), ALIAS, None)
    event = event_rows.by_id(connection, writers[-1]) if writers else None
    return "" if event is None else f" ({shown_name(event.actor)})"


def alias_name(line: Line, alias: str) -> str:
    """Return an alias as people write it: ``project/name@alias``."""
    project, name = line
    return shown_name(f"{project}/{name}@{alias}" if project else f"{name}@{alias}")
