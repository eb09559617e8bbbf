"""A module of lightning with a checkpoint and a TensorBoard logger, in a task."""

import lightning
import torch
from clearml import Task
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

task = Task.init(project_name="lightning", task_name="module")


class Module(lightning.LightningModule):
    def __init__(self, width=2):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(width, 1)

    def training_step(self, batch, index):
        loss = self.layer(batch).pow(2).mean()
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


data = torch.utils.data.DataLoader(torch.ones(8, 2), batch_size=2)
trainer = lightning.Trainer(
    max_epochs=2, accelerator="cpu", log_every_n_steps=1, enable_progress_bar=False,
    logger=TensorBoardLogger("logs"), default_root_dir="root",
    callbacks=[ModelCheckpoint(dirpath="checkpoints", filename="best", save_top_k=1)],
)  # fmt: skip
trainer.fit(Module(), data)
