"""A function run by typer."""

import typer
from clearml import Task


def main(epochs: int, lr: float = 0.1, amp: bool = False):
    Task.init(project_name="parsers", task_name="typer")
    print(epochs, lr, amp)


typer.run(main)
