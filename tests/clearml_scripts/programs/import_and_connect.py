"""Take weights that are there already, and start from them."""

from clearml import InputModel, Task
from clearml.model import Framework

task = Task.init(project_name="examples", task_name="fine-tune", tags=["fine"])

base = InputModel.import_model(
    weights_url="pretrained.pt",
    name="pretrained",
    framework=Framework.pytorch,
    config_text="layers = 2\n",
    label_enumeration={"background": 0, "cat": 1},
    tags=["base"],
)
task.connect(base, name="backbone")

same = InputModel.import_model(weights_url="pretrained.pt", name="passed over")
assert same.id == base.id

with open(base.get_weights(), "rb") as file:
    size = len(file.read())
task.get_logger().report_single_value("bytes", size)
print("starts from", base.name, "with", task.get_model_config_dict(), task.get_labels_enumeration())
