"""The classes of errors: one public place for all, though many are made only when one is named."""

from __future__ import annotations

import pickle
import re

import pytest

from localreg import errors, rare_errors


@pytest.mark.parametrize("name", errors.__all__)
def test_each_class_is_public_in_errors(name):
    made = getattr(errors, name)
    assert issubclass(made, errors.LocalregError)
    assert (made.__module__, made.__qualname__) == ("localreg.errors", name)
    raised = pickle.loads(pickle.dumps(made("why", fact="x")))
    assert (type(raised), str(raised), raised.fact) == (made, "why", "x")


def test_the_list_and_the_tree_of_the_docstring_have_all_of_them():
    made = {
        name
        for module in (errors, rare_errors)
        for name, value in vars(module).items()
        if isinstance(value, type)
    }
    drawn = re.findall(r"^(?: {4})?[ │├└─]*(\w+Error)\b", errors.__doc__, re.MULTILINE)
    assert sorted(errors.__all__) == sorted(made) == sorted(drawn)


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Tusk"):
        _ = errors.Tusk
