"""The part of a model handle that gives local files of its weights."""

from __future__ import annotations

from collections.abc import Callable

from localreg import log, operations
from localreg.api.models.model_handle import ModelHandle
from localreg.errors import (
    InvalidValueError,
    LockTimeoutError,
    ReadOnlyRegistryError,
    StorageError,
    WeightsError,
)
from localreg.progress import shown_progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from pathlib import Path
    from typing import TypeVar

    from localreg.operations.models.revisions import Revision

    Given = TypeVar("Given")

# Why a local copy cannot be had: with `raise_on_error=False` a warning and None.
_CANNOT = (WeightsError, StorageError, LockTimeoutError, ReadOnlyRegistryError)


class WeightsMethods(ModelHandle):
    """`get_local_copy` and its kin; mixed into `Model`."""

    __slots__ = ()

    def get_weights(
        self,
        raise_on_error: bool = False,
        force_download: bool = False,
        extract_archive: bool = False,
    ) -> str | None:
        """Return a local file with the model's weights.

        Weights that the registry keeps come as a read-only file under their original name; a
        ``file://`` URL gives the very file it names; what a URL serves is downloaded once, and
        must be the same bytes ever after.

        Args:
            raise_on_error: raise when there is no such file, instead of a warning and None.
            force_download: fetch remote weights again, and accept other bytes with a warning,
                unless the model is published or a checksum was given; means nothing for local
                ones.
            extract_archive: return the folder that an archive unpacks to, read-only.

        Raises:
            WeightsError: (a ValueError) there is none, and `raise_on_error`.
            StorageError, LockTimeoutError, ReadOnlyRegistryError: (OSErrors) likewise.

        Source: ``get_weights`` of the InputModel page.
        """
        path = or_none(lambda: self._copy(bool(extract_archive), force_download), raise_on_error)
        return None if path is None else str(path)

    def get_weights_package(
        self,
        return_path: bool = False,
        raise_on_error: bool = False,
        force_download: bool = False,
        extract_archive: bool = True,
    ) -> str | list[Path] | None:
        """Return the files of a packaged model, unpacked to a read-only folder.

        Args:
            return_path: return the folder instead of the sorted list of what is in it.
            raise_on_error: raise when the package cannot be had, instead of a warning and None.
            force_download: as in `get_weights`.
            extract_archive: with False, the list is the archive itself.

        Raises:
            NotAPackageError: (a ValueError) the model is a single file.
            WeightsError: (a ValueError) there is none, and `raise_on_error`.
            StorageError, LockTimeoutError, ReadOnlyRegistryError: (OSErrors) likewise.

        Source: ``get_weights_package`` of the InputModel page.
        """
        self._check_package()
        path = or_none(lambda: self._copy(bool(extract_archive), force_download), raise_on_error)
        if path is None or return_path:
            return None if path is None else str(path)
        return sorted(path.iterdir()) if path.is_dir() else [path]

    def get_local_copy(
        self,
        extract_archive: bool | None = None,
        raise_on_error: bool = False,
        force_download: bool = False,
        *,
        mutable: bool = False,
        target_folder: str | os.PathLike[str] | None = None,
    ) -> str | None:
        """Return a local path of the model: its file, or the folder of a package.

        Args:
            extract_archive: unpack an archive; None unpacks packages only.
            raise_on_error: raise when there is none, instead of a warning and None.
            force_download: as in `get_weights`.
            mutable: return a private copy that may be written to, and that nobody else deletes.
            target_folder: where the private copy goes, under its original name; a temporary
                folder of its own when None. Implies `mutable`.

        Raises:
            WeightsError: (a ValueError) there is none, and `raise_on_error`.
            StorageError, LockTimeoutError, ReadOnlyRegistryError: (OSErrors) likewise.
            InvalidValueError: (a ValueError) something of that name is in the target folder.

        Source: ``get_local_copy`` of the InputModel page.
        """

        def get() -> str:
            path = self._copy(extract_archive, force_download)
            if mutable or target_folder is not None:
                chain, found = self._place()
                return str(
                    operations.weights.local_copies.private_copy(chain, found, path, target_folder)
                )
            return str(path)

        return or_none(get, raise_on_error)

    def revisions(self) -> list[Revision]:
        """Return every revision of the model's weights, oldest first.

        Each has `revision` (its number), `current`, `filename`, `digest`, `size`, `url` (where the
        bytes can be read) and `at` (when it was recorded).

        Raises:
            ModelNotFoundError: the model is gone.
        """
        return operations.models.revisions.revisions(*self._place())

    def restore_weights(self, revision: int) -> None:
        """Serve an earlier revision of the weights again, or go forth to a later one.

        Args:
            revision: its number, see `revisions`.

        Raises:
            NotFoundError: (a ValueError) there is no such revision.
            PublishedError: (a ValueError) the model is published.
            ModelNotFoundError: the model is gone.
        """
        found = self._found()
        operations.models.revisions.restore_weights(found.registry, found.id, revision)

    def _copy(self, extract: bool | None, force: bool) -> Path:
        chain, found = self._weights_place()
        with shown_progress(f"Fetching model {found.id[:8]}") as progress:
            return operations.weights.local_copies.local_copy(
                chain,
                found,
                extract=None if extract is None else bool(extract),
                force=bool(force),
                progress=progress,
            )


def or_none(get: Callable[[], Given], raise_on_error: bool) -> Given | None:
    """Return what `get` gives; a local copy that cannot be had is a warning and None, or raised.

    Raises:
        InvalidValueError: an argument cannot be used, whatever `raise_on_error`.
    """
    try:
        return get()
    except InvalidValueError:
        raise
    except _CANNOT as error:
        if raise_on_error:
            raise
        log.warning("%s", error)
        return None
