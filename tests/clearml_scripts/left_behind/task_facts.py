"""User properties, progress, archive and what can be asked of tasks."""

from clearml import Task, TaskTypes

task = Task.init(project_name="facts", task_name="properties", task_type=TaskTypes.data_processing)
task.set_user_properties(accuracy=0.5, owner={"type": "str", "description": "who", "value": "me"})
task.set_progress(40)
task.set_comment("a comment")
task.add_tags(["late"])
other = Task.create(project_name="facts", task_name="other")
other.set_archived(True)
assert other.get_archived()
found = Task.get_tasks(project_name="facts", task_filter={"status": ["in_progress"]})
assert [each.id for each in found] == [task.id]
assert Task.get_task(project_name="facts", task_name="missing") is None
assert Task.get_projects() is not None
