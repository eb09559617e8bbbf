"""Files uploaded, listed and downloaded by StorageManager."""

from pathlib import Path

from clearml import StorageManager, Task

task = Task.init(project_name="storage", task_name="local")
store = Path("store").absolute()
Path("one.txt").write_text("one")
url = StorageManager.upload_file("one.txt", (store / "folder" / "one.txt").as_uri())
assert StorageManager.exists_file(url)
assert StorageManager.get_file_size_bytes(url) == 3
names = StorageManager.list(store.as_uri())
assert [Path(each).name for each in names] == ["one.txt"]
StorageManager.download_folder((store / "folder").as_uri(), local_folder="copy")
copy = StorageManager.get_local_copy(url)
assert Path(copy).read_text() == "one"
task.upload_artifact("listed", names)
