"""What torchrun starts four times is one task."""

import os

from clearml import Task

task = Task.init(project_name="children", task_name="ranks")
rank = int(os.environ["RANK"])
task.get_logger().report_scalar("rank", f"of {rank}", rank, 1)
print(f"rank {rank} has {task.id}")
