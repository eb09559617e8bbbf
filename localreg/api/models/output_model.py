"""`OutputModel`: a model that a task makes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from localreg import log, operations
from localreg.api import ambient
from localreg.api.models.model import Model, handle, open_of
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError, NoTaskError
from localreg.values.checks import is_empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.api.models.new_weights import NewWeights
    from localreg.api.registry import Registry
    from localreg.registry import Chain


class OutputModel(Model):
    """A new model, recorded at once as an output of a task.

    Args:
        task: the task that makes it; the current one if None.
        config_text: the configuration, kept byte for byte.
        config_dict: the configuration as a dict, kept as JSON; not both.
        label_enumeration: ``{label: integer}``; if None, the task's.
        name: if None, the task's name.
        tags: a list of str.
        comment: any text; it follows a line that names the task.
        framework: if None, guessed by the ending of the first weights' file name.
        base_model_id: update this model instead of creating one: the other arguments replace
            what it has, and its comment names the task.
        registry: where to record it; if None, the task's registry.

    Raises:
        NoTaskError: (a ValueError) no task was given, and none is current.
        InvalidValueError: (a ValueError) an argument cannot be used; nothing was recorded.
        ModelNotFoundError: (a ValueError) `base_model_id` does not exist.
        PublishedError: (a ValueError) the model `base_model_id` is published.
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

    # Settings of this object, as in ClearML, not of the model.
    _task_id: str
    _entry: str | None  # the name given to `connect`
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
        description = operations.models.recording.describe(
            config_text=config_text,
            config_dict=config_dict,
            label_enumeration=label_enumeration,
            name=name,
            tags=tags,
            comment=comment,
            framework=framework,
        )
        self._entry = self._destination = None
        if base_model_id is None or is_empty(base_model_id):
            made = operations.models.outputs.make_output(
                self._chain.first, self._task_id, description
            )
        else:
            made = operations.models.outputs.overwrite(
                self._chain, self._task_id, base_model_id, description
            )
        self._subject = operations.finding.references.find_model(self._chain, made)

    @classmethod
    def _of(cls, chain: Chain, task_id: str, model_id: str) -> OutputModel:
        """Return a handle on an output of a task, in the first registry of a chain."""
        from localreg.operations.finding.upstream import Found

        model = handle(cls, chain, Found(chain.first, model_id))
        model._task_id, model._entry, model._destination = task_id, None, None
        return model

    @property
    def task(self) -> str | None:
        """Id of the task that made the model, also when another task has it as input."""
        return self.original_task

    def connect(self, task: object, name: str | None = None, **kwargs: object) -> None:
        """Make the model, and its later weights, an output of a task.

        A task without a configuration or labels gets those of the model.

        Args:
            task: a `Task`.
            name: the name of the output on the task from now on; if None, the weights' file name
                without its ending.
            kwargs: ignored.

        Raises:
            InvalidValueError: (a ValueError) `task` is not a task, or is in another registry.
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
        entry = operations.models.outputs.connect_output(found.registry, task.id, found.id, name)
        self._task_id, self._entry = task.id, entry or self._entry

    def set_upload_destination(self, uri: str | None) -> None:
        """Set the destination of the weights that this object uploads from now on.

        Args:
            uri: a folder (path or ``file://``), or one in an object store (``s3://…``); each task
                gets a folder in it. None for the destination of the task, or the default.

        Raises:
            InvalidURLError: (a ValueError) it cannot be a destination of uploads.
            PublishedError: (a ValueError) the model is published.
        """
        found = self._found()
        wanted = operations.weights.uploading.check_destination("uri", uri)
        operations.models.revisions.check_draft(found.registry, found.id)
        self._destination = wanted

    @property
    def upload_storage_uri(self) -> str | None:
        """The destination of uploads; None if the registry stores the weights."""
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
        """Give the model new weights, as the next revision; return their URL.

        The bytes go into the registry or, if one is set, to the upload destination. Nothing is
        replaced there: if the name is in use, the start of the digest is added to it. If another
        process takes the name during the upload, `url` has the final URL.

        Args:
            weights_filename: a local file; a folder becomes a package, as in
                `update_weights_package`.
            upload_uri: as `set_upload_destination`.
            target_filename: the file name of local copies; if None, that of the file.
            auto_delete_file: delete the file after its bytes are stored. ClearML's default is True.
            register_uri: a URL of existing weights, instead of a file; it is not read.
            iteration: the iteration of the weights, for the history.
            update_comment: add a line about the weights at the start of the model's comment.
            is_package: True if the weights are an archive of several files.
            async_enable: upload in the background; until it is done, the registry serves the
                bytes. See `wait_for_uploads`.
            keep_last: the number of revisions to keep, this one included; `gc` deletes the bytes
                of the others. None keeps all.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be used; nothing was changed.
            PublishedError: (a ValueError) the model is published.
            SourceNotFoundError: there is no such file.
            StorageError: (an OSError) the disk or the destination is full, or refused a write.

        Source: ``update_weights`` of ClearML's ``OutputModel``.
        """
        from localreg.api.models.new_weights import update

        new = self._new_weights(
            target_filename=target_filename,
            upload_uri=upload_uri,
            delete=auto_delete_file,
            iteration=iteration,
            comment=update_comment,
            package=is_package,
            background=async_enable,
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
        """Give the model a package of files as new weights; return its URL.

        Each file is stored once, however many packages have it; `get_weights_package` gives them.

        Args:
            weights_filenames: files, stored by their names without folders.
            weights_path: a folder, stored with all files in it.
            auto_delete_file: delete the files or the folder after their bytes are stored.
            upload_uri, target_filename, iteration, async_enable, keep_last: as in
                `update_weights`.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be used, or two files have the
                same name; nothing was changed.
            PublishedError, SourceNotFoundError, StorageError: as in `update_weights`.

        Source: ``update_weights_package`` of ClearML's ``OutputModel``.
        """
        from localreg.api.models.new_weights import update_package

        new = self._new_weights(
            target_filename=target_filename,
            upload_uri=upload_uri,
            delete=auto_delete_file,
            iteration=iteration,
            comment=True,
            package=True,
            background=async_enable,
            keep_last=keep_last,
        )
        url = update_package(
            self._own_chain(), self._found().id, new, weights_filenames, weights_path
        )
        self._destination = new.own_destination
        return url

    def _new_weights(self, upload_uri: object, **given: object) -> NewWeights:
        from localreg.api.models.new_weights import check_new_weights

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
        """Set the model's configuration, and the task's if it has none.

        Args:
            config_text: the configuration, kept byte for byte.
            config_dict: the configuration as a dict, kept as JSON; not both.

        Returns:
            False if neither was given: nothing changes.

        Raises:
            InvalidValueError: (a ValueError) the configuration cannot be stored.
            PublishedError: (a ValueError) the model is published.

        Source: ``update_design`` of ClearML's ``OutputModel``.
        """
        found = self._found()
        return operations.models.designs.set_config(
            found.registry, found.id, self._task_id, config_text, config_dict
        )

    def update_labels(self, labels: Mapping[str, int]) -> bool:
        """Set the label enumeration of the model and of the task; return True.

        Raises:
            InvalidValueError: (a ValueError) it is not a dict ``{label: integer}``.
            PublishedError: (a ValueError) the model is published.

        Source: ``update_labels`` of ClearML's ``OutputModel``.
        """
        found = self._found()
        operations.models.designs.set_labels(found.registry, found.id, self._task_id, labels)
        return True

    @property
    def config_text(self) -> str:
        """The configuration as text, "" without one. Setting it calls `update_design`."""
        return self._config()

    @config_text.setter
    def config_text(self, config_text: str) -> None:
        self.update_design(config_text=config_text)

    @property
    def config_dict(self) -> dict[str, object]:
        """The configuration as a dict, ``{}`` without one. Setting it calls `update_design`.

        Raises:
            ConfigTextError: (a ValueError) it cannot be read as a dict.
        """
        return Model.config_dict.__get__(self)  # type: ignore[no-any-return]  # as it types

    @config_dict.setter
    def config_dict(self, config_dict: dict[str, object]) -> None:
        self.update_design(config_dict=config_dict)

    @property
    def labels(self) -> dict[str, int]:
        """The label enumeration, ``{label: integer}``. Setting it calls `update_labels`."""
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
            timeout: seconds; uploads that are not done by then continue, and the log says so.
            max_num_uploads: wait only for so many uploads, those that began first.

        Raises:
            UploadError: (an OSError) an upload failed since the last call. Its weights are served
                from the registry.

        Source: ``wait_for_uploads`` of ClearML's ``OutputModel``.
        """
        seconds = operations.weights.uploading.check_timeout(timeout)
        most = operations.finding.queries.check_limit("max_num_uploads", max_num_uploads)
        unfinished = ambient.uploads().wait(seconds, most)
        if unfinished:
            log.info("%d uploads continue after %s seconds", unfinished, timeout)
        ambient.uploads().raise_failures()

    @classmethod
    def set_default_upload_uri(cls, output_uri: str | None) -> None:
        """Set the default destination of uploads, for models and tasks without one.

        Args:
            output_uri: a folder as in `set_upload_destination`; None for the registry.

        Raises:
            InvalidURLError: (a ValueError) it cannot be a destination of uploads.

        Source: ``set_default_upload_uri`` of ClearML's ``OutputModel``.
        """
        ambient.set_upload_uri(
            operations.weights.uploading.check_destination("output_uri", output_uri)
        )


def _task_of(task: object, registry: Registry | None) -> tuple[Chain, str]:
    """Return the id of the task that makes a model, and the chain to write through."""
    if task is None:
        possible = registry is not None or ambient.may_have_task()
        chain = open_of(registry) if possible else None
        current = ambient.current_task(chain) if chain else None
        if chain is None or current is None:
            if chain is not None:
                ambient.check_task_not_lost(chain)
            raise NoTaskError(
                "an OutputModel belongs to a task, and none is current: call Task.init first, or "
                "give task=",
                argument="task",
            )
        return chain, current
    if not isinstance(task, TaskHandle):
        raise InvalidValueError(f"task must be a Task, not {type(task).__name__}", argument="task")
    if registry is not None and open_of(registry).first != task._registry:
        raise InvalidValueError(
            f"the task is one of {task._registry.root}, and the registry is "
            f"{open_of(registry).first.root}",
            argument="registry",
        )
    return task._own_chain(), task.id
