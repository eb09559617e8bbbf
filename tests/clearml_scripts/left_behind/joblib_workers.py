"""Workers of joblib's loky report to the task of the script."""

import joblib
from clearml import Task


def work(number):
    from clearml import Task

    task = Task.current_task()
    task.get_logger().report_scalar("work", "done", number, number)
    return task.id


task = Task.init(project_name="children", task_name="loky")
found = joblib.Parallel(n_jobs=2)(joblib.delayed(work)(number) for number in range(4))
assert set(found) == {task.id}
