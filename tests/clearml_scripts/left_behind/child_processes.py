"""Processes that a script starts report to its task."""

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from clearml import Logger, Task

CODE = """
from clearml import Task
task = Task.init(project_name="children", task_name="all")
task.get_logger().report_single_value("subprocess", 1)
print("printed by a child")
"""


def work(number):
    Logger.current_logger().report_scalar("work", "done", number, number)
    return Task.current_task().id


if __name__ == "__main__":
    task = Task.init(project_name="children", task_name="all")
    subprocess.run([sys.executable, "-c", CODE], check=True)
    for method in ("fork", "spawn"):
        with ProcessPoolExecutor(2, mp_context=get_context(method)) as pool:
            assert set(pool.map(work, range(4))) == {task.id}
