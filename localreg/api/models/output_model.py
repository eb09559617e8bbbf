"""`OutputModel`: a model that a task makes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from localreg import log, operations
from localreg.api import ambient
from localreg.api.models.model import Model, open_of
from localreg.api.models.new_weights import (
    NewWeights,
    check_new_weights,
    update,
    update_package,
)
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError, NoTaskError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.api.registry import Registry
    from localreg.registry import Chain


class OutputModel(Model):
    """A new model of a task; it is in the registry, and an output of the task, at once.

    Args:
        task: the task that makes it; the current one when None.
        config_text: the configuration, kept byte for byte.
        config_dict: the configuration, kept as JSON; not both.
        label_enumeration: ``{label: integer}``; the task's when None.
        name: the task's name when None.
        tags: a list of str.
        comment: goes behind a line that tells of the task.
        framework: by the ending of the weights' file, once there is one, when None.
        base_model_id: make no new model, but go on with this one: what is given replaces what it
            has, and its comment tells of the task.
        registry: where to record it; the task's registry when None.

    Raises:
        NoTaskError: (a ValueError) no task is given, and none is current.
        InvalidValueError: (a ValueError) an argument cannot be used; nothing was recorded.
        ModelNotFoundError, PublishedError: (ValueErrors) of `base_model_id`.
        ReadOnlyRegistryError: (an OSError) it is a model of an upstream registry.

    >>> task = Task.init(project_name="vision", task_name="train")
    >>> model = OutputModel(label_enumeration={"cat": 1}, tags=["first"])
    >>> (path / "best.pt").write_bytes(b"weights")
    7
    >>> url = model.update_weights(path / "best.pt")
    >>> model.name, model.framework, task.output_models_id == {"best": model.id}
    ('train', 'PyTorch', True)
    >>> [each.filename for each in model.revisions()]
    ['best.pt']
    >>> task.close()

    Source: ClearML's ``OutputModel``.
    """

    __slots__ = ("_destination", "_entry", "_task_id")

    # Settings of this object, as in ClearML; no state of the model.
    _task_id: str
    _entry: str | None  # the name on the task that `connect` was told
    _destination: str | None

    def __init__(
        self,
        task: TaskHandle | None = None,
        config_text: str | None = None,
        config_dict: dict[str, object] | None = None,
        label_enumeration: Mapping[str, int] | None = None,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        comment: str | None = None,
        framework: str | None = None,
        base_model_id: str | None = None,
        *,
        registry: Registry | None = None,
    ) -> None:
        self._chain, self._task_id = _task_of(task, registry)
        told = operations.models.recording.describe(
            config_text=config_text,
            config_dict=config_dict,
            label_enumeration=label_enumeration,
            name=name,
            tags=tags,
            comment=comment,
            framework=framework,
        )
        self._entry = self._destination = None
        if base_model_id is None or base_model_id == "":
            made = operations.models.outputs.make_output(self._chain.first, self._task_id, told)
        else:
            made = operations.models.outputs.take_over(
                self._chain, self._task_id, base_model_id, told
            )
        self._subject = operations.finding.references.find_model(self._chain, made)

    def connect(self, task: object, name: str | None = None) -> None:
        """Make the model an output of a task, and later weights too.

        A task without a configuration or labels of its own takes over the model's.

        Args:
            task: a `Task`.
            name: of the entry on the task, from here on; the weights' file name without its
                ending when None.

        Raises:
            InvalidValueError: (a ValueError) `task` is no task, or one of another registry.
            ModelNotFoundError: the model is gone.

        Source: ``connect`` of ClearML's ``OutputModel``.
        """
        found = self._found()
        if not isinstance(task, TaskHandle):
            raise InvalidValueError(
                f"task must be a Task, not {type(task).__name__}", argument="task"
            )
        if task._registry != found.registry:
            raise InvalidValueError(
                f"the model is in {found.registry.root}, the task in {task._registry.root}; a "
                "task connects models of its own registry",
                argument="task",
            )
        told = operations.models.outputs.connect_output(found.registry, task.id, found.id, name)
        self._task_id, self._entry = task.id, told or self._entry

    def set_upload_destination(self, uri: str | None) -> None:
        """Set where weights go that this object updates from here on.

        Args:
            uri: a folder (path, ``file://``), or one in an object store (``s3://…``); below it each
                task has its own. None for the task's, or the default.

        Raises:
            InvalidURLError: (a ValueError) nothing can be uploaded to it.
            PublishedError: (a ValueError) the model is published.
        """
        found = self._found()
        wanted = operations.weights.uploading.check_destination("uri", uri)
        operations.models.revisions.check_draft(found.registry, found.id)
        self._destination = wanted

    @property
    def upload_storage_uri(self) -> str | None:
        """Where weights are uploaded to; None when the registry keeps them."""
        found = self._found()
        return (
            self._destination
            or operations.weights.uploading.check_destination(
                "output_uri", operations.tasks.lifecycle.output_uri(found.registry, self._task_id)
            )
            or ambient.upload_uri()
        )

    def update_weights(
        self,
        weights_filename: str | os.PathLike[str] | None = None,
        upload_uri: str | None = None,
        target_filename: str | None = None,
        auto_delete_file: bool = False,
        register_uri: str | None = None,
        iteration: int | None = None,
        update_comment: bool = True,
        is_package: bool = False,
        async_enable: bool = True,
        *,
        keep_last: int | None = None,
    ) -> str:
        """Give the model new weights, as the next revision; return where they are, or will be.

        The bytes go into the registry, or, where an upload destination is set, there. Other
        bytes are never replaced there: when the name is taken, the start of the digest goes
        into it. `url` says where they came to be when another process took the name
        while they were on their way.

        Args:
            weights_filename: a local file; a folder becomes a package, as in
                `update_weights_package`.
            upload_uri: as `set_upload_destination`.
            target_filename: the name they are handed out under, the file's own when None.
            auto_delete_file: delete the file once its bytes are safe. ClearML's default is True.
            register_uri: where weights are already, instead of a file; it is not read.
            iteration: the iteration that they are of, for the history.
            update_comment: put a line about them in front of the model's comment.
            is_package: they are an archive of several files.
            async_enable: upload behind; until that is done the registry serves the bytes. See
                `wait_for_uploads`.
            keep_last: only so many revisions stay, this one among them; `gc` takes the bytes of
                the others. All stay when None.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be used; nothing was changed.
            PublishedError: (a ValueError) the model is published.
            SourceNotFoundError: there is no such file.
            StorageError: (an OSError) the disk, or the destination, is full or refused something.

        Source: ``update_weights`` of ClearML's ``OutputModel``.
        """
        new = self._new_weights(
            target_filename=target_filename,
            upload_uri=upload_uri,
            delete=auto_delete_file,
            iteration=iteration,
            comment=update_comment,
            package=is_package,
            behind=async_enable,
            keep_last=keep_last,
        )
        url = update(self._own_chain(), self._found().id, new, weights_filename, register_uri)
        self._destination = new.own_destination
        return url

    def update_weights_package(
        self,
        weights_filenames: Sequence[str | os.PathLike[str]] | None = None,
        weights_path: str | os.PathLike[str] | None = None,
        upload_uri: str | None = None,
        target_filename: str | None = None,
        auto_delete_file: bool = False,
        iteration: int | None = None,
        async_enable: bool = True,
        *,
        keep_last: int | None = None,
    ) -> str:
        """Give the model a package of files as new weights; return where it is, or will be.

        It is one zip, the same for the same files, and `get_weights_package` unpacks it.

        Args:
            weights_filenames: files, which keep their bare names.
            weights_path: a folder, of which all files keep their names below it.
            auto_delete_file: delete the files, or the folder, once their bytes are safe.
            upload_uri, target_filename, iteration, async_enable, keep_last: as for
                `update_weights`.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be used, or two files have the
                same name; nothing was changed.
            PublishedError, SourceNotFoundError, StorageError: as `update_weights`.

        Source: ``update_weights_package`` of ClearML's ``OutputModel``.
        """
        new = self._new_weights(
            target_filename=target_filename,
            upload_uri=upload_uri,
            delete=auto_delete_file,
            iteration=iteration,
            comment=True,
            package=True,
            behind=async_enable,
            keep_last=keep_last,
        )
        url = update_package(
            self._own_chain(), self._found().id, new, weights_filenames, weights_path
        )
        self._destination = new.own_destination
        return url

    def _new_weights(self, upload_uri: object, **given: object) -> NewWeights:
        own = (
            operations.weights.uploading.check_destination("upload_uri", upload_uri)
            or self._destination
        )
        return check_new_weights(
            task=self._task_id,
            entry=self._entry,
            own=own,
            destination=own or self.upload_storage_uri,
            **given,
        )

    def update_design(
        self, config_text: str | None = None, config_dict: dict[str, object] | None = None
    ) -> bool:
        """Set the model's configuration, and the task's when that has none.

        Args:
            config_text: kept byte for byte.
            config_dict: kept as JSON; not both.

        Returns:
            False when neither is given, and nothing changes.

        Raises:
            InvalidValueError: (a ValueError) it cannot be kept.
            PublishedError: (a ValueError) the model is published.

        Source: ``update_design`` of ClearML's ``OutputModel``.
        """
        found = self._found()
        return operations.models.outputs.set_config(
            found.registry, found.id, self._task_id, config_text, config_dict
        )

    def update_labels(self, labels: Mapping[str, int]) -> bool:
        """Set the label enumeration of the model, and of the task; return True.

        Raises:
            InvalidValueError: (a ValueError) it is no ``{label: integer}``.
            PublishedError: (a ValueError) the model is published.

        Source: ``update_labels`` of ClearML's ``OutputModel``.
        """
        found = self._found()
        operations.models.outputs.set_labels(found.registry, found.id, self._task_id, labels)
        return True

    @property
    def config_text(self) -> str:
        """The configuration as it was given, "" without one. Set it as by `update_design`."""
        return self._config()

    @config_text.setter
    def config_text(self, config_text: str) -> None:
        self.update_design(config_text=config_text)

    @property
    def config_dict(self) -> dict[str, object]:
        """The configuration as a dict, ``{}`` without one. Set it as by `update_design`.

        Raises:
            ConfigTextError: (a ValueError) it cannot be read as one.
        """
        return Model.config_dict.__get__(self)  # type: ignore[no-any-return]  # as it types

    @config_dict.setter
    def config_dict(self, config_dict: dict[str, object]) -> None:
        self.update_design(config_dict=config_dict)

    @property
    def labels(self) -> dict[str, int]:
        """The label enumeration, ``{label: integer}``. Set it as by `update_labels`."""
        return self._labels()

    @labels.setter
    def labels(self, labels: Mapping[str, int]) -> None:
        self.update_labels(labels)

    @classmethod
    def wait_for_uploads(
        cls, timeout: float | None = None, max_num_uploads: int | None = None
    ) -> None:
        """Wait until the uploads of this process are done.

        Args:
            timeout: seconds; those that are not done then go on, and the log tells it.
            max_num_uploads: wait for so many at most, those that were begun first.

        Raises:
            UploadError: (an OSError) some failed since this was last called. Their weights are
                served from the registry.

        Source: ``wait_for_uploads`` of ClearML's ``OutputModel``.
        """
        seconds = operations.weights.uploading.check_timeout(timeout)
        most = operations.finding.queries.check_limit("max_num_uploads", max_num_uploads)
        left = ambient.uploads().wait(seconds, most)
        if left:
            log.info("%d uploads go on after %s seconds", left, timeout)
        ambient.uploads().raise_failures()

    @classmethod
    def set_default_upload_uri(cls, output_uri: str | None) -> None:
        """Set where weights go when neither their model nor its task says so.

        Args:
            output_uri: as `set_upload_destination` takes it; None for the registry.

        Raises:
            InvalidURLError: (a ValueError) nothing can be uploaded to it.

        Source: ``set_default_upload_uri`` of ClearML's ``OutputModel``.
        """
        ambient.set_upload_uri(
            operations.weights.uploading.check_destination("output_uri", output_uri)
        )


def _task_of(task: object, registry: Registry | None) -> tuple[Chain, str]:
    """Return the id of the task that makes a model, and the chain to write through."""
    if task is None:
        opened = open_of(registry)
        current = ambient.current_task(opened)
        if current is None:
            raise NoTaskError(
                "an OutputModel belongs to a task, and none is current: call Task.init first, or "
                "give task=",
                argument="task",
            )
        return opened, current
    if not isinstance(task, TaskHandle):
        raise InvalidValueError(f"task must be a Task, not {type(task).__name__}", argument="task")
    if registry is not None and open_of(registry).first != task._registry:
        raise InvalidValueError(
            f"the task is one of {task._registry.root}, and the registry is "
            f"{open_of(registry).first.root}",
            argument="registry",
        )
    return task._own_chain(), task.id
