"""A model that onnx saves."""

import onnx
from clearml import Task
from onnx import TensorProto, helper

task = Task.init(project_name="models", task_name="onnx")
value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
graph = helper.make_graph(
    [helper.make_node("Identity", ["x"], ["y"])],
    "g",
    [value],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
)
onnx.save(helper.make_model(graph), "identity.onnx")
