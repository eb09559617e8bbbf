"""Lightning and Ignite: checkpoints, and those that they delete again."""

from __future__ import annotations

import pytest
from support import frameworks
from support.saved_models import input_ids, outputs, summary

from localreg import Task

torch = frameworks.wanted("torch")
lightning = frameworks.wanted("lightning.pytorch")
ignite = frameworks.wanted("ignite.handlers.checkpoint")
pytestmark = pytest.mark.filterwarnings("ignore")

PLACES = [
    (lightning.Trainer, "save_checkpoint"), (lightning.LightningModule, "load_from_checkpoint"),
    (lightning.callbacks.ModelCheckpoint, "_remove_checkpoint"),
    (lightning.strategies.Strategy, "load_checkpoint"),
    (ignite.DiskSaver, "__call__"), (ignite.DiskSaver, "remove"),
]  # fmt: skip
ORIGINALS = [vars(owner)[name] for owner, name in PLACES]


class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch, number):
        return self.layer(batch).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def trainer(folder, epochs, **options):
    return lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder, **options,
    )  # fmt: skip


def batches():
    return torch.utils.data.DataLoader(torch.zeros(4, 2), batch_size=2)


def test_the_checkpoints_of_a_trainer(localreg_registry, tmp_path):
    task = Task.init(task_name="train")
    callback = lightning.callbacks.ModelCheckpoint(
        tmp_path, "{epoch}", save_last=True, save_top_k=1
    )
    training = trainer(tmp_path, 3, callbacks=[callback])
    training.fit(Net(), batches())
    training.save_checkpoint(tmp_path / "final.ckpt")
    task.close()
    assert {name: each[:2] for name, each in summary(task).items()} == {
        "epoch=2": ("PyTorch", "epoch=2.ckpt"),
        "last": ("PyTorch", "last.ckpt"),
        "final": ("PyTorch", "final.ckpt"),
    }
    found = outputs(task)
    torch.load(found["final"].get_local_copy(), weights_only=False)

    later = Task.init(task_name="continue")
    trainer(tmp_path, 4, enable_checkpointing=False).fit(
        Net(), batches(), ckpt_path=tmp_path / "final.ckpt"
    )
    Net.load_from_checkpoint(tmp_path / "epoch=2.ckpt")
    later.close()
    assert len(input_ids(later)) == 2
    assert set(input_ids(later)) <= {each.id for each in found.values()}


def test_the_checkpoints_of_a_saver(localreg_registry, tmp_path):
    task = Task.init(task_name="train")
    net = torch.nn.Linear(2, 1)
    saver = ignite.DiskSaver(str(tmp_path), require_empty=False)
    engine = ignite.Engine(lambda *_: None)
    handler = ignite.Checkpoint({"model": net}, saver, n_saved=2)
    engine.add_event_handler(ignite.Events.EPOCH_COMPLETED, handler)
    engine.run([0, 1], max_epochs=4)
    task.close()
    assert summary(task) == {
        "model_6": ("PyTorch", "model_6.pt", 1),
        "model_8": ("PyTorch", "model_8.pt", 1),
    }


def test_all_is_restored(localreg_registry):
    task = Task.init(task_name="train")
    assert vars(lightning.Trainer)["save_checkpoint"] is not ORIGINALS[0]
    task.close()
    assert [vars(owner)[name] for owner, name in PLACES] == ORIGINALS
