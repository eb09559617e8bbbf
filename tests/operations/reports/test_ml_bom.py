"""Bills of materials: CycloneDX 1.6, valid by the schema of its library, the same every time."""

from __future__ import annotations

import json
import pickle
import sys

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.provisional import urls
from jsonschema import Draft7Validator
from support.command_line import run_cli

from localreg import Dataset, InputModel, OutputModel, Task
from localreg.operations.reports.ml_bom import _licenses_of, _uri

CONFIG = '{"architectures": ["BertForSequenceClassification"], "model_type": "bert"}'
FORMAT_CHECKER = Draft7Validator.FORMAT_CHECKER
VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def bom_of(ref, directory=None):
    """Return the bill of materials of a model, which is valid."""
    where = ("-R", directory) if directory else ()
    code, out, err = run_cli("card", ref, "--format", "ml-bom", *where)
    assert code == 0, err
    check(out)
    return json.loads(out)


def check(text):
    """Compare a text with the schema of the library."""
    assert VALIDATOR.validate_str(text) is None
    assert Bom.from_json(json.loads(text)).metadata.component is not None
    refs = list(refs_of(json.loads(text)))
    assert len(refs) == len(set(refs)), "each part has a name of its own"


def refs_of(value):
    if isinstance(value, dict):
        if "bom-ref" in value:
            yield value["bom-ref"]
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from refs_of(each)


def facts_of(part):
    """Return what localreg says of a part, by name; of a name that is there twice, the last."""
    return {
        each["name"].removeprefix("localreg:"): each["value"] for each in part.get("properties", ())
    }


@pytest.fixture
def parts(registry, tmp_path):
    """A model with all that a bill shows: a package made by a task from a data set and a model."""
    (tmp_path / "cat.txt").write_text("cat")
    dataset = Dataset.create("cats", "vision")
    dataset.add_files(tmp_path / "cat.txt")
    dataset.upload()
    dataset.finalize()
    base = InputModel.import_model(
        "https://huggingface.co/google/vit-base/resolve/main/model.safetensors", name="vit"
    )
    task = Task.init("vision", "train")
    task.connect({"lr": 0.1, "api_key": "hunter2"})
    task.connect(base)
    Dataset.get(dataset_project="vision", dataset_name="cats", alias="data")
    task.get_logger().report_scalar("loss", "train", 0.5, 1)
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "config.json").write_text(CONFIG)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# BERT\n")
    (folder / "odd name #1.pkl").write_bytes(pickle.dumps(eval))
    made = OutputModel(task, name="bert", tags=["small"], comment="A *net*.")
    made.update_weights_package(weights_path=folder, async_enable=False)
    made.set_metadata("datasets", ["me/rings"])
    made.set_metadata("token", "hunter3")
    task.close()
    return {"model": made, "dataset": dataset, "base": base, "task": task}


def test_the_bill_says_what_a_model_is_made_of(parts, registry):
    bom = bom_of("vision/bert")
    model, record = bom["metadata"]["component"], registry.model("vision/bert")
    assert model["type"] == "machine-learning-model"
    assert (model["group"], model["name"], model["version"]) == ("vision", "bert", "1")
    assert model["tags"] == ["small"]
    assert model["licenses"] == [{"license": {"id": "Apache-2.0", "acknowledgement": "declared"}}]
    assert {each["name"]: each["hashes"] for each in model["components"]} == {
        each.path: [{"alg": "SHA-256", "content": each.digest}] for each in record.files
    }
    facts = facts_of(model)
    assert facts["id"] == record.id
    assert facts["package-digest"] == record.digest
    assert facts["scan"].startswith("flagged: ")
    (pickled,) = (each for each in model["components"] if each["name"].endswith(".pkl"))
    assert facts_of(pickled)["scan"].startswith("flagged: ")
    assert bom["compositions"] == [{"aggregate": "complete", "assemblies": [record.id]}]


def test_the_bill_has_a_model_card_and_the_lineage(parts):
    bom = bom_of("vision/bert")
    model, ids = bom["metadata"]["component"], {key: each.id for key, each in parts.items()}
    card = model["modelCard"]
    assert card["modelParameters"] == {
        "task": "text-classification",
        "architectureFamily": "bert",
        "modelArchitecture": "BertForSequenceClassification",
        "datasets": [{"ref": ids["dataset"]}, {"type": "dataset", "name": "me/rings"}],
    }
    assert card["quantitativeAnalysis"] == {
        "performanceMetrics": [{"type": "loss/train", "value": "0.5"}]
    }
    hyper = facts_of(card)
    assert (hyper["parameter:General/lr"], hyper["parameter:General/api_key"]) == ("0.1", "***")
    (data,) = bom["components"]
    assert (data["type"], data["name"], data["version"]) == ("data", "cats", "1.0.0")
    needs = {each["ref"]: each.get("dependsOn", []) for each in bom["dependencies"]}
    assert needs == {ids["model"]: [ids["dataset"]], ids["dataset"]: []}
    (base,) = model["pedigree"]["ancestors"]
    assert (base["bom-ref"], base["purl"]) == (ids["base"], "pkg:huggingface/google/vit-base")
    ((workflow,),) = (each["workflows"] for each in bom["formulation"])
    assert (workflow["uid"], workflow["name"]) == (ids["task"], "train")
    taken = {each["resource"]["ref"] for each in workflow["inputs"]}
    assert taken == {ids["dataset"], ids["base"]}
    assert "hunter" not in json.dumps(bom)


