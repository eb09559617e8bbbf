"""Recording a model: what is told of it is checked, then written as one event."""

from __future__ import annotations

from localreg.errors import InvalidValueError
from localreg.operations.finding.references import check_project_name, ensure_project
from localreg.store.events.change import Change
from localreg.store.rows import model_rows
from localreg.values.checks import check_comment, check_name, shown
from localreg.values.config_text import config_to_text
from localreg.values.frameworks import infer_framework
from localreg.values.frozen import Frozen
from localreg.values.ids import new_id
from localreg.values.labels import check_labels
from localreg.values.metadata import MetadataEntry, entries
from localreg.values.records import MetadataValue, ModelRecord, TaskRecord, WeightsRecord
from localreg.values.tags import check_tags
from localreg.values.urls import WeightsURL, is_sha256, safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.weights.ingest import Held


class Description(Frozen, kw_only=True):
    """What is told of a model when it is brought in, checked; see `describe`."""

    name: str | None
    project: str | None
    comment: str | None
    framework: str | None
    tags: tuple[str, ...]
    metadata: dict[str, MetadataValue]
    labels: dict[str, int]
    config: str
    package: bool
    published: bool


class Origin(Frozen, kw_only=True):
    """Where a model's weights come from, for its record.

    Attributes:
        url: the real URL; None when only the registry has them.
        public: what an event may hold of it.
        filename: the name they are handed out under.
        kept: whether the registry owes the bytes.
        pinned: the sha256 that was asked for.
        package: whether they are a folder's, as one archive.
        uploaded: whether localreg itself put the object at `url`.
    """

    url: str | None
    public: str | None
    filename: str | None
    kept: bool = False
    pinned: str | None = None
    package: bool = False
    uploaded: bool = False


def origin_of(url: WeightsURL, *, kept: bool, pinned: str | None, package: bool) -> Origin:
    """Return the origin that a checked URL stands for."""
    name = f"{url.filename or 'package'}.zip" if package else url.filename
    return Origin(
        url=url.text, public=url.public, filename=name, kept=kept, pinned=pinned, package=package
    )


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
    """Check what is told of a model.

    Args:
        config_text, config_dict: the configuration, as text or as what becomes JSON; not both.
        label_enumeration: dict of label to int.
        name, project, comment, framework: text, or None.
        tags: a list of str.
        metadata: dict of key to value, or to ``{"value": …, "type": …}``.
        is_package, create_as_published: flags.

    Raises:
        InvalidValueError: or one of its subclasses, naming the argument.
    """
    return Description(
        name=None if name is None else check_name("name", name).strip(),
        project=check_project_name(project),
        comment=check_comment(comment),
        framework=(
            None if framework is None or framework == "" else check_name("framework", framework)
        ),
        tags=check_tags("tags", tags),
        metadata={
            key: _value(entry)
            for key, entry in entries({} if metadata is None else metadata).items()
        },
        labels=check_labels(label_enumeration),
        config=config_to_text(config_text, config_dict),
        package=bool(is_package),
        published=bool(create_as_published),
    )


def _value(entry: MetadataEntry) -> MetadataValue:
    return MetadataValue(entry.value, entry.type)


def check_pin(url: WeightsURL | None, expected: object) -> str | None:
    """Return the sha256 that the weights must have, or None when none was asked for.

    Args:
        url: may say it in its fragment, ``#sha256=…``.
        expected: 64 hex digits, with or without "sha256:" in front; None for none.

    Raises:
        InvalidValueError: it is no sha256, or the URL says another one.
    """
    said = None if url is None else url.pinned
    if expected is None:
        return said
    text = expected.strip().lower().removeprefix("sha256:") if isinstance(expected, str) else ""
    if not is_sha256(text):
        raise InvalidValueError(
            f"expected_sha256 must be 64 hex digits, not {shown(expected)}",
            argument="expected_sha256",
        )
    if said is not None and said != text:
        raise InvalidValueError(
            f"the URL says sha256={said[:12]}…, and expected_sha256 {text[:12]}…; give one of them",
            argument="expected_sha256",
        )
    return text


def check_filename(filename: object, argument: str = "filename") -> str:
    """Return the name of a file when every file system takes it.

    Raises:
        InvalidValueError: it is no such name, or has a folder in front.
    """
    name = safe_filename(filename) if isinstance(filename, str) else None
    if name is None or name != filename:
        raise InvalidValueError(
            f"{argument} must be the name of a file, without a folder, not {shown(filename)}",
            argument=argument,
        )
    return name


def create(
    change: Change,
    told: Description,
    origin: Origin | None,
    held: Held | None,
    *,
    project: str | None,
    maker: TaskRecord | None = None,
    parent: str | None = None,
) -> str:
    """Record a model, within a transaction; return its id.

    Args:
        origin: where its weights come from; None when it has none yet.
        held: its bytes, when the registry has them or knows their digest.
        maker: the task that made it.
        parent: id of the model it was made from.
    """
    model_id = new_id()
    at = change.stamp(model_id)
    weights = () if origin is None else (weights_record(change, model_id, origin, held),)
    source = "" if origin is None else origin.url or origin.filename or ""
    record = ModelRecord(
        id=model_id,
        name=told.name or "",
        project=ensure_project(change, project),
        comment=told.comment,
        framework=told.framework or infer_framework(source),
        package=told.package or (origin is not None and origin.package),
        published=told.published,
        task=maker.id if maker else None,
        parent=parent,
        created=at,
        config=told.config,
        labels=told.labels,
        tags=told.tags,
        metadata=told.metadata,
        weights=weights,
    )
    change.record("model.created", model_id, record.payload())
    return model_id


def weights_record(
    change: Change, model_id: str, origin: Origin, held: Held | None, revision: int = 1
) -> WeightsRecord:
    """Return what an event may hold of a revision of weights; its real URL is noted aside."""
    note_url(change, model_id, revision, origin.url, origin.public)
    return WeightsRecord(
        revision=revision,
        url=origin.public,
        filename=(held and held.filename) or origin.filename,
        digest=held.digest if held else None,
        size=held.size if held else None,
        pinned=origin.pinned,
        kept=origin.kept,
        uploaded=origin.uploaded,
        at=change.stamp(model_id),
    )


def note_url(
    change: Change, model_id: str, revision: int, url: str | None, public: str | None
) -> None:
    """Keep a URL that no event may hold where the fold looks it up."""
    if url is not None and url != public:
        model_rows.keep_private_url(change.connection, model_id, revision, url)
