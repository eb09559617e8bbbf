"""A data set, its next version, and a task that uses it."""

from pathlib import Path

from clearml import Dataset, Task

Path("data").mkdir()
for number in range(3):
    Path(f"data/{number}.csv").write_text(f"{number}\n")
first = Dataset.create(dataset_name="numbers", dataset_project="data")
first.add_files("data")
first.upload()
first.finalize()

second = Dataset.create(dataset_name="numbers", dataset_project="data", parent_datasets=[first.id])
Path("data/0.csv").write_text("changed\n")
second.sync_folder("data")
second.remove_files("2.csv")
second.finalize(auto_upload=True)

task = Task.init(project_name="data", task_name="use")
data = Dataset.get(dataset_project="data", dataset_name="numbers", alias="train")
folder = Path(data.get_local_copy())
print(sorted(path.name for path in folder.iterdir()), (folder / "0.csv").read_text())
