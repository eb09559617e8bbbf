"""The description of a new model, checked, and the event that records the model."""

from __future__ import annotations

from localreg.operations.finding.references import check_project_name, place_of_new
from localreg.operations.weights.origin import Origin, framework_of_weights, weights_record
from localreg.store.events.change import Change
from localreg.values.checks import check_comment, check_flag, check_name, is_empty
from localreg.values.config_text import config_to_text
from localreg.values.frozen import Frozen, replace
from localreg.values.ids import new_id
from localreg.values.labels import check_labels
from localreg.values.metadata import MetadataEntry, entries
from localreg.values.records import Json, TaskRecord, project_payload
from localreg.values.tags import check_tags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.weights.sources import Held


class Description(Frozen, kw_only=True):
    """What the user says about a new model, checked by `describe`."""

    name: str | None
    project: str | None
    comment: str | None
    framework: str | None
    tags: tuple[str, ...]
    metadata: dict[str, MetadataEntry]
    labels: dict[str, int]
    config: str
    package: bool
    published: bool


def describe(
    *,
    config_text: object = None,
    config_dict: object = None,
    label_enumeration: object = None,
    name: object = None,
    project: object = None,
    tags: object = None,
    comment: object = None,
    metadata: object = None,
    is_package: object = False,
    create_as_published: object = False,
    framework: object = None,
) -> Description:
    """Check the description of a new model.

    Args:
        config_text, config_dict: the configuration as text or as a dict, kept as JSON; not both.
        label_enumeration: dict of label to int.
        name, project, comment, framework: text, or None.
        tags: a list of str.
        metadata: dict of key to value, or to ``{"value": …, "type": …}``.
        is_package, create_as_published: flags.
    """
    return Description(
        name=None if name is None else check_name("name", name),
        project=check_project_name(project),
        comment=check_comment(comment),
        framework=(
            None if framework is None or is_empty(framework) else check_name("framework", framework)
        ),
        tags=check_tags("tags", tags),
        metadata={} if metadata is None else entries(metadata),
        labels=check_labels(label_enumeration),
        config=config_to_text(config_text, config_dict),
        package=check_flag("is_package", is_package),
        published=check_flag("create_as_published", create_as_published),
    )


def in_project_of(task: TaskRecord | None, description: Description) -> Description:
    """Return a description that has the project of a task if it names none."""
    if description.project or task is None or task.project is None:
        return description
    return replace(description, project=task.project.name)


def create(
    change: Change,
    description: Description,
    origin: Origin | None,
    held: Held | None,
    *,
    maker: TaskRecord | None = None,
    parent: str | None = None,
    system_tags: tuple[str, ...] = (),
) -> str:
    """Record a model, within a transaction; return its id.

    Args:
        origin: where its weights come from; None if it has no weights yet.
        held: digest and size of its weights, if they are known.
        maker: the task that made it.
        parent: id of the model that it was made from.
    """
    model_id = new_id()
    name = description.name or ""
    project, version = place_of_new(change, description.project, name)
    package = description.package or (origin is not None and origin.package)
    weights: list[Json] = []
    if origin is not None:
        weights.append(weights_record(change, model_id, origin, held, package=package).payload())
    # As `ModelRecord.payload` has it; a record would only be made to be taken apart again.
    payload: Json = {
        "name": name,
        "project": project_payload(project),
        "version": version,
        "comment": description.comment,
        "framework": description.framework or framework_of_weights(change, origin, held),
        "package": package,
        "published": description.published,
        "archived": False,
        "task": maker.id if maker else None,
        "parent": parent,
        "created": change.at,
        "birth": change.stamp(model_id),
        "config": description.config,
        "labels": description.labels,
        "tags": description.tags,
        "system_tags": system_tags,
        "metadata": {key: [each.value, each.type] for key, each in description.metadata.items()},
        "aliases": (),
        "weights": weights,
    }
    change.record("model.created", model_id, payload)
    return model_id
