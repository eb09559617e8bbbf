"""Check values where they are read from the database, since a stranger may have written them.

SQLite keeps any value in any column, and a value becomes a path, SQL, HTML or a time later. Every
function that makes a record of a row checks it with the `Columns` of its statement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from localreg import log
from localreg.errors import DamagedRowError
from localreg.values.checks import shown
from localreg.values.ids import ID_LENGTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.values.records import Json

LATEST = 253_402_300_799_999_999  # the last microsecond of the year 9999
LARGEST = 2**62  # of stamps and counters: the next ones must fit into 64 bits
_HEX = "0123456789abcdef"

Rule = tuple[str, "Callable[[object], bool]"]  # what a value must be, and the check


def is_id(value: object) -> bool:
    """Return True if a value is 32 hex digits."""
    return type(value) is str and len(value) == ID_LENGTH and not value.strip(_HEX)


def is_digest(value: object) -> bool:
    """Return True if a value is a sha256 in lower-case hex."""
    return type(value) is str and len(value) == 64 and not value.strip(_HEX)


def is_filename(value: object) -> bool:
    """Return True if a value is one name, which leads to no other folder."""
    return (
        type(value) is str
        and value not in ("", ".", "..")
        and "/" not in value
        and "\0" not in value
    )


TEXT: Rule = ("text", lambda value: type(value) is str)
ID: Rule = ("32 hex digits", is_id)
ID_OR_EMPTY: Rule = ("32 hex digits or nothing", lambda value: value == "" or is_id(value))
DIGEST: Rule = ("64 hex digits", is_digest)
FILENAME: Rule = ("a file name", is_filename)
FLAG: Rule = ("0 or 1", lambda value: type(value) is int and 0 <= value <= 1)
WHOLE: Rule = ("a whole number", lambda value: type(value) is int)
COUNT: Rule = (
    "a whole number from 0 to 2^62",
    lambda value: type(value) is int and 0 <= value <= LARGEST,
)
NUMBER: Rule = ("a number", lambda value: type(value) is float or type(value) is int)
TIME: Rule = (
    "a time before the year 10000",
    lambda value: type(value) is int and 0 <= value <= LATEST,
)


def or_null(rule: Rule) -> Rule:
    """Return the rule for a column that may be NULL."""
    wanted, check = rule
    return f"{wanted}, or NULL", lambda value: value is None or check(value)


class Columns:
    """The columns of a statement that makes records of one table.

    Args:
        table: the table.
        key: the place of the column that names the row in errors.
        rules: what the value of each column must be, by its name, in the order of the statement.
    """

    def __init__(self, table: str, key: int = 0, **rules: Rule) -> None:
        self._table = table
        self._key = key
        self._rules = tuple((name, wanted, check) for name, (wanted, check) in rules.items())

    def check(self, row: Sequence[object]) -> None:
        """Raise if a value of a row breaks its rule.

        Raises:
            DamagedRowError: the first such value.
        """
        for value, (name, wanted, check) in zip(row, self._rules, strict=True):
            if not check(value):
                raise damaged_row(
                    self._table, row[self._key], name, f"must be {wanted}, not {_shown(value)}"
                )

    def one(
        self, connection: sqlite3.Connection, sql: str, parameters: Sequence[object] = ()
    ) -> tuple[Any, ...] | None:
        """Return the first row of a statement, checked; None without any."""
        row: tuple[Any, ...] | None = connection.execute(sql, parameters).fetchone()
        if row is not None:
            self.check(row)
        return row

    def all(
        self, connection: sqlite3.Connection, sql: str, parameters: Sequence[object] = ()
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a statement; a damaged one is an error."""
        rows = fetched(connection, sql, parameters)
        for row in rows:
            self.check(row)
        return rows

    def sound(
        self, connection: sqlite3.Connection, sql: str, parameters: Sequence[object] = ()
    ) -> list[tuple[Any, ...]]:
        """Return the sound rows of a statement, for a list; damaged ones are logged."""
        found = []
        for row in fetched(connection, sql, parameters):
            try:
                self.check(row)
            except DamagedRowError as error:
                log.warning("%s", error)
            else:
                found.append(row)
        return found


def fetched(
    connection: sqlite3.Connection, sql: str, parameters: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    """Return the rows of a statement; text that is not UTF-8 comes as bytes.

    The sqlite3 module would end the statement at such a text.
    """
    try:
        return connection.execute(sql, parameters).fetchall()
    except sqlite3.OperationalError as error:
        if not is_undecodable(error):
            raise
    connection.text_factory = _text_or_bytes
    try:
        return connection.execute(sql, parameters).fetchall()
    finally:
        connection.text_factory = str


def is_undecodable(error: sqlite3.Error) -> bool:
    """Return True if an error of the sqlite3 module is about text that is not UTF-8."""
    return "Could not decode to UTF-8" in str(error)


def _text_or_bytes(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def json_of(text: object, table: str, row: object, column: str) -> Any:  # noqa: ANN401  (JSON)
    """Return the value of a column with JSON.

    Raises:
        DamagedRowError: it is not JSON.
    """
    import json

    try:
        return json.loads(text)  # type: ignore[arg-type]  # a TypeError is caught
    except (ValueError, TypeError, RecursionError) as error:
        raise damaged_row(table, row, column, f"is not JSON: {str(error)[:100]}") from error


def object_of(text: object, table: str, row: object, column: str) -> Json:
    """Return the value of a column with a JSON object."""
    found = json_of(text, table, row, column)
    if type(found) is not dict:
        raise damaged_row(table, row, column, f"must be a JSON object, not {_shown(found)}")
    return found


def labels_of(text: object, table: str, row: object) -> dict[str, int]:
    """Return the label enumeration of a column."""
    found = object_of(text, table, row, "labels")
    for label, number in found.items():
        if type(number) is not int:
            raise damaged_row(
                table, row, "labels", f"must number the label {label!r:.60}, not {_shown(number)}"
            )
    return found


@contextmanager
def taken_apart(table: str, row: object, column: str) -> Iterator[None]:
    """A block that takes apart the JSON of one column, which may lack anything.

    Raises:
        DamagedRowError: something in it is missing, or is of another type.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        if isinstance(error, OSError):  # a damaged row, or a file that cannot be read
            raise
        what = f"{type(error).__name__}: {error}"
        raise damaged_row(table, row, column, f"lacks what it must hold ({what:.120})") from error


def damaged_row(table: str, row: object, column: str, what: str) -> DamagedRowError:
    """Return the error for a value; `what` follows the name of the column.

    The path of the database is added where the error leaves the store.
    """
    return DamagedRowError(
        f"{table} {_shown(row)}: {column} {what}. `localreg verify` lists all such values; restore "
        "the registry from a backup",
        path="",
        table=table,
        row=row if type(row) is str else repr(row),
        column=column,
    )


def _shown(value: object) -> str:
    if type(value) is str and 0 < len(value) <= 64 and value.isprintable():
        return value
    return shown(value)
