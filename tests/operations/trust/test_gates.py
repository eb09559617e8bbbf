"""An alias with a gate is only set to a model that passes it, by every call: P44."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import foreign_signatures as foreign
from support.command_line import run_cli
from support.signed_models import record_gate

from localreg import Dataset, OutputModel, Task, use_registry
from localreg.cli.filters import model_conditions
from localreg.errors import GateError, InvalidValueError, UndoError
from localreg.operations.datasets import looking
from localreg.operations.finding import queries
from localreg.operations.finding.gates import missing
from localreg.operations.finding.references import require_model
from localreg.operations.models import history
from localreg.operations.trust.keys import add_key, remove_key, signing_key
from localreg.operations.trust.signing import sign
from localreg.values.conditions import check_conditions

NAME = "vision/net@prod"


class Trouble:
    """What a scanner flags when it is pickled."""

    def __reduce__(self):
        import os

        return os.system, ("true",)


@pytest.fixture
def model(registry, weights):
    """The first version."""
    return registry.add(weights, "net", project="vision", metadata={"accuracy": 0.95})


def aliases_of(registry, reference="vision/net:1"):
    return registry.model(reference).aliases


def events_of(registry):
    return [
        (each.kind, each.payload)
        for each in registry.history()
        if each.kind in ("alias.set", "alias.protected")
    ]


def refused(registry, reference="vision/net:1"):
    """Return what the model lacks when its alias is set."""
    before = len(registry.history())
    with pytest.raises(GateError) as caught:
        registry.set_alias(reference, "prod")
    assert len(registry.history()) == before
    assert caught.value.alias == NAME
    assert all(each in str(caught.value) for each in caught.value.missing)
    return caught.value.missing


def test_a_model_passes_when_it_has_all_that_is_asked_for(registry, model):
    registry.protect(NAME, ["published", "accuracy>=0.9"])
    assert refused(registry) == ("not published",)
    model.publish()
    registry.set_alias(model, "prod")
    gate = registry.gate(NAME)
    assert (gate.conditions, gate.target) == (("published", "accuracy>=0.9"), "vision/net:1")
    assert (gate.held, gate.missing, gate.override) == (False, (), None)


def test_the_error_names_all_that_is_missing(registry, model):
    registry.protect(
        NAME, "signed,scanned,published,accuracy>=0.99,metric:val/acc>=0.9,param:lr<0.1"
    )
    assert refused(registry) == (
        "not published",
        "not signed",
        "accuracy is 0.95 (needs accuracy>=0.99)",
        "no metric for metric:val/acc>=0.9",
        "no parameter for param:lr<0.1",
    )


CASES = {
    "accuracy>=0.95": None,
    "accuracy>0.95": "accuracy is 0.95 (needs accuracy>0.95)",
    "accuracy = 0.95": "no metadata for accuracy = 0.95",
    "accuracy=0.95": None,
    "accuracy!=0.5": None,
    "stage==final": "no metadata for stage==final",
    "metric:val/acc>=0.8": None,
    "metric:val/acc>=0.85": "val/acc is 0.8 (needs metric:val/acc>=0.85)",
    "metric:score=7": None,
    "metric:loss<1": "no metric for metric:loss<1",
}


@pytest.mark.parametrize(("condition", "lacks"), CASES.items())
def test_comparisons_are_those_of_filters(registry, model, condition, lacks):
    model.report_scalar("val", "acc", 0.9, 1)
    model.report_scalar("val", "acc", 0.8, 2)
    model.report_single_value("score", 7)
    registry.protect(NAME, [condition])
    if lacks is None:
        registry.set_alias(model, "prod")
    else:
        assert refused(registry) == (lacks,)


def test_values_of_the_task_count_and_are_not_late(registry, weights):
    """A value that was reported just now still waits in memory, and counts."""
    task = Task.init("vision", "train")
    task.connect({"lr": 0.01})
    model = OutputModel(task, name="net")
    model.update_weights(str(weights), auto_delete_file=False)
    registry.protect(NAME, ["metric:val/acc>=0.9", "param:General/lr<0.1"])
    assert refused(registry) == ("no metric for metric:val/acc>=0.9",)
    task.get_logger().report_scalar("val", "acc", 0.91, 1)
    registry.set_alias(model, "prod")
    task.close()


def test_scanned_looks_at_every_file(registry, tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "a.txt").write_text("text")
    registry.protect(NAME, ["scanned"])
    registry.add(folder, "net", project="vision")
    registry.set_alias("vision/net:1", "prod")
    (folder / "good.pkl").write_bytes(pickle.dumps([1, 2]))
    registry.add(folder, "net", project="vision")
    registry.set_alias("vision/net:2", "prod")
    (folder / "bad.pkl").write_bytes(pickle.dumps(Trouble()))
    registry.add(folder, "net", project="vision")
    assert refused(registry, "vision/net:3") == ("flagged by the scanner: bad.pkl",)
    registry.add(folder / "bad.pkl", "net", project="vision")
    assert refused(registry, "vision/net:4") == ("flagged by the scanner: bad.pkl",)
    (tmp_path / "cut.pkl").write_bytes(pickle.dumps(list(range(9)))[:-3])
    registry.add(tmp_path / "cut.pkl", "net", project="vision")
    assert refused(registry, "vision/net:5") == (
        "not scanned: cut.pkl (the scanner cannot read it)",
    )
    registry.add(tmp_path / "cut.pkl", "net", project="vision", mode="reference")
    assert refused(registry, "vision/net:6") == ("not scanned: its weights are not known",)


def test_signed_is_by_a_key_that_the_registry_trusts(registry, model, found, key_file):
    key, chain = foreign.new_key(), registry._chain
    registry.protect(NAME, "signed")
    assert refused(registry) == ("not signed",)
    sign(chain, found("vision/net:1"), signing_key(key_file(key)))
    (lacks,) = refused(registry)
    assert lacks.startswith("not signed by a key that is trusted here (")
    add_key(chain.first, key_file(key, public=True), "release")
    registry.set_alias(model, "prod")
    remove_key(chain.first, "release")
    assert registry.gate(NAME).missing
    assert not registry.gate(NAME).held
    assert registry.model(NAME).id == model.id


def test_an_override_is_kept_with_its_reason(registry, model):
    registry.protect(NAME, "published")
    with pytest.raises(InvalidValueError, match="override"):
        registry.set_alias(model, "prod", override=" ")
    registry.set_alias(model, "prod", override="hotfix 12")
    assert registry.model(NAME).id == model.id
    assert registry.gate(NAME).override == "hotfix 12"
    assert events_of(registry)[0][1]["override"] == "hotfix 12"
    (line,) = [each.text for each in model.history() if each.kind == "alias.set"]
    assert line == "alias prod set, although it did not pass the gate: 'hotfix 12'"
    (serving,) = history.servings(registry._chain.first, "prod")
    assert serving.override == "hotfix 12"
    assert run_cli("history", "--alias", "prod")[1].endswith("\thotfix 12\n")
    assert "vision/net:1 (overridden)" in run_cli("protect", NAME)[1]
    model.publish()
    registry.set_alias(model, "prod", override="again")
    assert registry.gate(NAME).override == "hotfix 12", "nothing changed"


def test_a_reason_that_is_not_needed_is_not_kept(registry, model):
    registry.set_alias(model, "prod", override="just in case")
    registry.protect("vision/net@best", "accuracy>=0.9")
    registry.set_alias(model, "best", override="just in case")
    assert [each.get("override") for _, each in events_of(registry)] == [None, None, None]


def test_a_gate_checks_the_model_that_the_alias_points_to(registry, model):
    registry.set_alias(model, "prod")
    before = len(registry.history())
    with pytest.raises(GateError, match="points to it, so nothing was changed") as caught:
        registry.protect(NAME, "published")
    assert caught.value.missing == ("not published",)
    assert len(registry.history()) == before
    registry.protect(NAME, "published", override="until Friday")
    assert registry.model(NAME).id == model.id
    assert registry.gate(NAME).override == "until Friday"
    registry.protect(NAME, "accuracy>0.9")
    assert (registry.gate(NAME).override, registry.model(NAME).id) == (None, model.id)
    count = len(registry.history())
    registry.protect(NAME, ["accuracy>0.9"])
    assert len(registry.history()) == count, "the same gate again"
    assert registry.unprotect(NAME)
    assert not registry.unprotect(NAME)
    assert registry.gate(NAME).conditions == ()


def test_what_drops_an_alias_is_always_allowed(registry, model, weights):
    registry.set_alias(model, "prod")
    registry.protect(NAME, "signed", override="x")
    registry.remove_alias(model, "prod")
    assert aliases_of(registry) == []
    registry.set_alias(model, "prod", override="x")
    model.name = "other"
    assert registry.model("vision/other").aliases == []
    assert registry.gate(NAME).target is None


def test_add_with_an_alias_adds_nothing_if_the_model_does_not_pass(registry, weights):
    registry.protect(NAME, "scanned,size=small")
    arguments = {"name": "net", "project": "vision", "alias": "prod"}
    with pytest.raises(GateError, match="Nothing was added") as caught:
        registry.add(weights, **arguments)
    assert caught.value.missing == ("no metadata for size=small",)
    assert registry.models() == []
    model = registry.add(weights, **arguments, metadata={"size": "small"})
    assert (model.version, registry.model(NAME).id) == (1, model.id)


@pytest.mark.parametrize("conditions", [["not signed"], "", [], ",", ["signed", ""], None, 3])
def test_what_is_no_condition_is_refused(registry, model, conditions):
    with pytest.raises(InvalidValueError, match="require"):
        registry.protect(NAME, conditions)
    assert events_of(registry) == []


@pytest.mark.parametrize(
    "condition", ["accuracy>=", "accuracy>= ", "accuracy!=", "accuracy>=0,99", "accuracy<high"]
)
def test_what_models_would_pass_as_text_is_refused(registry, model, condition):
    """An unset variable of a shell gives the first ones. From elsewhere it is not passed."""
    with pytest.raises(InvalidValueError, match=r"value to compare|with a number"):
        registry.protect(NAME, [condition])
    record_gate(registry._chain.first, ("vision", "net"), "prod", [condition])
    with pytest.raises(GateError, match="does not know the condition"):
        registry.set_alias(model, "prod")


def test_dates_have_an_order(registry, model):
    model.set_metadata("trained", "2026-11-30")
    registry.protect(NAME, ["trained>=2026-11"])
    registry.set_alias(model, "prod")


@pytest.mark.parametrize("name", ["vision/net", "@prod", "net@", "net@a b", "net@a/b", ""])
def test_what_is_no_alias_is_refused(registry, name):
    with pytest.raises(InvalidValueError, match="name"):
        registry.protect(name, "signed")


def test_the_line_is_found_where_a_name_has_slashes(registry, weights):
    registry.add(weights, "a/b", project="p")
    registry.protect("p/a/b@prod", "published")
    with pytest.raises(GateError):
        registry.set_alias("p/a/b:1", "prod")
    registry.protect("new/line@prod", "published")
    model = registry.add(weights, "line", project="new")
    with pytest.raises(GateError):
        registry.set_alias(model, "prod")


def test_a_gate_holds_for_data_sets(tmp_path):
    with use_registry(tmp_path / "with-data") as registry:
        (tmp_path / "f.csv").write_text("1")
        data = Dataset.create(dataset_name="digits", dataset_project="vision")
        data.add_files(tmp_path / "f.csv")
        data.finalize(auto_upload=True)
        registry.protect("vision/digits@prod", "stage=checked")
        with pytest.raises(GateError):
            registry.set_alias(data.id, "prod")
        registry.set_alias(data.id, "prod", override="first one")
        assert looking.resolve(registry._chain, "vision/digits@prod").id == data.id
        registry.unprotect("vision/digits@prod")
        record_gate(registry._chain.first, ("vision/.datasets", "digits"), "prod", ["published"])
        with pytest.raises(GateError, match=r"vision/\.datasets/digits@prod is held"):
            looking.resolve(registry._chain, "vision/digits@prod")


def last(registry, kind):
    """Return the id of the newest event of a kind."""
    return next(each.event_id for each in registry.history() if each.kind == kind)


def test_undo_of_an_alias_checks_the_gate_that_there_is_now(registry, model, weights):
    other = registry.add(weights, "net", project="vision")
    registry.set_alias(model, "prod")
    registry.set_alias(other, "prod")
    registry.protect(NAME, "accuracy>=0.9", override="for now")
    move = [each for each in registry.history() if each.kind == "alias.set"][-2].event_id
    registry.set_alias(other, "prod")
    registry.undo(last(registry, "alias.protected"))
    registry.unprotect(NAME)
    registry.remove_alias(other, "prod")
    dropped = last(registry, "alias.set")
    registry.protect(NAME, "accuracy>=0.9")
    for dry_run in (True, False):
        with pytest.raises(GateError, match="does not pass the gate"):
            registry.undo(dropped, dry_run=dry_run)
    assert registry.gate(NAME).target is None
    other.set_metadata("accuracy", 0.97)
    registry.undo(dropped)
    assert registry.model(NAME).id == other.id
    with pytest.raises(UndoError, match="replaced since"):
        registry.undo(move)


def test_undo_of_a_gate_gives_the_gate_before_which_is_checked_too(registry, model):
    registry.protect(NAME, "published")
    registry.protect(NAME, "accuracy>=0.9")
    registry.set_alias(model, "prod")
    changed = last(registry, "alias.protected")
    for dry_run in (True, False):
        with pytest.raises(GateError, match="points to it, so nothing was changed"):
            registry.undo(changed, dry_run=dry_run)
    assert registry.gate(NAME).conditions == ("accuracy>=0.9",)
    model.publish()
    registry.undo(changed)
    gate = registry.gate(NAME)
    assert (gate.conditions, gate.held, registry.model(NAME).id) == (
        ("published",),
        False,
        model.id,
    )
    registry.undo(last(registry, "alias.protected"))
    assert registry.gate(NAME).conditions == ("accuracy>=0.9",)
    registry.unprotect(NAME)
    registry.undo()
    assert registry.gate(NAME).conditions == ("accuracy>=0.9",)
    assert registry.model(NAME).id == model.id


def test_undo_after_protect_takes_the_gate_back(registry, model):
    """It records two events; what only says which gate was passed cannot be undone."""
    registry.set_alias(model, "prod")
    registry.protect(NAME, "accuracy>=0.9")
    passed = last(registry, "alias.set")
    with pytest.raises(UndoError, match="only says which gate the model passed"):
        registry.undo(passed)
    registry.undo()
    assert registry.gate(NAME).conditions == ()
    assert registry.model(NAME).id == model.id


def test_a_gate_of_a_name_without_models_says_so(registry, model):
    """It may be meant, or be a misspelling, which protects nothing."""
    _, _, err = run_cli("protect", "vision/nte@prod", "--require", "signed")
    assert err.endswith("\nThere is no model vision/nte yet.\n")
    assert "There is no model" not in run_cli("protect", NAME, "--require", "signed")[2]


def test_the_history_names_gates(registry, model):
    registry.protect(NAME, "published,accuracy>=0.9")
    registry.unprotect(NAME)
    texts = [each.text for each in registry.history() if each.kind == "alias.protected"]
    assert texts == [
        "alias prod of vision/net needs nothing any more",
        "alias prod of vision/net needs 'published, accuracy>=0.9'",
    ]


def race(number, barrier, path, rounds):
    """Set an alias, or give it a gate, when the other process does; return who was refused."""
    from localreg import Registry
    from localreg.errors import GateError

    refused = []
    with Registry(path, durability="fast") as registry:
        for each in range(rounds):
            name = f"prod{each}"
            barrier.wait()
            try:
                if number:
                    registry.protect(f"vision/net@{name}", "published")
                else:
                    registry.set_alias("vision/net:1", name)
            except GateError:
                refused.append(each)
    return refused


def test_a_gate_and_an_alias_that_race_come_in_one_order(registry, model, children):
    """Whoever comes second sees the other: exactly one of the two is refused, in every round."""
    of_alias, of_gate = children.crowd(2, race, str(registry.path), 20)
    assert sorted([*of_alias, *of_gate]) == [*range(20)]
    for each in range(20):
        gate = registry.gate(f"vision/net@prod{each}")
        found = gate.target, gate.conditions
        wanted = (None, ("published",)) if each in of_alias else ("vision/net:1", ())
        assert found == wanted


def test_to_pass_a_gate_is_no_move_in_the_history_of_an_alias(registry, model, weights):
    registry.set_alias(model, "prod")
    registry.protect(NAME, "accuracy>=0.9")
    registry.protect(NAME, "published", override="for now")
    first, then = [each.text for each in registry.history() if each.kind == "alias.set"][1::-1]
    assert first == f"alias prod stays at {model.id[:8]}, which passed its gate"
    assert then == (
        f"alias prod stays at {model.id[:8]}, although it did not pass the gate: 'for now'"
    )
    assert [each.text for each in model.history() if each.kind == "alias.set"] == [
        "alias prod stays, although it did not pass the gate: 'for now'",
        "alias prod stays: the gate was passed",
        "alias prod set",
    ]
    (served,) = history.servings(registry._chain.first, "prod")
    assert (served.model, served.end) == (model.id, None)
    registry.set_alias(registry.add(weights, "net", project="vision"), "prod", override="x")
    assert len(history.servings(registry._chain.first, "prod")) == 2


VALUES = ["0.9", "0.90", "1", "-3", "nan", "inf", "final", "", "true", "1e3", "2026-11-30"]


@given(
    sign=st.sampled_from(["=", "==", "!=", ">", ">=", "<", "<="]),
    value=st.one_of(st.sampled_from(VALUES), st.floats(-2, 2, width=16).map(str)),
    kind=st.sampled_from(["", "metric:", "param:"]),
)
def test_a_gate_passes_what_the_same_filter_finds(filtered, sign, value, kind):
    registry, models = filtered
    try:
        (text,) = check_conditions([f"{kind}x{sign}{value}"])
        filters = model_conditions([text])
    except InvalidValueError:
        return
    chain = registry._chain
    found = set(queries.find_models(chain.first, queries.check_query(**filters)))
    with chain.first.store.read() as connection:
        passing = {
            model
            for model in models
            if not missing(connection, require_model(connection, model), [text], lambda: None)
        }
    assert passing == found


@pytest.fixture(scope="module")
def filtered(tmp_path_factory):
    """A registry of models with many values of metadata, metrics and parameters of one name."""
    folder = tmp_path_factory.mktemp("filtered")
    registry = use_registry(folder / "registry", durability="fast")
    models = []
    for number, value in enumerate([*VALUES[::2], None]):
        task = Task.init("vision", f"train {number}", reuse_last_task_id=False)
        model = OutputModel(task, name=f"net{number}")
        if value is not None:
            model.set_metadata("x", value)
            task.connect({"x": value})
            if number % 3:
                model.report_single_value("x", number / 3 - 2)
            else:
                task.get_logger().report_single_value("x", float(number))
        models.append(model.id)
        task.close()
    yield registry, models
    registry.close()
