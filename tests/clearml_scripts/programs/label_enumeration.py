"""Give a task its labels, and the model that comes out of it too."""

from clearml import OutputModel, Task

task = Task.init(project_name="examples", task_name="labels")

labels = {"background": 0, "cat": 1, "dog": 2}
labels = task.connect_label_enumeration(labels)

model = OutputModel(task=task, name="classifier")
assert model.labels == labels
model.update_labels({**labels, "fox": 3})
with open("classifier.onnx", "wb") as file:
    file.write(b"weights")
model.update_weights("classifier.onnx")
model.publish()
task.close()
