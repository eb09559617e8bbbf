"""What is read of a model's revisions: one that is asked for, and not all of them."""

from __future__ import annotations

import pytest
from support.statements import counted, steps

from localreg import OutputModel, Registry, Task
from localreg.store.rows import model_rows

URL = "s3://bucket/net.pt"


@pytest.fixture
def registry(tmp_path):
    with Registry(tmp_path / "registry", durability="fast") as registry:
        yield registry


@pytest.fixture
def model(registry):
    return OutputModel(Task.create("vision", "training"), name="net")


def read(registry, call):
    with registry._chain.first.store.read() as connection:
        return call(connection)


def test_numbers_go_on_after_the_greatest(registry, model):
    def last():
        return read(registry, lambda c: model_rows.last_number(c, model.id))

    assert last() == 0
    for number in (1, 2, 3):
        model.update_weights(register_uri=URL)
        assert last() == number
    model.restore_weights(1)
    assert last() == 3, "not that of the current one"
    model.update_weights(register_uri=URL, keep_last=1)
    assert last() == 4
    assert read(registry, lambda c: model_rows.last_number(c, "0" * 32)) == 0


def test_the_older_revisions_are_all_but_the_newest(registry, model):
    for _ in range(5):
        model.update_weights(register_uri=URL)
    whole = read(registry, lambda c: model_rows.weights(c, model.id))
    for newest in range(7):
        older = read(registry, lambda c, n=newest: model_rows.older_weights(c, model.id, n))
        assert older == whole[: max(0, 5 - newest)]


def test_a_revision_is_found_by_its_id_in_its_model(registry, model):
    model.update_weights(register_uri=URL)
    model.update_weights(register_uri=URL)
    other = OutputModel(Task.create("vision", "other"), name="other")
    first, second = read(registry, lambda c: model_rows.weights(c, model.id))
    found = [
        read(registry, lambda c, i=id_: model_rows.revision(c, i, first.id))
        for id_ in (model.id, other.id)
    ]
    assert found == [first, None]
    assert second.current
    assert not first.current


def test_one_more_of_many_revisions_costs_no_more_than_one_of_few(registry, model):
    """Neither statements nor what SQLite reads for them."""

    def update(times):
        for _ in range(times):
            model.update_weights(register_uri=URL)

    def cost():
        with counted() as count, Registry(registry.path, durability="fast") as again:
            revised = OutputModel(Task.get_task(model.task), base_model_id=model.id)
            count.clear()
            revised.update_weights(register_uri=URL)
            statements = count.total()
            return statements, read(again, lambda connection: steps(connection, looked_up))

    def looked_up(connection):
        model_rows.last_number(connection, model.id)
        model_rows.current_weights(connection, model.id)

    update(3)
    few = cost()
    update(200)
    many = cost()
    assert many[0] <= few[0]
    assert many[1] <= few[1] + 10
    whole = read(registry, lambda c: steps(c, lambda c: model_rows.weights(c, model.id)))
    assert whole > 10 * many[1], "what reads all is seen"
