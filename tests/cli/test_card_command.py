"""The command card: a README.md about a model, with the head that Hugging Face reads."""

from __future__ import annotations

import json

import pytest
from ruamel.yaml import YAML
from support.command_line import run_cli

from localreg import InputModel, OutputModel, Task
from localreg.operations.reports.cards import hub_name

CONFIG = '{"architectures": ["BertForSequenceClassification"], "model_type": "bert"}'
README = """---
license: apache-2.0
"language": [en]
---

# BERT

Text.
"""


@pytest.fixture
def model(registry, tmp_path):
    """A model with all that a card shows: made by a task from a model of the Hub."""
    task = Task.init("p", "train")
    task.connect({"lr": 0.1, "api_key": "hunter2"})
    base = "https://huggingface.co/google/vit-base/resolve/main/model.safetensors"
    task.connect(InputModel.import_model(base, name="vit"))
    task.get_logger().report_scalar("loss", "train", 0.5, 1)
    task.get_logger().report_single_value("accuracy", 0.75)
    made = OutputModel(task, name="net|1", tags=["small", "no"], framework="ScikitLearn")
    (tmp_path / "net.joblib").write_bytes(b"weights")
    made.update_weights(tmp_path / "net.joblib", async_enable=False)
    made.comment = "A *net*."
    task.close()
    return made


@pytest.fixture
def package(registry, tmp_path):
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "config.json").write_text(CONFIG)
    (folder / "README.md").write_text(README)
    return registry.add(folder, "bert")


def run(*arguments, stdin=None):
    """Return what a command prints on stdout."""
    code, out, err = run_cli("card", *arguments, stdin=stdin)
    assert code == 0, err
    return out


def parts(card):
    """Return the head of a card as values, and its body."""
    start, head, body = card.split("---\n", 2)
    assert start == ""
    return YAML(typ="safe").load(head), body


def test_the_head_has_what_is_known(model):
    head, _ = parts(run(model.ref))
    assert head == {
        "library_name": "sklearn", "tags": ["no", "small"], "base_model": "google/vit-base",
    }  # fmt: skip


def test_metadata_with_the_keys_of_the_head_goes_there(model):
    model.set_metadata("license", "mit")
    model.set_metadata("library_name", "skops")
    model.set_metadata("datasets", ["me/rings"])
    model.set_metadata("pipeline_tag", "tabular-classification")
    head, body = parts(run(model.ref))
    assert (head["license"], head["library_name"]) == ("mit", "skops")
    assert "license" not in body
    (index,) = head["model-index"]
    (result,) = index["results"]
    assert result["task"] == {"type": "tabular-classification"}
    assert result["dataset"] == {"type": "me/rings", "name": "me/rings"}
    assert result["metrics"] == [{"type": "accuracy", "name": "accuracy", "value": 0.75}]


def test_the_body_has_comment_metrics_parameters_files_and_lineage(model, registry):
    _, body = parts(run(model.ref))
    lines = body.splitlines()
    assert "# p/net\\|1:1" in lines
    assert "A *net*." in lines
    assert "| loss/train | 0.5 | 0.5 | 0.5 |" in lines
    assert "| accuracy | 0.75 |  |  |" in lines
    assert "| General/lr | 0.1 |" in lines
    assert f"| sha256 | {model.digest} |" in lines
    assert any("which took p/vit:1" in line for line in lines)
    assert "hunter2" not in body
    assert str(registry.path) not in body


def test_the_readme_of_a_package_is_its_card_and_its_head_counts(package):
    package.set_metadata("license", "mit")
    head, body = parts(run("bert"))
    assert head["license"] == "apache-2.0"
    assert head["language"] == ["en"]
    assert head["library_name"] == "transformers"
    assert head["pipeline_tag"] == "text-classification"
    assert body.lstrip().startswith("# BERT\n")
    assert "| config.json | 74 B |" in body
    page = package.report().read_text(encoding="utf-8")
    assert "from README.md in its files" in page
    assert '<h3 id="in-card-bert">BERT</h3>' in page


def test_a_card_that_is_set_comes_before_the_readme(package, registry, tmp_path):
    (tmp_path / "card.md").write_text("Mine, with a head that is none\n---\n")
    code, _, err = run_cli("card", "bert", "--set", tmp_path / "card.md")
    assert (code, err) == (0, "Set the card of bert:1.\n")
    assert run_cli("card", "bert", "--set", tmp_path / "card.md")[2].startswith("Nothing changed")
    assert package.get_metadata("card").startswith("Mine")
    _, body = parts(run("bert"))
    assert "Mine, with a head" in body
    assert "| card |" not in body
    page = package.report().read_text(encoding="utf-8")
    assert "from its metadata" in page
    run("bert", "--set", "-", stdin="Ünï".encode())
    assert package.get_metadata("card") == "Ünï"
    run("bert", "--drop")
    assert "Text." in run("bert")
    assert run_cli("card", "bert", "--drop")[2].startswith("Nothing changed")


@pytest.mark.parametrize("head", ["- a\n", "text\n", "{a: b\n", "a b\n"])
def test_a_head_that_has_no_fields_is_left_out(package, head):
    package.set_metadata("card", f"---\n{head}---\nText\n")
    found, body = parts(run("bert"))
    assert found["library_name"] == "transformers"
    assert body.lstrip().startswith("# bert:1")


def test_it_is_written_to_a_file_that_is_not_there_yet(package, tmp_path):
    (tmp_path / "out").mkdir()
    place = tmp_path / "out" / "README.md"
    assert run("bert", "-o", tmp_path / "out") == f"{place}\n"
    assert place.read_text(encoding="utf-8") == run("bert", "-o", "-") == run("bert")
    place.write_text("mine")
    code, _, err = run_cli("card", "bert", "-o", place)
    assert (code, "exists already; -f replaces it" in err) == (5, True)
    assert place.read_text() == "mine"
    run("bert", "-f", "-o", place)
    assert place.read_text().startswith("---")
    for wrong in (["--set", place, "--drop"], ["--drop", "-o", place], ["-o", "-", "--json"]):
        assert run_cli("card", "bert", *wrong)[0] == 2
    assert json.loads(run("bert", "--json"))["text"] == run("bert")


def test_a_damaged_or_unknown_readme_stops_nothing(package, registry):
    (file,) = (each for each in package.files if each.path == "README.md")
    blob = registry.path / "blobs" / "sha256" / file.digest[:2] / file.digest[2:]
    blob.unlink()
    assert "Text." not in run("bert")
    assert package.report().exists()


@pytest.mark.parametrize(
    "text", ["a|b", "`x`", "*b*", "<i>", "[a](b)", "a\nb", "\\", "# a", "&lt;"]
)
def test_texts_are_shown_by_markdown_as_they_are(registry, text):
    from html import unescape

    from localreg.operations.reports.cards import in_markdown
    from localreg.pages.markdown import prose

    shown = prose(f"a | b\n--|--\nx | {in_markdown(text)}\n")
    assert f"<td>{' '.join(text.split())}</td>" in unescape(shown)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://huggingface.co/a/b/resolve/main/c.bin", "a/b"),
        ("https://hf.co/a/b", "a/b"),
        ("hf://a/b@main/c", "a/b"),
        ("https://huggingface.co/datasets/a/b", None),
        ("https://huggingface.co/a", None),
        ("https://huggingface.co.evil.org/a/b", None),
        ("https://huggingface.co/a%0Ab/c", None),
        ("s3://a/b", None),
        ("file:///a/b", None),
    ],
)
def test_only_names_on_the_hub_are_base_models(url, name):
    assert hub_name(url) == name
