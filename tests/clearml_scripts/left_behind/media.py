"""Pictures, media and links to them."""

import io
from pathlib import Path

import numpy as np
from clearml import Task

task = Task.init(project_name="media", task_name="media")
logger = task.get_logger()
for iteration in range(3):
    picture = np.full((8, 8, 3), iteration * 50, dtype=np.uint8)
    logger.report_image("picture", "series", iteration=iteration, image=picture)
Path("note.txt").write_text("a note")
logger.report_media("file", "note", iteration=1, local_path="note.txt")
logger.report_media(
    "stream", "html", iteration=1, stream=io.StringIO("<p>"), file_extension=".html"
)
logger.report_media("link", "video", iteration=1, url="https://example.org/video.mp4")
logger.report_table("table", "rows", iteration=1, table_plot=[["a", "b"], [1, 2]])
logger.report_confusion_matrix("matrix", "cm", iteration=1, matrix=[[1, 0], [0, 1]])
