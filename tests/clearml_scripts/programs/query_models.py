"""Fill a project with models, and find some of them again."""

from clearml import InputModel, Model, Task

task = Task.init(project_name="zoo", task_name="query", task_type=Task.TaskTypes.data_processing)

for name, tags, size in (
    ("lion", ["prod", "cat"], 3),
    ("tiger", ["prod", "cat", "old"], 3),
    ("wolf", ["prod", "dog"], 2),
    ("fox", ["dog"], 1),
):
    model = InputModel.import_model(f"s3://zoo/{name}.onnx", name=name, tags=tags, project="zoo")
    model.set_metadata("size", size, v_type="int")
    if name == "wolf":
        model.publish()
    if name == "fox":
        model.archive()

found = {
    "any": Model.query_models(project_name="zoo", tags=["cat", "dog"]),
    "without": Model.query_models(project_name="zoo", tags=["prod", "-old"]),
    "all": Model.query_models(tags=["__$all", "prod", "cat", "__$not", "old"]),
    "published": Model.query_models(project_name="zoo", only_published=True),
    "archived": Model.query_models(model_name="fox", include_archived=True),
    "metadata": Model.query_models(metadata={"size": 3}, max_results=1),
}
task.upload_artifact(
    "found", artifact_object={key: [each.name for each in value] for key, value in found.items()}
)
