"""Check values where they are read from the database, since a stranger may have written them.

SQLite keeps any value in any column, and a value becomes a path, SQL, HTML or a time later. Every
function that makes a record of a row checks it with the `Columns` of its statement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain

from localreg import log
from localreg.errors import DamagedRowError
from localreg.values.checks import shown
from localreg.values.ids import ID_LENGTH
from localreg.values.paths import are_package_paths, is_package_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import Any

    from localreg.values.records import Json

# The first and the last microsecond that Python can show; a clock may stand before 1970.
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
LARGEST = 2**62  # of stamps and counters: the next ones must fit into 64 bits
_HEX = "0123456789abcdef"
_DIGEST_LENGTH = 64
# Of a file, or with a host in letters and a short port: most URLs, without the cost of parsing.
_PLAIN_URL = (
    r"(?:file:///|[a-z0-9+]+://[A-Za-z0-9._-]+(?::[0-9]{1,4})?(?:[/?#]|$))[^\x00-\x20\x7f]*"
)

_AT_ONCE = 500  # rows that `Columns.stream` holds
_MANY = 4  # rows: from here on it is faster to check them column by column
# Of a statement with ``?``, or with names (``:digest``).
Parameters = Sequence[object] | Mapping[str, object]
# What a value must be, its types, and None or a further check, whose result counts as bool. Checks
# that are written in C keep reading fast.
Rule = tuple[str, "frozenset[type]", "Callable[[Any], object] | None"]


def _is_id_text(value: str) -> bool:
    return len(value) == ID_LENGTH and not value.strip(_HEX)  # as fast as re, without its import


def _is_digest_text(value: str) -> bool:
    return len(value) == _DIGEST_LENGTH and not value.strip(_HEX)


def is_id(value: object) -> bool:
    """Return True if a value is 32 hex digits."""
    return type(value) is str and _is_id_text(value)


def are_ids(texts: Sequence[str]) -> bool:
    """Return True if each of some texts is an id; faster than one by one."""
    return _are_hex(texts, ID_LENGTH)


def _are_hex(texts: Sequence[str], length: int) -> bool:
    rest = "".join(texts).encode(errors="replace").translate(None, _HEX.encode())
    return not rest and set(map(len, texts)) == {length}


def are_digests(values: Sequence[Any]) -> bool:
    """Return True if each of some values is a sha256 in lower-case hex; faster than one by one."""
    return not values or (set(map(type, values)) == {str} and _are_hex(values, _DIGEST_LENGTH))


def is_digest(value: object) -> bool:
    """Return True if a value is a sha256 in lower-case hex."""
    return type(value) is str and _is_digest_text(value)


def is_header(value: str) -> bool:
    """Return True if a text can be sent as a header of HTTP."""
    return all(31 < ord(char) < 256 and char != "\x7f" for char in value)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    import re

    return re.compile(pattern)  # not at the import: many programs read no URL


def is_url(value: str) -> bool:
    """Return True if a text can be a stored URL."""
    if _compiled(_PLAIN_URL).fullmatch(value) and "%00" not in value:
        return True
    from localreg.values.urls import is_stored_url  # many programs have only files

    return is_stored_url(value)


_STR, _INT, _NULL = frozenset({str}), frozenset({int}), frozenset({type(None)})
TEXT: Rule = ("text", _STR, None)
NAME: Rule = ("text without NUL", _STR, lambda value: "\0" not in value)
ID: Rule = ("32 hex digits", _STR, _is_id_text)
ID_OR_EMPTY: Rule = (
    "32 hex digits or nothing",
    _STR,
    lambda value: not value or _is_id_text(value),
)
DIGEST: Rule = ("64 hex digits", _STR, _is_digest_text)
URL: Rule = ("a URL", _STR, is_url)
HEADER: Rule = ("a header of HTTP", _STR, is_header)
FLAG: Rule = ("0 or 1", _INT, range(2).__contains__)
WHOLE: Rule = ("a whole number", _INT, None)
COUNT: Rule = ("a whole number from 0 to 2^62", _INT, range(LARGEST).__contains__)
TIME: Rule = ("a time from year 1 to 9999", _INT, range(EARLIEST, LATEST).__contains__)
NUMBER: Rule = ("a number", frozenset({int, float}), None)
PACKAGE_PATH: Rule = ("the path of a file in a package", _STR, is_package_path)


def or_null(rule: Rule) -> Rule:
    """Return the rule for a column that may be NULL."""
    wanted, types, check = rule
    return f"{wanted}, or NULL", types | _NULL, check


class Columns:
    """The columns of a statement that makes records of one table.

    Args:
        table: the table.
        key: the place of the column that names the row in errors.
        rules: what the value of each column must be, by its name, in the order of the statement.
    """

    def __init__(self, table: str, key: int = 0, /, **rules: Rule) -> None:
        self._table = table
        self._key = key
        self._rules = tuple((name, *rule) for name, rule in rules.items())
        self._checks: dict[tuple[type, ...], list[tuple[int, Callable[[Any], object]]]] = {}

    def _is_sound(self, row: tuple[Any, ...]) -> bool:
        """Return True if a row is not damaged; fastest for a single row."""
        kinds = tuple(map(type, row))
        checks = self._checks.get(kinds)
        if checks is None:  # these types are seen for the first time
            rules = zip(kinds, self._rules, strict=True)
            if not all(kind in types for kind, (_, _, types, _) in rules):
                return False
            checks = self._checks[kinds] = [
                (place, check)
                for place, (_, _, _, check) in enumerate(self._rules)
                if check is not None and row[place] is not None
            ]
        for place, check in checks:  # noqa: SIM110  (`all` is slower)
            if not check(row[place]):
                return False
        return True

    def check(self, row: Sequence[object], key: object = None) -> None:
        """Raise if a value of a row breaks its rule.

        Args:
            row: as the statement returned it.
            key: what names the row in the error; by default one of its values.

        Raises:
            DamagedRowError: the first such value.
        """
        for value, (name, wanted, types, check) in zip(row, self._rules, strict=True):
            if type(value) not in types or not (check is None or value is None or check(value)):
                raise damaged_row(
                    self._table,
                    row[self._key] if key is None else key,
                    name,
                    f"must be {wanted}, not {_shown(value)}",
                )

    def _are_sound(self, rows: list[tuple[Any, ...]]) -> bool:
        """Return True if no row is damaged; column by column, which is fastest for many rows."""
        if len(rows) < _MANY:
            return all(map(self._is_sound, rows))
        for column, (_, _, types, check) in zip(zip(*rows, strict=True), self._rules, strict=True):
            found = set(map(type, column))
            if not found <= types:
                return False
            if check is None or found == _NULL:
                continue
            values = column if len(found) == 1 else [each for each in column if each is not None]
            if check is _is_id_text:
                if not are_ids(values):
                    return False
            elif check is _is_digest_text:
                if not _are_hex(values, _DIGEST_LENGTH):
                    return False
            elif check is is_package_path:
                if not are_package_paths(values):
                    return False
            elif not all(map(check, values)):
                return False
        return True

    def one(
        self,
        connection: sqlite3.Connection,
        sql: str,
        parameters: Parameters = (),
        key: object = None,
    ) -> tuple[Any, ...] | None:
        """Return the first row of a statement, checked; None without any."""
        try:
            row: tuple[Any, ...] | None = connection.execute(sql, parameters).fetchone()
        except sqlite3.OperationalError as error:
            if not is_undecodable(error):
                raise
            row = fetched(connection, sql, parameters)[0]
        if row is not None and not self._is_sound(row):
            self.check(row, key)
        return row

    def all(
        self,
        connection: sqlite3.Connection,
        sql: str,
        parameters: Parameters = (),
        key: object = None,
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a statement; a damaged one is an error."""
        rows = fetched(connection, sql, parameters)
        if rows and not self._are_sound(rows):
            for row in rows:
                self.check(row, key)
        return rows

    def sound(
        self, connection: sqlite3.Connection, sql: str, parameters: Parameters = ()
    ) -> list[tuple[Any, ...]]:
        """Return the sound rows of a statement, for a list; damaged ones are logged."""
        return self._sound(fetched(connection, sql, parameters))

    def stream(
        self, connection: sqlite3.Connection, sql: str, parameters: Parameters = ()
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a statement, of which there may be millions; a damaged one raises.

        The statement must give its rows in the same order when it is run again.
        """
        for rows in fetched_in_parts(connection, sql, parameters):
            if not self._are_sound(rows):
                for row in rows:
                    self.check(row)
            yield from rows

    def sound_stream(
        self, connection: sqlite3.Connection, sql: str, parameters: Parameters = ()
    ) -> Iterator[tuple[Any, ...]]:
        """Return the sound rows of a statement, of which there may be millions; others are logged.

        The statement must give its rows in the same order when it is run again.
        """
        # A generator would take as long for a row as SQLite does.
        return chain.from_iterable(map(self._sound, fetched_in_parts(connection, sql, parameters)))

    def _sound(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Return the sound ones of some rows; damaged ones are logged."""
        if not rows or self._are_sound(rows):
            return rows
        found = []
        for row in rows:
            try:
                self.check(row)
            except DamagedRowError as error:
                log.warning("%s", error)
            else:
                found.append(row)
        return found

    def damage(self, rows: list[tuple[Any, ...]]) -> Iterator[DamagedRowError]:
        """Yield an error for each damaged row."""
        if not rows or self._are_sound(rows):
            return
        for row in rows:
            try:
                self.check(row)
            except DamagedRowError as error:
                yield error


def fetched(
    connection: sqlite3.Connection, sql: str, parameters: Parameters = ()
) -> list[tuple[Any, ...]]:
    """Return the rows of a statement; text that is not UTF-8 comes as bytes.

    The sqlite3 module would end the statement at such a text.
    """
    try:
        return connection.execute(sql, parameters).fetchall()
    except sqlite3.OperationalError as error:
        if not is_undecodable(error):
            raise
    connection.text_factory = text_or_bytes
    try:
        return connection.execute(sql, parameters).fetchall()
    finally:
        connection.text_factory = str


def fetched_in_parts(
    connection: sqlite3.Connection, sql: str, parameters: Parameters = ()
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a statement, some at a time; text that is not UTF-8 comes as bytes."""
    given = 0
    try:
        cursor = connection.execute(sql, parameters)
        while rows := cursor.fetchmany(_AT_ONCE):
            yield rows
            given += len(rows)
    except sqlite3.OperationalError as error:
        if not is_undecodable(error):
            raise
    else:
        return
    yield from _parts_with_bytes(connection, sql, parameters, given)


def _parts_with_bytes(
    connection: sqlite3.Connection, sql: str, parameters: Parameters, skipped: int
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a statement after the first ones, with bytes for text that is not UTF-8."""
    cursor = None
    while True:
        connection.text_factory = text_or_bytes  # not while the caller uses the connection
        try:
            if cursor is None:
                cursor = connection.execute(sql, parameters)
                while skipped:
                    skipped -= len(cursor.fetchmany(min(skipped, _AT_ONCE)))
            rows = cursor.fetchmany(_AT_ONCE)
        finally:
            connection.text_factory = str
        if not rows:
            return
        yield rows


def is_undecodable(error: sqlite3.Error) -> bool:
    """Return True if an error of the sqlite3 module is about text that is not UTF-8."""
    return "Could not decode to UTF-8" in str(error)


def text_or_bytes(raw: bytes) -> str | bytes:
    """Return text, or the bytes themselves if they are not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def texts(
    connection: sqlite3.Connection, table: str, column: str, sql: str, parameters: Sequence[object]
) -> list[str]:
    """Return the texts of a statement with one column.

    Raises:
        DamagedRowError: one of them is not text.
    """
    found = [value for (value,) in fetched(connection, sql, parameters)]
    for value in found:
        if type(value) is not str:
            raise damaged_row(table, parameters[0], column, f"must be text, not {_shown(value)}")
    return found


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
    if text == "{}":  # as of most models
        return {}
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
        problem=f"{column} {what}",
    )


def _shown(value: object) -> str:
    if type(value) is str and 0 < len(value) <= 64 and value.isprintable():
        return value
    return shown(value)
