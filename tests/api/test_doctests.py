"""The examples in docstrings run, those of each module in a registry of their own."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import localreg

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
MODULES = [
    module.name
    for module in pkgutil.walk_packages(localreg.__path__, "localreg.")
    if not module.name.endswith("__main__")
]


def examples(name: str) -> list[doctest.DocTest]:
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    return [each for each in found if each.examples]


def test_there_are_examples():
    assert sum(len(examples(name)) for name in MODULES) >= 10


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name, localreg_registry, tmp_path):
    public = {each: getattr(localreg, each) for each in localreg.__all__}
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for example in examples(name):
        example.globs |= public | {"path": tmp_path}
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0
