"""Train a line through points, and upload what came out after every epoch."""

import json
from pathlib import Path

from clearml import OutputModel, Task

task = Task.init(project_name="examples", task_name="model upload", output_uri=True)
logger = task.get_logger()
settings = task.connect({"epochs": 3, "rate": 0.05})

model = OutputModel(
    task=task,
    name="line",
    tags=["linear"],
    framework="ScikitLearn",
    config_dict={"inputs": 1, "outputs": 1},
)
model.set_metadata("points", 20, v_type="int")

points = [(x / 10, 3 * x / 10 + 1) for x in range(20)]
slope = offset = 0.0
for epoch in range(settings["epochs"]):
    for x, y in points:
        error = slope * x + offset - y
        slope -= settings["rate"] * error * x
        offset -= settings["rate"] * error
    loss = sum((slope * x + offset - y) ** 2 for x, y in points) / len(points)
    logger.report_scalar(title="loss", series="train", value=loss, iteration=epoch)
    weights = Path("line.pkl")
    weights.write_text(json.dumps([slope, offset]))
    model.update_weights(weights_filename=str(weights), iteration=epoch)

OutputModel.wait_for_uploads()
model.report_single_value("loss", loss)
task.close()
