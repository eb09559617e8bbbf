"""Flags that absl parses are recorded, and overridden when a task is run again."""

from __future__ import annotations

SCRIPT = """
import datetime, enum
from absl import app, flags
from clearml import Task

class Mode(enum.Enum):
    FAST = 1
    SLOW = 2

flags.DEFINE_float("lr", 0.1, "The rate.", lower_bound=0, short_name="l")
flags.DEFINE_integer("epochs", 3, "How many.")
flags.DEFINE_bool("debug", False, "Say more.")
flags.DEFINE_list("layers", ["a"], "Names.")
flags.DEFINE_multi_integer("steps", [1, 2], "Steps.")
flags.DEFINE_enum_class("mode", Mode.FAST, Mode, "How.")
flags.DEFINE_string("name", None, "A name.")
flags.DEFINE_string("api_token", "none", "A secret.")
flags.register_validator("epochs", lambda value: value < 10, message="at most 9")
FLAGS = flags.FLAGS

def main(argv):
    TASK
    show(lr=FLAGS.lr, epochs=FLAGS.epochs, debug=FLAGS.debug, layers=FLAGS.layers,
         steps=FLAGS.steps, mode=FLAGS.mode.name, name=FLAGS.name, rest=argv[1:])

if __name__ == "__main__":
    app.run(main)
"""
TASK = "Task.init('vision', 'absl')"


def test_flags_are_recorded_and_the_script_gets_those_of_the_task(program):
    train = program(SCRIPT.replace("TASK", TASK))
    first = train.run("--lr=0.2", "--layers=x,y", "--steps", "5", "--mode=slow", "-v=1", "rest")
    assert train.code == 0, train.errors
    assert train.parameters(section="TF_DEFINE") == {
        "lr": 0.2, "epochs": 3, "debug": False, "layers": ["x", "y"], "steps": [5],
        "mode": first["mode"].lower(), "name": None, "api_token": "none", "verbosity": 1,
    }  # fmt: skip

    again, copy = train.again()
    assert (again, copy.status) == (first, "completed"), train.errors

    new = {"lr": "0.5", "debug": "True", "layers": '["z"]', "steps": "[7, 8]", "mode": "fast",
           "name": "new", "epochs": "9"}  # fmt: skip
    again, copy = train.again({f"TF_DEFINE/{name}": value for name, value in new.items()})
    assert (train.code, copy.status) == (0, "completed"), train.errors
    assert again == {
        "lr": 0.5, "epochs": 9, "debug": True, "layers": ["z"], "steps": [7, 8], "mode": "FAST",
        "name": "new", "rest": ["rest"],
    }  # fmt: skip

    # What is added to the command line of this run wins.
    first = train.task()
    words = ["--", "--lr=0.2", "-l", "0.7"]
    train.run()
    again, copy = train.again({"TF_DEFINE/lr": "0.5", "TF_DEFINE/epochs": "4"}, *words[2:])
    assert (again["lr"], again["epochs"]) == (0.7, 4), train.errors

    train.run()
    plain = train.task()
    for name, value in (("lr", "-1"), ("steps", '[1, "x"]'), ("mode", "quick"), ("epochs", "12")):
        _, copy = train.again({f"TF_DEFINE/{name}": value}, of=plain)
        assert (train.code, copy.status) == (1, "failed")
        assert f"parameter TF_DEFINE/{name} of the task is" in train.errors
        assert "which the script's parser refuses" in train.errors
    _, copy = train.again({"TF_DEFINE/learning_rate": "1"}, of=plain)
    assert (train.code, copy.status) == (1, "failed")


def test_without_the_shim_and_without_the_integration(program):
    text = SCRIPT.replace("TASK", TASK).replace("from clearml", "from localreg")
    train = program(text)
    train.run("--lr=0.2", runner=())
    assert train.code == 0, train.errors
    assert train.parameters(section="TF_DEFINE")["lr"] == 0.2
    again, _ = train.again({"TF_DEFINE/lr": "0.5"})
    assert again["lr"] == 0.5, train.errors
    for words in (["--helpshort"], ["--lr=x"], ["--nothing"]):
        ran = [train.run(*words), train.code, train.errors]
        assert "localreg" not in train.errors
        assert ran == [train.run(*words, runner=()), train.code, train.errors]

    off = program(SCRIPT.replace("TASK", TASK[:-1] + ", auto_connect_frameworks=False)"))
    off.run("--lr=0.2")
    assert off.task().get_parameters() == {}