def test_the_same_events_give_the_same_text(parts, registry, tmp_path):
    """Also what another registry says that has the same events: nothing of a machine is in it."""
    first = bom_of("vision/bert")
    assert bom_of("vision/bert") == first
    assert run_cli("init", tmp_path / "other")[0] == 0
    assert run_cli("-R", tmp_path / "other", "merge", registry.path)[0] == 0
    assert bom_of("vision/bert", tmp_path / "other") == first
    parts["model"].set_metadata("seen", "yes")
    assert bom_of("vision/bert")["serialNumber"] != first["serialNumber"]


def test_a_model_of_a_url_that_was_never_read(registry):
    InputModel.import_model("https://me:pw@example.org/a[b].onnx?sig=1#x", name="n")
    bom = bom_of("n")
    model = bom["metadata"]["component"]
    (where,) = model["externalReferences"]
    assert where["type"] == "distribution"
    assert "pw" not in where["url"]
    assert "sig=1" not in where["url"]
    assert "components" not in model
    assert bom["compositions"][0]["aggregate"] == "unknown"


def test_a_single_file_has_its_hash(registry, tmp_path):
    (tmp_path / "w.bin").write_bytes(b"weights")
    model = registry.add(tmp_path / "w.bin", "net")
    bom = bom_of("net")
    component = bom["metadata"]["component"]
    assert component["hashes"] == [{"alg": "SHA-256", "content": model.digest}]
    assert "components" not in component
    assert "formulation" not in bom


def test_the_bill_says_who_made_and_published_it(registry, tmp_path):
    (tmp_path / "w.bin").write_bytes(b"weights")
    model = registry.add(tmp_path / "w.bin", "net")
    facts = facts_of(bom_of("net")["metadata"]["component"])
    assert (facts["state"], "published-by" in facts) == ("draft", False)
    model.publish()
    facts = facts_of(bom_of("net")["metadata"]["component"])
    published, made = model.history()
    assert (facts["state"], facts["published-by"]) == ("published", published.actor)
    assert facts["created-by"] == made.actor
    assert facts["created"] == made.at.isoformat(timespec="seconds")


def test_what_a_model_comes_from_may_be_elsewhere(parts, tmp_path):
    """The bundle of one model has the task that made it, and not what that took."""
    assert run_cli("export", "vision/bert", "-o", tmp_path / "b.tar")[0] == 0
    assert run_cli("init", tmp_path / "other")[0] == 0
    assert run_cli("-R", tmp_path / "other", "import", tmp_path / "b.tar")[0] == 0
    bom = bom_of("vision/bert", tmp_path / "other")
    absent = bom["metadata"]["component"]["pedigree"]["ancestors"]
    assert {each["name"] for each in absent} == {parts["base"].id, parts["dataset"].id}
    assert {facts_of(each)["absent"] for each in absent} == {"not in this registry"}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"license": "mit"}, [{"id": "MIT"}]),
        ({"license": "MIT OR Apache-2.0"}, "MIT OR Apache-2.0"),
        ({"license": ["mit", "MIT OR Apache-2.0"]}, [{"id": "MIT"}, {"name": "MIT OR Apache-2.0"}]),
        ({"license": "llama 2 (ours)"}, [{"name": "llama 2 (ours)"}]),
        (
            {"license": "other", "license_name": "ours", "license_link": "https://a.org/l"},
            [{"name": "ours", "url": "https://a.org/l"}],
        ),
        ({"license": "mit", "license_link": "LICENSE"}, [{"id": "MIT"}]),
    ],
)
def test_licences_are_those_that_metadata_names(registry, tmp_path, known, expected):
    (tmp_path / "w.bin").write_bytes(b"weights")
    registry.add(tmp_path / "w.bin", "net", metadata=known)
    found = bom_of("net")["metadata"]["component"]["licenses"]
    if isinstance(expected, str):
        assert found == [{"expression": expected, "acknowledgement": "declared"}]
    else:
        declared = [each["license"] for each in found]
        assert all(each.pop("acknowledgement") == "declared" for each in declared)
        assert declared == expected


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.sampled_from(["", "https://", "a@b.org:", "https://a@b:9/"]), urls() | st.text()),
    st.lists(st.text() | st.sampled_from(["mit", "MIT AND"])),
    st.text(),
)
def test_whatever_licences_and_urls_say_the_library_takes_it(url, names, name):
    found = _uri("".join(url))
    assert found or "".join(url)[:9] != "https://a"
    if found is not None:
        FORMAT_CHECKER.check(str(found), "iri-reference")
    _licenses_of({"license": names, "license_name": name, "license_link": "".join(url)})


