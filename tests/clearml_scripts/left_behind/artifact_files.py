"""Folders, wildcards and paths as artifacts."""

from pathlib import Path

from clearml import Task

task = Task.init(project_name="artifacts", task_name="files")
for name in ("out/a.txt", "out/deep/b.txt", "plots/1.png", "plots/2.png", "plots/note.md"):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(name)
task.upload_artifact("folder", "out")
task.upload_artifact("path", Path("out"))
task.upload_artifact("pictures", "plots/*.png")
task.upload_artifact("also pictures", Path("plots") / "*.png")
task.upload_artifact("file", "plots/note.md")
task.upload_artifact("missing", "plots/none.md")
