"""Flags of absl."""

from absl import app, flags
from clearml import Task

flags.DEFINE_float("lr", 0.1, "learning rate")
flags.DEFINE_enum("mode", "fast", ["fast", "slow"], "how")


def main(_):
    Task.init(project_name="parsers", task_name="absl")
    print(flags.FLAGS.lr, flags.FLAGS.mode)


app.run(main)
