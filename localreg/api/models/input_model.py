"""`InputModel`: a model that a task starts from."""

from __future__ import annotations

import os

from localreg import log, operations
from localreg.api import ambient
from localreg.api.models.model import Model, handle, open_of
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError, ModelNotFoundError
from localreg.progress import shown_progress
from localreg.values.checks import check_flag, check_name, is_empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from localreg.api.registry import Registry
    from localreg.registry import Chain


class InputModel(Model):
    """An existing model, found by its id, or by name, project and tags.

    Args:
        model_id: the model's id; if it is given, the other arguments are ignored.
        name: the exact name.
        project: the exact name of the project.
        tags: see `query_models`.
        only_published: only published models.
        registry: where to look; the current registry if None.

    Without an id it is the first model that `query_models` finds: the one updated last.

    Raises:
        ModelNotFoundError: (also a ValueError) no model matches.

    >>> first = InputModel.import_model("s3://bucket/resnet.pt", name="resnet", tags=["vision"])
    >>> InputModel(name="resnet").id == first.id
    True

    Source: the InputModel page.
    """

    __slots__ = ()

    def __init__(
        self,
        model_id: str | None = None,
        name: str | None = None,
        project: str | None = None,
        tags: Sequence[str | None] | None = None,
        only_published: bool = False,
        *,
        registry: Registry | None = None,
    ) -> None:
        self._chain = open_of(registry)
        if model_id is not None and not is_empty(model_id):
            self._subject = operations.finding.references.find_model(self._chain, model_id)
            return
        query = operations.finding.queries.check_query(
            project=project, name=name, tags=tags, published=only_published, limit=1
        )
        found = operations.finding.upstream.search(self._chain, query)
        if not found:
            from localreg.values.urls import without_secrets

            shown = None if name is None else without_secrets(name)
            wanted = {"name": shown, "project": project, "tags": tags}
            given = [f"{key}={value!r:.200}" for key, value in wanted.items() if value is not None]
            given += ["only_published=True"] if only_published else []
            what = f"model with {', '.join(given)}" if given else "model"
            raise ModelNotFoundError(
                f"there is no {what} in {operations.finding.references.places_of(self._chain)}; "
                "`localreg ls` lists the models",
                reference=str(shown),
            )
        first = found[0]
        if name is None and project is None and not tags:
            log.info("InputModel() without arguments is the model updated last: %s", first.id)
        self._subject = first

    @classmethod
    def import_model(
        cls,
        weights_url: str | os.PathLike[str],
        config_text: str | None = None,
        config_dict: dict[str, object] | None = None,
        label_enumeration: Mapping[str, int] | None = None,
        name: str | None = None,
        project: str | None = None,
        tags: Sequence[str] | None = None,
        comment: str | None = None,
        is_package: bool = False,
        create_as_published: bool = False,
        framework: str | None = None,
        *,
        copy: bool = False,
        expected_sha256: str | None = None,
        metadata: Mapping[str, object] | None = None,
        registry: Registry | None = None,
    ) -> InputModel:
        """Return the model with weights from this URL; a new one is recorded.

        If a model that is not archived has this URL, here or upstream, it is returned with a
        warning, and the other arguments are ignored. The URL is not read and need not exist yet,
        unless `copy` is True. Then the bytes count: if they are others than those of the known
        model, they become the next version of `name`, with all that is given.

        Args:
            weights_url: a URL or a path; a path becomes ``file://`` and its absolute form. A
                fragment ``#sha256=…`` is the digest that its bytes must have.
            config_text: the configuration, kept byte for byte.
            config_dict: the configuration as a dict, kept as JSON; not both.
            label_enumeration: ``{label: integer}``.
            name: if None, one made of the current task's name, or of the time.
            project: name of a project, created if it is new; if None, the current task's.
            tags: a list of str.
            comment: any text.
            is_package: True if the weights are an archive of several files.
            create_as_published: publish the model at once.
            framework: if None, guessed by the URL's ending.
            copy: also store the bytes in the registry, so that the model does not need its
                source any more: a local file, a folder as a package, or a download. What a remote
                URL serves is not downloaded again if the registry keeps it.
            expected_sha256: the digest that the bytes must have, 64 hex digits.
            metadata: see `set_all_metadata`.
            registry: where to record it; the current registry if None.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be used; nothing was recorded.
            SourceNotFoundError: `copy` is True, and there is no such file.
            DownloadError: `copy` is True, and the download failed.
            DigestMismatchError: the bytes have another digest; nothing was recorded.

        >>> model = InputModel.import_model("https://example.org/a.onnx", name="detector")
        >>> model.framework, model.url
        ('ONNX', 'https://example.org/a.onnx')

        Source: ``import_model`` of the InputModel page.
        """
        chain = open_of(registry, make=True)
        description = operations.models.recording.describe(
            config_text=config_text,
            config_dict=config_dict,
            label_enumeration=label_enumeration,
            name=name,
            project=project,
            tags=tags,
            comment=comment,
            metadata=metadata,
            is_package=is_package,
            create_as_published=create_as_published,
            framework=framework,
        )
        from contextlib import nullcontext  # its import would delay every program

        current = ambient.current_task(chain)
        task = None if current is None else operations.tasks.lifecycle.task(chain.first, current)
        kept = check_flag("copy", copy)
        with shown_progress("Keeping weights") if kept else nullcontext() as progress:
            imported = operations.models.importing.import_model(
                chain,
                weights_url,
                description,
                task=task,
                copy=kept,
                expected=expected_sha256,
                progress=progress,
            )
        if imported.known:
            log.warning(
                "%s is already known as model %s%s, which is returned; the other arguments are "
                "ignored",
                imported.url,
                imported.model,
                ""
                if imported.registry == chain.first
                else f" of the upstream registry {imported.registry.root}",
            )
        found = operations.finding.upstream.Found(imported.registry, imported.model)
        return handle(InputModel, chain, found)

    @classmethod
    def load_model(
        cls,
        weights_url: str | os.PathLike[str],
        load_archived: bool = False,
        *,
        registry: Registry | None = None,
    ) -> InputModel | None:
        """Return the model with weights from this URL, or None.

        Args:
            weights_url: a URL or a path, as in `import_model`.
            load_archived: also look at archived models.
            registry: where to look; the current registry if None.

        Returns:
            Of several models with this URL, the one created last.

        Raises:
            InvalidURLError: (a ValueError) the URL is empty or malformed.

        Source: ``load_model`` of the InputModel page.
        """
        chain = open_of(registry)
        found = operations.models.importing.find_by_url(chain, weights_url, archived=load_archived)
        return None if found is None else handle(InputModel, chain, found)

    @classmethod
    def empty(
        cls,
        config_text: str | None = None,
        config_dict: dict[str, object] | None = None,
        label_enumeration: Mapping[str, int] | None = None,
    ) -> InputModel:
        """Return a model that is in no registry: only a configuration and labels.

        Args:
            config_text: the configuration.
            config_dict: the configuration as a dict, kept as JSON; not both.
            label_enumeration: ``{label: integer}``.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be used.

        >>> InputModel.empty(config_dict={"layers": 3}).config_dict
        {'layers': 3}

        Source: ``empty`` of the InputModel page.
        """
        from localreg.api.models.model_handle import Empty
        from localreg.values.config_text import config_to_text
        from localreg.values.labels import check_labels

        model = cls.__new__(cls)
        model._chain = None
        model._subject = Empty(
            config_to_text(config_text, config_dict), check_labels(label_enumeration)
        )
        return model

    def connect(
        self, task: object, name: str | None = None, ignore_remote_overrides: bool = False
    ) -> None:
        """Make the model an input of a task, which also gets its configuration and labels.

        If this process runs a task again (``LOCALREG_TASK_ID``), this object becomes the input
        model that the task has under `name`.

        Args:
            task: a `Task`.
            name: the name of the input on the task; if None, the weights' file name without its
                ending, or "Input Model".
            ignore_remote_overrides: use this model even if the task has another one.

        Raises:
            InvalidValueError: (a ValueError) `task` is not a task.
            ModelNotFoundError: the model is gone.

        Source: ``connect`` of the InputModel page.
        """
        connect(self, task, name, ignore_remote_overrides, comment=False)


