"""A ClearML script that makes and uses data sets runs unchanged, with `localreg.run`."""

from __future__ import annotations

import os
import subprocess
import sys

from localreg import Dataset, Registry, Task

SCRIPT = """
from pathlib import Path
from clearml import Dataset, Task
from clearml.datasets import FileEntry

Path("data").mkdir()
for number in range(3):
    Path("data", f"{number}.txt").write_text(str(number))
dataset = Dataset.create(
    dataset_name="numbers", dataset_project="examples", dataset_tags=["small"],
)
print("added", dataset.add_files(path="data", wildcard="*.txt", max_workers=4))
dataset.get_logger().report_single_value("files", len(dataset.file_entries))
dataset.upload(show_progress=False, chunk_size=100)
dataset.finalize(verbose=True)

task = Task.init(project_name="examples", task_name="train", output_uri=True)
numbers = Dataset.get(
    dataset_project="examples", dataset_name="numbers", alias="numbers", only_completed=True,
    overridable=True,
)
folder = numbers.get_local_copy()
print("sum", sum(int(each.read_text()) for each in Path(folder).glob("*.txt")))
print(isinstance(numbers.file_entries[0], FileEntry), numbers.file_entries_dict["0.txt"].size)
child = Dataset.create(
    dataset_name="numbers", dataset_project="examples", parent_datasets=[numbers.id]
)
Path("data", "3.txt").write_text("3")
print("synced", child.sync_folder(local_path="data"))
child.finalize(auto_upload=True)
print([each["version"] for each in Dataset.list_datasets(dataset_project="examples")])
task.close()
"""


def test_a_script_runs_unchanged(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "localreg.run", "script.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"LOCALREG_HOME": str(tmp_path / "registry")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = [line for line in done.stdout.splitlines() if not line.startswith("ClearML")]
    assert printed == [
        "added 3", "sum 3", "True 1", "synced (0, 1, 0)", "['1.0.1', '1.0.0']"
    ]  # fmt: skip
    with Registry(tmp_path / "registry") as registry:
        task = Task.get_task(project_name="examples", task_name="train", registry=registry)
        first = Dataset.get(dataset_name="numbers", dataset_version="1.0.0", registry=registry)
        assert task.get_parameter("Datasets/numbers") == first.id
        assert task.status == "completed"
