"""Configurations as a file, a dict and a text."""

from pathlib import Path

from clearml import Task

Path("train.json").write_text('{"epochs": 3}')
task = Task.init(project_name="settings", task_name="files", tags=["one", "two"])
path = task.connect_configuration("train.json", name="train", description="how it is trained")
task.connect_configuration(Path("train.json"))
task.set_configuration_object("note", config_text="free = text\n")
task.set_configuration_object("shape", config_dict={"height": 2})
task.connect_label_enumeration({"cat": 1, "dog": 2})
print(Path(path).read_text())
