"""A task that is continued, with its iterations."""

from clearml import Task

task = Task.init(project_name="resume", task_name="train")
for step in range(2):
    task.get_logger().report_scalar("loss", "train", 1.0, step)
task.close()
again = Task.init(project_name="resume", task_name="train", continue_last_task=True)
assert again.id == task.id
first = again.get_last_iteration() + 1
for step in range(2):
    again.get_logger().report_scalar("loss", "train", 0.5, first + step)
