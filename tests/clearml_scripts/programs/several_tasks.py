"""Several tasks in one process, one after the other, and one that is only written down."""

from clearml import Logger, Task

for number in range(3):
    task = Task.init(project_name="sweep", task_name=f"run {number}", reuse_last_task_id=False)
    task.add_tags([f"number-{number}"])
    task.connect({"number": number}, name="sweep")
    Logger.current_logger().report_scalar("score", "test", value=number * 2, iteration=0)
    if number == 1:
        task.mark_failed(status_reason="it diverged")
    task.close()
    assert Task.current_task() is None

planned = Task.create(project_name="sweep", task_name="planned", script="later.py")
copy = Task.clone(source_task=planned, name="copy")
copy.set_parameters({"sweep/number": 7})

finished = Task.get_tasks(project_name="sweep", task_filter={"status": ["completed"]})
with open("finished.txt", "w") as file:
    file.write("\n".join(sorted(each.name for each in finished)))