def connect(
    model: InputModel, task: object, name: str | None, ignore: bool, *, comment: bool
) -> None:
    """Make a model an input of a task, for `InputModel.connect` and `Task.connect`.

    Args:
        comment: add a line about the model to the task's comment.
    """
    if not isinstance(task, TaskHandle):
        raise InvalidValueError(f"task must be a Task, not {type(task).__name__}", argument="task")
    if task.id == ambient.task_to_run_again():
        name = model._entry_name() if name is None else check_name("name", name)
        operations.tasks.inputs.mark_used(task._registry, task.id, [name])
        if not ignore:
            _take_override(model, task._own_chain(), task.id, name)
    from localreg.api.models.model_handle import Empty

    subject = model._subject
    if isinstance(subject, Empty):
        operations.tasks.inputs.adopt_design(
            task._registry, task.id, subject.config, dict(subject.labels)
        )
        return
    if subject.registry not in task._own_chain().registries:
        raise InvalidValueError(
            f"the model is in {subject.registry.root}, the task in {task._registry.root}; a task "
            "connects models of its own registry and of its upstream registries",
            argument="task",
        )
    made = operations.tasks.inputs.connect_model(
        task._own_chain(), task.id, subject.id, name, comment=comment
    )
    if made.replaced:
        log.warning(
            "task %s had model %s as input %r; now it is %s",
            task.id, made.replaced, made.name, subject.id,
        )  # fmt: skip


def _take_override(model: InputModel, chain: Chain, task_id: str, entry: str) -> None:
    """Replace `model` by the input that a task has under the name `entry`."""
    inputs = operations.tasks.inputs.models(chain.first, task_id, "input")
    if entry in inputs:
        model._chain = chain
        model._subject = operations.finding.references.find_model(chain, inputs[entry])
    elif inputs:
        log.warning(
            "task %s has no input model %r (it has %s); the one in the code is used",
            task_id, entry, ", ".join(inputs),
        )  # fmt: skip
