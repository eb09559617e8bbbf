"""Transformers and Accelerate: folders that are one model each."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import frameworks
from support.saved_models import input_ids, outputs, summary

from localreg import Task

torch = frameworks.wanted("torch")
transformers = frameworks.wanted("transformers")
accelerate = frameworks.wanted("accelerate")
trainer_module = frameworks.wanted("transformers.trainer")
pytestmark = pytest.mark.filterwarnings("ignore")

Model = transformers.PreTrainedModel
PLACES = [
    (Model, "save_pretrained"), (Model, "from_pretrained"),
    (transformers.ProcessorMixin, "save_pretrained"),
    (transformers.Trainer, "_save_checkpoint"), (transformers.Trainer, "save_model"),
    (transformers.Trainer, "train"),
    (accelerate.Accelerator, "save_state"), (accelerate.Accelerator, "load_state"),
]  # fmt: skip
ORIGINALS = [vars(owner)[name] for owner, name in PLACES]


@pytest.fixture
def net():
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
        vocab_size=16, max_position_embeddings=8,
    )  # fmt: skip
    return transformers.BertForSequenceClassification(config)


@pytest.fixture
def tokenizer(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "one", "two"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    return transformers.BertTokenizer(str(tmp_path / "vocab.txt"))


def folder_of(model):
    return Path(model.get_weights_package(return_path=True))


class Sentences(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, number):
        return {"input_ids": torch.tensor([5, 6]), "labels": torch.tensor(number % 2)}


def test_a_folder_is_one_model_with_its_tokenizer(localreg_registry, tmp_path, net, tokenizer):
    folder = tmp_path / "net"
    task = Task.init(task_name="train")
    net.save_pretrained(folder)
    (folder / "checkpoint-1").mkdir()
    (folder / "checkpoint-1" / "optimizer.pt").write_bytes(b"no part of it")
    tokenizer.save_pretrained(folder)
    tokenizer.save_pretrained(tmp_path / "alone")
    task.close()
    assert summary(task) == {"net": ("PyTorch", "net", 2)}
    (model,) = outputs(task).values()
    kept = {each.name for each in folder_of(model).iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer_config.json"} <= kept
    assert "checkpoint-1" not in kept

    for place in (folder, shutil.copytree(folder, tmp_path / "copy"), folder_of(model)):
        later = Task.init(task_name="evaluate", reuse_last_task_id=False)
        transformers.AutoModelForSequenceClassification.from_pretrained(place)
        later.close()
        assert input_ids(later) == [model.id], place
        assert summary(later) == {}


def test_a_trainer_keeps_as_many_checkpoints_here_as_on_the_disk(
    localreg_registry, tmp_path, net, tokenizer
):
    task = Task.init(task_name="train")
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"), max_steps=6, save_steps=1, save_total_limit=2,
        per_device_train_batch_size=2, report_to="none", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    trainer = transformers.Trainer(
        net, arguments, train_dataset=Sentences(), processing_class=tokenizer
    )
    trainer.train()
    trainer.save_model()
    task.close()
    assert summary(task) == {
        "checkpoint-5": ("PyTorch", "checkpoint-5", 1),
        "checkpoint-6": ("PyTorch", "checkpoint-6", 1),
        "out": ("PyTorch", "out", 1),
    }
    kept = {each.name for each in folder_of(outputs(task)["checkpoint-6"]).iterdir()}
    assert {"model.safetensors", "optimizer.pt", "trainer_state.json"} <= kept
    kept = {each.name for each in folder_of(outputs(task)["out"]).iterdir()}
    assert {"model.safetensors", "tokenizer_config.json"} <= kept
    assert not any(each.startswith("checkpoint") for each in kept)


def test_the_state_of_an_accelerator_is_one_model(localreg_registry, tmp_path):
    accelerator = accelerate.Accelerator(cpu=True)
    net = torch.nn.Linear(2, 1)
    prepared = accelerator.prepare(net, torch.optim.SGD(net.parameters(), 0.1))
    task = Task.init(task_name="train")
    accelerator.save_state(tmp_path / "state")
    accelerator.save_state(output_dir=str(tmp_path / "state"))
    accelerator.save_model(prepared[0], tmp_path / "model")
    task.close()
    assert summary(task) == {
        "state": ("PyTorch", "state", 2),
        "model": ("PyTorch", "model", 1),
    }
    later = Task.init(task_name="evaluate")
    accelerator.load_state(tmp_path / "state")
    later.close()
    assert input_ids(later) == [outputs(task)["state"].id]


@pytest.mark.parametrize("library", ["transformers", "pytorch"])
def test_both_names_turn_it_off(localreg_registry, tmp_path, net, library):
    task = Task.init(task_name="train", auto_connect_frameworks={library: False})
    net.save_pretrained(tmp_path / "net")
    task.close()
    assert summary(task) == {}


def test_all_is_restored(localreg_registry):
    task = Task.init(task_name="train")
    assert vars(Model)["save_pretrained"] is not ORIGINALS[0]
    task.close()
    assert [vars(owner)[name] for owner, name in PLACES] == ORIGINALS
