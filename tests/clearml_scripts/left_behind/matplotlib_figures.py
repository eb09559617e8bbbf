"""Figures that are shown and saved."""

import matplotlib

matplotlib.use("Agg")
from clearml import Task
from matplotlib import pyplot

task = Task.init(project_name="boards", task_name="matplotlib")
for number in range(2):
    pyplot.figure()
    pyplot.plot([0, 1], [number, number + 1])
    pyplot.title("curve")
    pyplot.show()
figure, axes = pyplot.subplots()
axes.bar(["a", "b"], [1, 2])
figure.suptitle("bars")
figure.savefig("bars.png")
task.get_logger().report_matplotlib_figure("own", "figure", figure, iteration=3)
