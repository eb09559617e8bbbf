"""Connect configurations: a dict, and a file."""

from clearml import Task

task = Task.init(project_name="examples", task_name="configuration")

network = {"layers": [64, 32], "dropout": {"rate": 0.1, "where": "head"}}
network = task.connect_configuration(network, name="network")
network["layers"] = [128, 64]

path = task.connect_configuration("train.yaml", name="training")
with open(path) as file:
    lines = file.read().splitlines()

task.set_model_config(config_dict={"kind": "mlp", "layers": network["layers"]})
task.set_configuration_object("note", config_text="free text\n")
task.get_logger().report_text(f"{len(lines)} lines of configuration")


class Settings:
    batch_size = 16
    shuffle = True


task.connect(Settings, name="data")
Settings.batch_size *= 1
