"""Values of every kind as artifacts, and one that is registered while it changes."""

import enum

import numpy as np
import pandas as pd
from clearml import Task
from PIL import Image


class Color(enum.Enum):
    RED = 1


task = Task.init(project_name="artifacts", task_name="values")
task.upload_artifact("dict", {"a": 1, "b": [1, 2]})
task.upload_artifact("list", [1, "two"])
task.upload_artifact("array", np.arange(6).reshape(2, 3))
task.upload_artifact("frame", pd.DataFrame({"x": [1, 2], "y": ["a", "b"]}))
task.upload_artifact("picture", Image.new("RGB", (4, 4)))
task.upload_artifact("text", "some text")
task.upload_artifact("number", 3, metadata={"unit": "m"})
samples = pd.DataFrame({"loss": [1.0]})
task.register_artifact("samples", samples)
samples.loc[1] = [0.5]
task.set_parameters({"General/color": Color.RED, "General/nothing": None})
