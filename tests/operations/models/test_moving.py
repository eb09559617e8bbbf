"""Moving models to another project, name or number; freeing numbers."""

from __future__ import annotations

import pytest
from support.command_line import run_cli

from localreg import Model
from localreg.errors import (
    AmbiguousReferenceError,
    ConflictError,
    InvalidValueError,
    ModelNotFoundError,
    NotFoundError,
)
from localreg.operations.models import moving


@pytest.fixture
def registry(localreg_registry):
    return localreg_registry


@pytest.fixture
def add(registry, tmp_path):
    def add(name="net", project="vision"):
        path = tmp_path / "w.pt"
        path.write_bytes(b"weights")
        return registry.add(path, name, project)

    return add


def move(registry, models, target):
    ids = [each.id for each in models]
    return moving.move_models(registry._chain.first, ids, moving.parse_target(target))


def test_models_get_the_next_numbers_in_the_order_in_which_they_are_named(registry, add):
    first, second, other = add(), add(), add("old")
    assert move(registry, [other, first], "vision/old") == ["vision/old:2", "vision/old:3"]
    assert registry.model("vision/old:2").id == other.id
    assert registry.model("vision/net").id == second.id


def test_a_model_gets_a_number_that_no_model_had(registry, add):
    model = add()
    assert move(registry, [model], "vision/net:7") == ["vision/net:7"]
    assert registry.model("vision/net:7").id == model.id
    assert add().name == "net"
    assert registry.model("vision/net:8").name == "net", "the next number is after the largest"


def test_a_number_never_comes_to_mean_another_model(registry, add):
    first, second = add(), add()
    Model.remove(first)
    with pytest.raises(ConflictError, match="was the number of a model before"):
        move(registry, [second], "vision/net:1")
    assert registry.model("vision/net:2").id == second.id


def test_the_number_of_a_model_that_was_moved_away_can_be_released(registry, add):
    first, second = add(), add()
    move(registry, [first], "vision/other")
    with pytest.raises(ConflictError):
        move(registry, [second], "vision/net:1")
    assert moving.release_number(registry._chain.first, "vision/net:1") == first.id
    assert move(registry, [second], "vision/net:1") == ["vision/net:1"]
    assert registry.model("vision/net:1").id == second.id


def test_the_error_for_a_number_says_where_its_model_is_now(registry, add):
    move(registry, [add()], "audio/net:7")
    with pytest.raises(ModelNotFoundError, match=r"moved to audio/net:7"):
        registry.model("vision/net:1")


def test_the_number_of_a_model_that_is_there_is_not_released(registry, add):
    add()
    with pytest.raises(ConflictError, match="is there"):
        moving.release_number(registry._chain.first, "vision/net:1")
    with pytest.raises(NotFoundError, match="no model claims"):
        moving.release_number(registry._chain.first, "vision/net:2")


def test_several_models_cannot_get_one_number(registry, add):
    with pytest.raises(InvalidValueError, match="cannot all be version 5"):
        move(registry, [add(), add()], "vision/net:5")


@pytest.mark.parametrize("target", ["", "vision/", "net:0", 7])
def test_a_target_that_names_no_model_is_refused(target):
    with pytest.raises(InvalidValueError):
        moving.parse_target(target)


def test_the_command_says_what_was_moved_where(registry, add):
    add()
    code, _, err = run_cli("mv", "vision/net", "audio/net", "-R", registry.path)
    assert (code, err.strip()) == (0, "Moved vision/net:1 to audio/net:1.")
    assert (
        "audio/net:1 is there already."
        in run_cli("mv", "audio/net", "audio/net:1", "-R", registry.path)[2]
    )
    code, _, err = run_cli("mv", "--release", "vision/net:1", "-R", registry.path)
    assert code == 0
    assert err.startswith("Released vision/net:1, which model ")
    assert run_cli("mv", "audio/net", "-R", registry.path)[0] == 2


def test_two_models_with_one_number_are_named_by_their_origin(registry, add):
    """As after a merge; the claim is made by hand here."""
    first, second = add(), add()
    with registry._chain.first.store.write() as change:
        change.connection.execute(
            "INSERT INTO claim SELECT project, name, 1, :other, 0, :other FROM claim "
            "WHERE model = :model",
            {"other": second.id, "model": first.id},
        )
        change.connection.execute("UPDATE model SET version = 1 WHERE id = ?", (second.id,))
    with pytest.raises(AmbiguousReferenceError, match="is the number of 2 models") as raised:
        registry.model("vision/net:1")
    assert set(raised.value.hits) == {first.id, second.id}
    assert registry.model(f"vision/net:1~{second.id[:6]}").id == second.id
    assert registry.model("vision/net").id == second.id, "of equal numbers the last"
