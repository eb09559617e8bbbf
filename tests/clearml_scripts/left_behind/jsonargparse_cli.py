"""A function run by the command line of jsonargparse."""

from clearml import Task
from jsonargparse import CLI


def train(epochs: int = 1, lr: float = 0.1):
    print(epochs, lr)


if __name__ == "__main__":
    Task.init(project_name="parsers", task_name="jsonargparse")
    CLI(train)
