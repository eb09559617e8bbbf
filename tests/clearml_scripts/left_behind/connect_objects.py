"""An object, a class and a dataclass as settings."""

from dataclasses import dataclass

from clearml import Task


@dataclass
class Optimizer:
    lr: float = 0.1
    name: str = "adam"


class Data:
    batch = 32
    shuffle = True
    _hidden = 1


class Model:
    def __init__(self):
        self.width = 128
        self.activation = None


task = Task.init(project_name="settings", task_name="objects")
optimizer = Optimizer()
task.connect(optimizer, name="optimizer")
task.connect(Data, name="data")
task.connect(Model(), name="model")
