"""The table of members in the guide names every member of ClearML's classes, and is right.

`members.txt` lists the members of the SDK; `tests/clearml_scripts/list_clearml.py` makes it.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from support.documents import GUIDE, text_of

import localreg
from localreg import OutputModel, Task
from localreg.api.not_supported import NOT_SUPPORTED
from localreg.errors import NotSupportedError

MEMBERS = Path(__file__).parent.parent / "clearml_scripts" / "members.txt"
CLASSES = ("Task", "Model", "InputModel", "OutputModel", "Logger", "StorageManager", "Dataset")
ABOVE = r"^### ([A-Z]\w*(?:, [A-Z]\w*)*)$"
# Defaults that are the same values, written in another way.
SAME = {"<TaskTypes>", "(TaskTypes.completed, TaskTypes.stopped, TaskTypes.closed)",
        "(TaskTypes.failed,)"}  # fmt: skip


def listed():
    """Return kind and signature of each member of the SDK, by class and name."""
    found = {}
    for line in MEMBERS.read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition(": ")
        kind, _, signature = rest.partition(" (")
        found[tuple(name.split("."))] = kind, signature.removesuffix(")")
    return found


def verdicts():
    """Return the verdict of each member in the guide, as (class, member, verdict)."""
    text = text_of(GUIDE / "clearml.md").partition("\n## Every member\n")[2]
    parts = re.split(ABOVE, text, flags=re.MULTILINE)[1:]
    found = []
    for names, table in zip(parts[::2], parts[1::2], strict=True):
        for row in re.findall(r"^\| (`.+) \| (.+) \|$", table, re.MULTILINE):
            members = re.findall(r"`(\w+)`", row[0])
            assert row[0] == ", ".join(f"`{each}`" for each in members)
            found += [(owner, each, row[1]) for owner in names.split(", ") for each in members]
    return found


LISTED, VERDICTS = listed(), verdicts()


def test_every_member_has_one_verdict():
    assert {owner for owner, _ in LISTED} == set(CLASSES)
    assert sorted((owner, member) for owner, member, _ in VERDICTS) == sorted(LISTED)
    for *_, verdict in VERDICTS:
        assert re.fullmatch(r"works|(?:differs|not supported): .+", verdict), verdict


def test_what_is_not_supported_is_what_raises():
    said = {
        (owner, member): verdict.removeprefix("not supported: ")
        for owner, member, verdict in VERDICTS
        if verdict.startswith("not supported: ")
    }
    assert said == {
        (owner, member): reason
        for owner, reasons in NOT_SUPPORTED.items()
        for member, reason in reasons.items()
    }


def test_what_is_not_supported_raises_when_it_is_used(registry):
    objects = {"Task": Task.create("p", "t")}
    for owner, reasons in NOT_SUPPORTED.items():
        for member, reason in reasons.items():
            where = getattr(localreg, owner)
            is_property = isinstance(inspect.getattr_static(where, member), property)
            with pytest.raises(NotSupportedError) as error:
                getattr(objects[owner], member) if is_property else getattr(where, member)()
            assert str(error.value) == f"localreg does not have {owner}.{member}: {reason}"


@pytest.mark.parametrize("owner", CLASSES)
def test_other_members_are_what_the_table_says(owner):
    """They take the parameters of the SDK at their places; those that work have its defaults."""
    where = getattr(localreg, owner)
    for each, member, verdict in VERDICTS:
        if each != owner or verdict.startswith("not supported"):
            continue
        kind, signature = LISTED[owner, member]
        value = getattr(where, member)
        assert member not in NOT_SUPPORTED.get(owner, {})
        if "method" in kind:
            assert callable(value), member
            check_parameters(f"{owner}.{member}", signature, value, defaults=verdict == "works")
        elif kind == "settable property" and verdict == "works":
            assert inspect.getattr_static(where, member).fset is not None, member


def check_parameters(name, signature, value, *, defaults):
    """Check that a method takes the parameters of the SDK first, in their order."""
    wanted = [
        each.partition("=")[::2]
        for each in re.split(r", (?![^\[(]*[\])])", signature)
        if each and each != "self"
    ]
    given = dict(inspect.signature(value).parameters)
    given.pop("self", None)
    stars = [each for each, _ in wanted if each.startswith("*")]
    plain = [(each, default) for each, default in wanted if not each.startswith("*")]
    assert list(given)[: len(plain)] == [each for each, _ in plain], name
    variable = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    if stars and defaults:
        assert variable & {each.kind for each in given.values()}, name
    for each, default in plain if defaults else ():
        ours = given[each].default
        if default and default not in SAME:
            assert repr(ours) == default, f"{name}({each})"
        assert bool(default) == (ours is not inspect.Parameter.empty), f"{name}({each})"


def test_output_models_are_models_too():
    assert issubclass(OutputModel, localreg.Model)
