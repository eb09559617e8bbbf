"""What differs between two models."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from localreg import InputModel, OutputModel, Registry, Task
from localreg.operations.finding.references import resolve_model
from localreg.operations.models.diff import PARTS, model_diff


def write_tensors(path, **arrays):
    """Write a safetensors file."""
    header, data = {}, b""
    for name, array in arrays.items():
        span = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": span}
        data += array.tobytes()
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "net"
    made.mkdir()
    ones = np.ones((2, 3), "float32")
    write_tensors(made / "model.safetensors", same=ones, other=ones, turned=ones, gone=ones)
    (made / "config.json").write_bytes(b"{}")
    (made / "old.txt").write_bytes(b"old")
    return made


def change(folder):
    ones = np.ones((2, 3), "float32")
    write_tensors(
        folder / "model.safetensors", same=ones, other=2 * ones, turned=ones.T.copy(), new=ones
    )
    (folder / "old.txt").unlink()
    (folder / "new.txt").write_bytes(b"new")


def compared(registry, first, second, parts=PARTS):
    chain = registry._chain
    return model_diff(chain, resolve_model(chain, first), resolve_model(chain, second), parts)


def test_a_model_is_the_same_as_itself(localreg_registry, folder):
    localreg_registry.add(folder)
    assert compared(localreg_registry, "net:1", "net:1").same


def test_the_fields_of_the_record_are_compared_one_by_one(localreg_registry, folder):
    described = {"tags": ["a"], "comment": "one", "metadata": {"acc": 0.1, "gone": ""}}
    localreg_registry.add(
        folder, config_dict={"net": {"layers": 3}, "lr": 1}, label_enumeration={"cat": 0},
        framework="ONNX", **described,
    )  # fmt: skip
    localreg_registry.add(
        folder, config_dict={"net": {"layers": 4}, "lr": 1}, label_enumeration={"dog": 0},
        tags=["a", "b"], comment="one", metadata={"acc": 0.2}, framework="Keras",
    )  # fmt: skip
    found = compared(localreg_registry, "net:1", "net:2")
    assert found.record.changed == {
        "framework": ("ONNX", "Keras"),
        "tags": ("a", "a, b"),
        "metadata.acc": ("0.1", "0.2"),
        "configuration.net.layers": ("3", "4"),
    }
    assert found.record.removed == {"metadata.gone": "", "label.cat": "0"}
    assert found.record.added == {"label.dog": "0"}
    assert not found.files
    assert not found.same


def test_a_configuration_that_is_no_dict_is_compared_as_text(localreg_registry, folder):
    localreg_registry.add(folder, config_text="a b c")
    localreg_registry.add(folder, config_text="[1, 2]")
    assert compared(localreg_registry, "net:1", "net:2").record.changed == {
        "configuration": ("a b c", "[1, 2]")
    }


def test_secrets_are_not_shown(localreg_registry, folder):
    localreg_registry.add(folder, metadata={"api_key": "hunter2"}, config_text='{"password": "x1"}')
    localreg_registry.add(folder, comment="from https://me:hunter2@example.org/a")
    shown = repr(compared(localreg_registry, "net:1", "net:2").record)
    assert "hunter2" not in shown
    assert "x1" not in shown


def test_the_parameters_of_the_tasks_that_made_them_are_compared(localreg_registry, folder):
    for number, lr in enumerate((0.1, 0.2)):
        task = Task.init("p", f"t{number}")
        task.connect({"lr": lr, "epochs": 3})
        OutputModel(task, name="made").update_weights_package(weights_path=folder)
        task.close()
    found = compared(localreg_registry, "p/made:1", "p/made:2")
    assert found.parameters.changed == {"General/lr": ("0.1", "0.2")}
    assert not found.parameters.added
    assert not found.parameters.removed


def test_parameters_are_unknown_without_a_task(localreg_registry, folder):
    localreg_registry.add(folder)
    assert compared(localreg_registry, "net:1", "net:1").parameters is None


def test_files_and_tensors_are_compared(localreg_registry, folder):
    localreg_registry.add(folder)
    change(folder)
    localreg_registry.add(folder)
    found = compared(localreg_registry, "net:1", "net:2")
    assert [each.path for each in found.files.added] == ["new.txt"]
    assert [each.path for each in found.files.removed] == ["old.txt"]
    assert [new.path for _, new in found.files.changed] == ["model.safetensors"]
    assert found.files.same == 1
    (file,) = found.tensors
    assert file.path == "model.safetensors"
    assert file.changes.changed == ("other",)
    assert (list(file.changes.added), list(file.changes.removed)) == (["new"], ["gone"])
    assert [each.shape for each in file.changes.reshaped["turned"]] == [(2, 3), (3, 2)]
    assert file.changes.same == 1


def test_single_files_of_two_names_are_compared_by_their_tensors(localreg_registry, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones(3), y=np.ones(3))
    np.savez(tmp_path / "b.npz", x=np.ones(3), y=np.zeros(3))
    localreg_registry.add(tmp_path / "a.npz", "net")
    localreg_registry.add(tmp_path / "b.npz", "net")
    (file,) = compared(localreg_registry, "net:1", "net:2").tensors
    assert (file.path, file.changes.changed, file.changes.same) == ("b.npz", ("y",), 1)


def test_only_what_is_asked_for_is_compared(localreg_registry, folder):
    localreg_registry.add(folder, comment="one")
    change(folder)
    localreg_registry.add(folder, comment="two")
    found = compared(localreg_registry, "net:1", "net:2", ["files"])
    assert found.files
    assert (found.record, found.parameters, found.tensors) == (None, None, None)
    found = compared(localreg_registry, "net:1", "net:2", ["tensors"])
    assert found.tensors
    assert (found.record, found.parameters, found.files) == (None, None, None)


def test_weights_that_were_never_read_are_unknown_and_not_fetched(localreg_registry, folder):
    localreg_registry.add(folder)
    InputModel.import_model("https://example.org/a.pt", name="far")
    found = compared(localreg_registry, "net:1", "far:1")
    assert (found.files, found.tensors, found.unknown) == (None, None, ("far:1",))
    assert not found.same


def test_a_damaged_file_is_not_compared_and_says_why(localreg_registry, folder):
    first = localreg_registry.add(folder)
    change(folder)
    localreg_registry.add(folder)
    (file,) = (each for each in first.files if each.path == "model.safetensors")
    blob = localreg_registry.path / "blobs" / "sha256" / file.digest[:2] / file.digest[2:]
    blob.chmod(0o644)
    blob.write_bytes(b"x" * file.size)
    (found,) = compared(localreg_registry, "net:1", "net:2").tensors
    assert (found.changes, found.why) == (
        None,
        "it is damaged, or in another format than it seems",
    )
    blob.unlink()
    (found,) = compared(localreg_registry, "net:1", "net:2").tensors
    assert (found.changes, found.why) == (None, "its bytes are not here")


def test_a_model_is_compared_with_one_of_an_upstream_registry(tmp_path, folder):
    with Registry(tmp_path / "theirs", durability="fast") as theirs:
        theirs.add(folder, "base")
    change(folder)
    with Registry(tmp_path / "ours", durability="fast", upstream=[tmp_path / "theirs"]) as ours:
        ours.add(io.BytesIO(b"own"), "own")
        ours.add(folder, "tuned")
        (file,) = compared(ours, "base", "tuned").tensors
        assert file.changes.changed == ("other",)
