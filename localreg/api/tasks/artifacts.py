"""`Artifact`, and the part of `Task` that stores artifacts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from localreg import operations
from localreg.api.models.local_copies import or_none
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError
from localreg.values.checks import check_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.registry import Chain, OpenRegistry
    from localreg.values.records import ArtifactRecord


class Artifact:
    """One artifact of a task; every property reads the registry.

    Source: ``Artifact`` of the ClearML SDK.
    """

    __slots__ = ("_chain", "_name", "_registry", "_task")

    def __init__(self, chain: Chain, registry: OpenRegistry, task: str, name: str) -> None:
        self._chain, self._registry, self._task, self._name = chain, registry, task, name

    def __repr__(self) -> str:
        return f"Artifact({self._name!r} of task {self._task!r})"

    def _record(self) -> ArtifactRecord:
        return operations.tasks.artifacts.artifact(self._registry, self._task, self._name)

    @property
    def name(self) -> str:
        """Its name on the task."""
        return self._name

    @property
    def type(self) -> str:
        """The kind of value: "file", "package", "url", "json", "text", "bytes", "numpy", …."""
        return self._record().kind

    @property
    def size(self) -> int:
        """Its size in bytes; of a package that of its files."""
        return self._record().bytes

    @property
    def hash(self) -> str:
        """sha256 of its bytes, or of the manifest of a package, as 64 hex digits."""
        return self._record().digest

    @property
    def url(self) -> str:
        """The ``file://`` URL of the registry's own copy, which moves with the directory.

        Of an artifact that was given as a URL, that URL.
        """
        record = self._record()
        if record.kind == "url":
            return str(operations.tasks.artifacts.given_url(self._chain, self._registry, record))
        return operations.tasks.artifacts.local_path(
            self._chain, self._registry, record, extract=record.total is not None
        ).as_uri()

    @property
    def timestamp(self) -> datetime:
        """When it was stored, in UTC."""
        return datetime.fromtimestamp(self._record().at / 1_000_000, UTC)

    @property
    def metadata(self) -> object:
        """The metadata given to `upload_artifact`, or None."""
        return self._record().details.get("metadata")

    @property
    def preview(self) -> str | None:
        """Its beginning as text, or None."""
        preview = self._record().details.get("preview")
        return None if preview is None else str(preview)

    def get_local_copy(
        self,
        extract_archive: bool = True,
        raise_on_error: bool = False,
        force_download: bool = False,
    ) -> str | None:
        """Return the path of a read-only file, or of the folder of a package.

        Args:
            extract_archive: unpack an archive. With False, a package is given as a zip.
            raise_on_error: raise errors, instead of a warning and None.
            force_download: download it again, if it was given as a URL.

        Raises:
            CorruptBlobError, ArchiveError: (ValueErrors) with `raise_on_error`.
            DownloadError: it was given as a URL, and cannot be downloaded, with `raise_on_error`.
        """
        record = self._record()
        return or_none(
            lambda: str(
                operations.tasks.artifacts.local_path(
                    self._chain,
                    self._registry,
                    record,
                    extract=check_flag("extract_archive", extract_archive),
                    force=check_flag("force_download", force_download),
                )
            ),
            raise_on_error,
        )

    def get(
        self,
        force_download: bool = False,
        deserialization_function: Callable[[bytes], object] | None = None,
    ) -> object:
        """Return the stored value; for a file, its path.

        Args:
            force_download: download it again, if it was given as a URL.
            deserialization_function: turns the bytes into the value.

        Raises:
            InvalidValueError: (a ValueError) it was stored by a `serialization_function`: give
                `deserialization_function`.
            CorruptBlobError: (a ValueError) its bytes are damaged or missing.
        """
        record = self._record()
        extract = record.total is not None and deserialization_function is None
        path = operations.tasks.artifacts.local_path(
            self._chain,
            self._registry,
            record,
            extract=extract,
            force=check_flag("force_download", force_download),
        )
        if deserialization_function is not None:
            return deserialization_function(path.read_bytes())
        return operations.tasks.artifacts.load(path, record.kind, record.details)


class Artifacts(Mapping[str, Artifact]):
    """The artifacts of a task, by name."""

    def __init__(self, chain: Chain, registry: OpenRegistry, task: str) -> None:
        self._chain, self._registry, self._task = chain, registry, task

    def __getitem__(self, name: str) -> Artifact:
        if name not in operations.tasks.artifacts.artifacts(self._registry, self._task):
            raise KeyError(name)
        return Artifact(self._chain, self._registry, self._task, name)

    def __iter__(self) -> Iterator[str]:
        return iter(operations.tasks.artifacts.artifacts(self._registry, self._task))

    def __len__(self) -> int:
        return len(operations.tasks.artifacts.artifacts(self._registry, self._task))

    def __repr__(self) -> str:
        return f"Artifacts({', '.join(self)})"


class ArtifactMethods(TaskHandle):
    """Store and remove artifacts; mixed into `Task`."""

    __slots__ = ()

    @property
    def artifacts(self) -> Artifacts:
        """The artifacts of the task, by name."""
        return Artifacts(self._chain, self._registry, self._id)

    def upload_artifact(
        self,
        name: str,
        artifact_object: object,
        metadata: Mapping[str, object] | None = None,
        delete_after_upload: bool = False,
        auto_pickle: bool | None = None,
        preview: object = None,
        wait_on_upload: bool = False,
        extension_name: str | None = None,
        serialization_function: Callable[[object], bytes | bytearray] | None = None,
        retries: int = 0,
        sort_keys: bool = True,
    ) -> bool:
        """Store a file or a value in the registry, under a name.

        Args:
            name: of the artifact; an artifact of this name is replaced.
            artifact_object: the path of a file or folder, a wildcard ("out/*.jpg", which also
                matches below "out"), a list of `pathlib.Path`; the URL of a file elsewhere; bytes,
                a text, a numpy array or tensor, a pandas or polars DataFrame (a Series comes back
                as one of one column), a PIL image, or a JSON value. Several files become one
                package. A str is a path if there is such a file, folder or match; if it only looks
                like one, a warning says that its text is stored.
            metadata: JSON values that describe it.
            delete_after_upload: delete the file at the path when it is stored.
            auto_pickle: ignored: nothing is pickled. Give `serialization_function` instead.
            preview: its beginning, for people to read.
            wait_on_upload, retries, sort_keys: ignored.
            extension_name: the suffix of the filename, such as ".yaml"; at most 20 characters.
            serialization_function: turns any value into bytes.

        Returns:
            True.

        Raises:
            InvalidValueError: (a ValueError) it cannot be stored.
            SourceNotFoundError: (an OSError) there is no file at a `pathlib.Path`.
            StorageError: (an OSError) the disk is full or failed.

        Source: ``Task.upload_artifact`` of the ClearML SDK.
        """
        from localreg.values.checks import check_key, check_text, shown

        if extension_name is not None:
            ending = check_text("extension_name", extension_name, limit=20)
            if not ending.strip(".").isalnum():
                raise InvalidValueError(
                    f"extension_name must be a suffix such as .yaml, not {shown(extension_name)}",
                    argument="extension_name",
                )
        prepared = operations.tasks.artifacts.prepare(
            self._own_chain(),
            check_key("name", name),
            artifact_object,
            ending=extension_name,
            serialize=serialization_function,
            move=check_flag("delete_after_upload", delete_after_upload),
        )
        operations.tasks.artifacts.keep_artifact(
            self._own_chain(), self._id, name, prepared, metadata=metadata, preview=preview
        )
        return True

    def delete_artifacts(
        self,
        artifact_names: Sequence[str],
        raise_on_errors: bool = True,
        delete_from_storage: bool = True,
        silent_on_errors: bool = False,
    ) -> bool:
        """Remove artifacts; `gc` deletes the bytes that nothing else needs.

        Args:
            artifact_names: their names.
            raise_on_errors: raise an error for one that does not exist, instead of False.
            delete_from_storage, silent_on_errors: ignored.

        Raises:
            InvalidValueError: (a ValueError) `artifact_names` is not a list.
            NotFoundError: (a LookupError) an artifact does not exist, with `raise_on_errors`.
        """
        from localreg.values.checks import check_text, shown

        if isinstance(artifact_names, str) or not isinstance(artifact_names, Iterable):
            raise InvalidValueError(
                f"artifact_names must be a list of names, not {shown(artifact_names)}",
                argument="artifact_names",
            )
        whole = True
        for name in [check_text("artifact_names", each) for each in artifact_names]:
            try:
                operations.tasks.artifacts.drop_artifact(self._registry, self._id, name)
            except LookupError:
                if raise_on_errors:
                    raise
                whole = False
        return whole
