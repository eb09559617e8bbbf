"""Report scalars, plots, tables, pictures and text through the logger."""

import numpy as np
from clearml import Logger, Task
from clearml.utilities.plotly_reporter import SeriesInfo

task = Task.init(project_name="examples", task_name="reporting")
logger = Logger.current_logger()
random = np.random.default_rng(1)

for iteration in range(10):
    logger.report_scalar("loss", "train", value=1.0 / (iteration + 1), iteration=iteration)
    logger.report_scalar("loss", "valid", value=1.5 / (iteration + 1), iteration=iteration)
logger.report_single_value("best", 0.1)

logger.report_histogram(
    title="weights", series="layer 1", values=random.integers(10, size=10), iteration=1,
    xlabels=[f"bin {number}" for number in range(10)], xaxis="bin", yaxis="count",
)  # fmt: skip
logger.report_vector("vector", "first", values=[1, 3, 2], iteration=1, labels=["a"])
logger.report_confusion_matrix(
    "confusion", "valid", matrix=random.integers(10, size=(3, 3)), iteration=1,
    xlabels=["a", "b", "c"], ylabels=["a", "b", "c"],
)  # fmt: skip
logger.report_scatter2d(
    "points", "cloud", scatter=random.random((20, 2)), iteration=1, mode="markers"
)
logger.report_scatter3d("points 3d", "cloud", scatter=random.random((20, 3)), iteration=1)
logger.report_surface("surface", "hills", matrix=random.random((5, 5)), iteration=1)
logger.report_line_plot(
    "lines", xaxis="x", yaxis="y", iteration=1,
    series=[SeriesInfo(name="up", data=[(0, 0), (1, 1)]),
            SeriesInfo(name="down", data=[(0, 1), (1, 0)])],
)  # fmt: skip
logger.report_table("table", "rows", iteration=1, table_plot=[["name", "value"], ["a", 1]])
logger.report_image("picture", "noise", iteration=1, image=random.random((4, 6)))
logger.report_media("media", "note", iteration=1, local_path="note.txt")
logger.report_plotly("plotly", "bar", figure={"data": [{"type": "bar", "y": [1, 2]}], "layout": {}})
logger.report_text("all of it is reported")
logger.flush()
