"""Upload a folder as the weights of a model, and get it back as files."""

from pathlib import Path

from clearml import InputModel, OutputModel, StorageManager, Task

task = Task.init(project_name="examples", task_name="packages")

folder = Path("saved_model")
(folder / "variables").mkdir(parents=True)
(folder / "graph.pb").write_bytes(b"graph")
(folder / "variables" / "index").write_bytes(b"variables")

model = OutputModel(task=task, name="packaged", framework="TensorFlow")
model.update_weights_package(weights_path=str(folder), auto_delete_file=False)
OutputModel.wait_for_uploads()

again = InputModel(model_id=model.id)
entries = again.get_weights_package()
unpacked = Path(again.get_weights_package(return_path=True))
assert (unpacked / "variables" / "index").read_bytes() == b"variables"

task.upload_artifact("entries", [Path(each).name for each in entries])
task.upload_artifact("folder", artifact_object=folder)
copy = StorageManager.get_local_copy(remote_url="saved_model/graph.pb")
task.get_logger().report_text(copy)
