"""A function run by python-fire."""

import fire
from clearml import Task


def train(epochs, lr=0.1, name="net"):
    Task.init(project_name="parsers", task_name="fire")
    print(epochs, lr, name)


fire.Fire(train)
