"""Parse arguments, connect parameters, and keep what came out as artifacts."""

import argparse

import numpy as np
from clearml import Task

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--quiet", action="store_true")
arguments = parser.parse_args()

task = Task.init("examples", "artifacts", auto_connect_frameworks={"pytorch": False})
augment = task.connect({"flip": True, "crop": {"width": 10}}, name="augment")
augment["flip"] = False
task.set_parameter("General/seed", 5)

values = np.linspace(0, arguments.rate, arguments.epochs)
task.upload_artifact(name="values", artifact_object=values, metadata={"unit": "none"})
task.upload_artifact("summary", {"epochs": arguments.epochs, "sum": float(values.sum())})
task.upload_artifact("note", artifact_object="note.txt")

again = Task.get_task(task_id=task.id)
assert again.artifacts["values"].get().shape == (arguments.epochs,)
assert again.artifacts["summary"].get()["epochs"] == arguments.epochs
