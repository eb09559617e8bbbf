"""A task exported as a dict and imported again."""

from clearml import Task

task = Task.init(project_name="export", task_name="original", tags=["kept"])
task.connect({"lr": 0.1})
data = task.export_task()
del data["id"]
copy = Task.import_task({**data, "name": "copy"})
assert copy.get_parameters() == task.get_parameters()
