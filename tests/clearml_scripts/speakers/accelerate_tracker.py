"""A loop with accelerate, whose tracker is clearml."""

import numpy as np
from accelerate import Accelerator

accelerator = Accelerator(log_with="clearml", cpu=True)
accelerator.init_trackers(
    "accelerated", config={"lr": 0.1, "layers": 2}, init_kwargs={"clearml": {"task_name": "loop"}}
)
for step in range(3):
    accelerator.log({"train/loss": 1 / (step + 1), "eval_accuracy": step / 3}, step=step)
accelerator.log({"final": 0.5})
tracker = accelerator.get_tracker("clearml")
tracker.log_images({"picture": np.zeros((4, 4, 3), dtype="uint8")}, step=1)
tracker.log_table("table/rows", columns=["a", "b"], data=[[1, 2], [3, 4]], step=2)
accelerator.end_training()