def test_any_text_makes_a_valid_bill(registry, tmp_path):
    (tmp_path / "w.bin").write_bytes(b"weights")
    odd = "ä \u2028 <b>&\"'%zz#[]{} ://x:y@z \U0001f600"
    keys = {odd: odd, "license": odd, "license_link": f"http://{odd}", "datasets": odd}
    model = registry.add(tmp_path / "w.bin", "n " + odd.replace("/", ""), metadata=keys)
    model.comment = odd
    model.add_tags(odd)
    bom_of(model.id)


def test_the_bill_says_what_the_gates_of_aliases_ask_for(registry, tmp_path):
    (tmp_path / "w.bin").write_bytes(b"weights")
    model = registry.add(tmp_path / "w.bin", "net", "vision")
    registry.protect("vision/net@prod", ["published"])
    registry.set_alias(model, "prod", override="see http://me:pw@host/1")
    registry.set_alias(model, "best")
    facts = facts_of(bom_of("vision/net")["metadata"]["component"])
    assert facts["gate:prod"] == "published"
    assert facts["override:prod"] == "see http://***@host/1"
    assert "gate:best" not in facts


def test_the_bill_is_written_to_a_file_or_into_a_folder(registry, tmp_path):
    (tmp_path / "w.bin").write_bytes(b"weights")
    registry.add(tmp_path / "w.bin", "net")
    text = run_cli("card", "net", "--format", "ml-bom")[1]
    code, out, _ = run_cli("card", "net", "--format", "ml-bom", "-o", tmp_path)
    assert (code, out.strip()) == (0, str(tmp_path / "bom.json"))
    assert (tmp_path / "bom.json").read_text(encoding="utf-8") == text
    assert run_cli("card", "net", "--format", "ml-bom", "-o", tmp_path)[0] == 5
    assert run_cli("card", "net", "--format", "ml-bom", "--drop")[0] == 2


def test_without_the_library_the_error_names_the_extra(registry, tmp_path, monkeypatch):
    (tmp_path / "w.bin").write_bytes(b"weights")
    model = registry.add(tmp_path / "w.bin", "net")
    monkeypatch.setitem(sys.modules, "cyclonedx", None)  # as if it were not installed
    code, _, err = run_cli("card", "net", "--format", "ml-bom")
    assert code != 0
    assert "pip install 'localreg[bom]'" in err
    assert "# net:1" in run_cli("card", model.id)[1]


def test_a_data_set_is_data_with_its_links_and_parents(registry, tmp_path):
    (tmp_path / "cat.txt").write_text("cat")
    (tmp_path / "far.txt").write_text("far")
    first = Dataset.create("cats", "vision")
    first.add_files(tmp_path / "cat.txt")
    first.finalize(auto_upload=True)
    other = Dataset.create("dogs", "vision")
    other.finalize(auto_upload=True)
    second = Dataset.create("cats", "vision", parent_datasets=[first.id, other.id])
    second.add_external_files((tmp_path / "far.txt").as_uri())
    second.finalize(auto_upload=True)
    bom = bom_of(second.id)
    data = bom["metadata"]["component"]
    assert (data["type"], data["group"], data["version"]) == ("data", "vision", "1.0.1")
    assert data["data"] == [{"type": "dataset", "name": "cats"}]
    assert "modelCard" not in data
    files = {each["name"]: each for each in data["components"]}
    assert "hashes" in files["cat.txt"]
    assert facts_of(files["far.txt"])["outside"] == "true"
    assert str(tmp_path) not in json.dumps(bom)
    parents = {each["bom-ref"]: (each["name"], each["version"]) for each in bom["components"]}
    assert parents == {first.id: ("cats", "1.0.0"), other.id: ("dogs", "1.0.0")}


def test_the_bill_as_it_was(registry, tmp_path):
    """What a model was when it was released: also its number is that of then."""
    (tmp_path / "w.bin").write_bytes(b"weights")
    model = registry.add(tmp_path / "w.bin", "net", metadata={"accuracy": 0.9})
    then, event = bom_of("net"), model.history()[0].event_id
    model.set_metadata("accuracy", 0.1)
    code, out, err = run_cli("card", "net", "--format", "ml-bom", "--as-of", event)
    assert code == 0, err
    assert json.loads(out) == then
    card = run_cli("card", "net", "--as-of", event)[1]
    assert "| accuracy | 0.9 |" in card
    assert run_cli("card", "net", "--drop", "--as-of", event)[0] == 2
