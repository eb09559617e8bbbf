"""Settings connected without taking what `connect` returns."""

from clearml import Task

task = Task.init(project_name="settings", task_name="in place")
settings = {"lr": 0.1, "layers": [64, 32], "optimizer": {"name": "sgd", "momentum": 0.9}}
task.connect(settings)
settings["epochs"] = 3
network = {"depth": 2, "blocks": {"first": 8}}
task.connect_configuration(network, name="network")
task.get_logger().report_single_value("used", settings["lr"] * settings["optimizer"]["momentum"])
