"""The same file saved after each epoch, and another one."""

import numpy as np
from clearml import Task
from safetensors.numpy import load_file, save_file

task = Task.init(
    project_name="models", task_name="safetensors",
    auto_connect_frameworks={"pytorch": True, "matplotlib": False},
)  # fmt: skip
for epoch in range(3):
    save_file({"w": np.full((4,), float(epoch), dtype=np.float32)}, "last.safetensors")
save_file({"w": np.ones((4,), dtype=np.float32)}, "best.safetensors")
load_file("best.safetensors")
