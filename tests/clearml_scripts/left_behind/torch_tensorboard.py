"""Scalars by torch's own TensorBoard writer, in groups and with parameters."""

from clearml import Task
from torch.utils.tensorboard import SummaryWriter

task = Task.init(project_name="boards", task_name="torch tensorboard")
with SummaryWriter("logs") as writer:
    for step in range(2):
        writer.add_scalars("losses", {"train": step, "valid": step + 1}, step)
    writer.add_hparams({"lr": 0.1}, {"final": 0.5})
