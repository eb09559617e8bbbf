"""Report to models: to one that comes in, and to one that goes out."""

from clearml import InputModel, OutputModel, Task

task = Task.init(project_name="examples", task_name="evaluate")

incoming = InputModel.import_model("https://models.example/base.h5", name="incoming")
incoming.connect(task)
outgoing = OutputModel(task=task, name="outgoing", framework="Keras")

for model, best in ((incoming, 0.8), (outgoing, 0.9)):
    for iteration in range(3):
        value = best - 0.1 * (2 - iteration)
        model.report_scalar("val", "acc", value=value, iteration=iteration)
    model.report_single_value("top-1", best)
    model.report_confusion_matrix("confusion", "val", matrix=[[5, 1], [2, 4]], iteration=2)
    model.report_table("errors", "val", iteration=2, table_plot=[["class", "wrong"], ["a", 1]])
