"""YAML of strangers: plain values, or ValueError, and soon."""

from __future__ import annotations

import datetime
from contextlib import suppress

import pytest
from support.foreign_stores import PIECES
from support.proofs import TIMES, random_numbers

from localreg.operations.importers.plain_yaml import plain_values


def bomb(start, line):
    """Return YAML in which each line has the one before ten times."""
    lines = [line(",".join([f"*a{each - 1}"] * 10)) for each in range(1, 12)]
    return "\n".join(f"a{number}: &a{number} {each}" for number, each in enumerate([start, *lines]))


@pytest.mark.parametrize(
    "text",
    [
        bomb("[x, x]", lambda all_of: f"[{all_of}]"),
        bomb("{a: 1, b: 2}", lambda all_of: f"{{<<: [{all_of}]}}"),
        "a: &a {<<: *a}",
        "a: &a [*a, *a]",
        "[" * 100_000,
        "[" * 105 + "]" * 105,
        "a: 0x" + "f" * 10_000,
        "a: !!python/object/apply:os.getcwd []",
        "a: !!bool null",
        "a: {b: 1, b: 2}",
    ],
    ids="lists merges merged-circle circle deep nested number python tag twice".split(),
)
def test_what_cannot_be_read_is_a_value_error(text):
    with pytest.raises(ValueError, match=r".+"):
        plain_values(text, by_pyyaml=False)


def test_numbers_are_those_of_yaml_1_2():
    text = "[7e3, 0o17, 0x1f, 1.5, -3, yes, null, 2026-01-02]"
    day = datetime.date(2026, 1, 2)
    assert plain_values(text, by_pyyaml=False) == [7000.0, 15, 31, 1.5, -3, "yes", None, day]


def test_what_pyyaml_left_without_quotes_is_a_text():
    text = "[7e12345, 0o17, 1e3, 1.5e+3, -.inf, -3, true, 12]"
    expected = ["7e12345", "0o17", "1e3", 1500.0, float("-inf"), -3, True, 12]
    assert plain_values(text, by_pyyaml=True) == expected


def test_a_directive_of_yaml_1_1_warns_of_nothing():
    assert plain_values("%YAML 1.1\n---\na: 1e3", by_pyyaml=False) == {"a": 1000.0}


def test_keys_are_merged():
    text = "a: &a {b: 1, c: 1}\nd: {<<: *a, c: 2}"
    assert plain_values(text, by_pyyaml=False) == {"a": {"b": 1, "c": 1}, "d": {"b": 1, "c": 2}}


@pytest.mark.long
def test_random_damages_raise_nothing_else():
    luck = random_numbers(20)
    whole = (
        b"a: b\nc: &x [1, 2.5, 1e3]\nd: 2026-01-02T03:04:05Z\ne: {f: true, g: *x}\nh: |\n  text\n"
    )
    for _ in range(2_000 * TIMES):
        data = bytearray(whole)
        for _ in range(luck.randint(1, 5)):
            start = luck.randrange(len(data) + 1)
            if luck.random() < 0.5:
                data[start:start] = luck.choice(PIECES)
            else:
                del data[start : start + luck.randint(1, 20)]
        with suppress(ValueError):
            plain_values(data.decode(errors="replace"), by_pyyaml=luck.random() < 0.5)
