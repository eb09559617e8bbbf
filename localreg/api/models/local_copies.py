"""The methods of `Model` that return local files of its weights."""

from __future__ import annotations

import os

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
from localreg.values.checks import check_flag, check_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeVar

    from localreg.operations.models.revisions import Revision

    Given = TypeVar("Given")

# With `raise_on_error=False` these become a warning and None.
_CANNOT = (WeightsError, StorageError, LockTimeoutError, ReadOnlyRegistryError)


class WeightsMethods(ModelHandle):
    """`get_weights`, `get_local_copy` and revisions; a base of `Model`."""

    __slots__ = ()

    def get_weights(
        self,
        raise_on_error: bool = False,
        force_download: bool = False,
        extract_archive: bool = False,
    ) -> str | None:
        """Return a local file with the model's weights.

        Weights in the registry are a read-only file under their original name. A ``file://`` URL
        gives the file that it names. Remote weights are downloaded once; later downloads must give
        the same bytes.

        Args:
            raise_on_error: raise an error instead of logging a warning and returning None.
            force_download: download remote weights again, and accept other bytes with a warning,
                unless the model is published or a checksum was given. No effect on local weights.
            extract_archive: return the read-only folder that an archive unpacks to.

        Raises:
            WeightsError: (a ValueError) with `raise_on_error`: there is no such file. A TrustError
                is one: the registry gives out signed weights only, and no trusted key signed these.
            StorageError, LockTimeoutError, ReadOnlyRegistryError: (OSErrors) with `raise_on_error`.

        Source: ``get_weights`` of the InputModel page.
        """
        path = or_none(
            lambda: self._copy(check_flag("extract_archive", extract_archive), force_download),
            raise_on_error,
        )
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
            return_path: return the folder instead of the sorted list of its entries.
            raise_on_error, force_download: as in `get_weights`.
            extract_archive: with False, the list contains the archive itself.

        Raises:
            NotAPackageError: (a ValueError) the model is a single file.
            WeightsError, StorageError, LockTimeoutError, ReadOnlyRegistryError: as `get_weights`.

        Source: ``get_weights_package`` of the InputModel page.
        """
        self._check_package()
        path = or_none(
            lambda: self._copy(check_flag("extract_archive", extract_archive), force_download),
            raise_on_error,
        )
        if path is None or return_path:
            return None if path is None else str(path)
        return sorted(path.iterdir()) if path.is_dir() else [path]

    def get_local_copy(
        self,
        extract_archive: bool | None = None,
        raise_on_error: bool = False,
        force_download: bool = False,
        *,
        file: str | os.PathLike[str] | None = None,
        mutable: bool = False,
        target_folder: str | os.PathLike[str] | None = None,
    ) -> str | None:
        """Return a local path of the model: its file, or the folder of a package.

        Args:
            extract_archive: unpack an archive; None unpacks packages only.
            raise_on_error, force_download: as in `get_weights`.
            file: return only this file of a package, such as "tokenizer/vocab.txt". A file of a
                package that is executable is so in the folder, and in a private copy.
            mutable: return a private, writable copy, which localreg never deletes.
            target_folder: the folder for the private copy, under its original name; None for a
                new temporary folder. Implies `mutable`.

        Raises:
            WeightsError, StorageError, LockTimeoutError, ReadOnlyRegistryError: as `get_weights`.
            InvalidValueError: (a ValueError) the target folder has something of that name, or
                `file` is a folder of the package.
            NotFoundError: (a ValueError) the package has no such file.

        Source: ``get_local_copy`` of the InputModel page.
        """
        name = None if file is None else _file_name(file, extract_archive)

        def get() -> str:
            plain = not (
                check_flag("mutable", mutable) or check_flag("force_download", force_download)
            )
            if name is None and target_folder is None and plain:
                ready = self._ready_copy(extract_archive)
                if ready is not None:  # most calls end here
                    return ready
            path = self._copy(extract_archive, force_download, name)
            if check_flag("mutable", mutable) or target_folder is not None:
                chain, found = self._place()
                return str(
                    operations.weights.local_copies.private_copy(
                        chain, found, path, target_folder, name
                    )
                )
            return str(path)

        return or_none(get, raise_on_error)

    def revisions(self) -> list[Revision]:
        """Return every revision of the model's weights, oldest first.

        Each has `revision` (its number), `current`, `filename`, `digest`, `size`, `url` (where the
        bytes can be read) and `at` (when it was recorded). If the registry gives out signed weights
        only, `url` is None for others that are on this machine.
        """
        return operations.models.revisions.revisions(*self._place())

    def restore_weights(self, revision: int) -> None:
        """Make another revision of the weights the current one.

        Args:
            revision: its number; see `revisions`.

        Raises:
            NotFoundError: (a ValueError) there is no such revision.
            PublishedError: (a ValueError) the model is published.
        """
        found = self._found()
        operations.models.revisions.restore_weights(found.registry, found.id, revision)

    def _ready_copy(self, extract: bool | None) -> str | None:
        chain, found = self._weights_place()
        return operations.weights.local_copies.ready_copy(
            chain, found, extract=None if extract is None else check_flag("extract", extract)
        )

    def _copy(self, extract: bool | None, force: bool, file: str | None = None) -> Path:
        chain, found = self._weights_place()
        with shown_progress(f"Fetching model {found.id[:8]}") as progress:
            return operations.weights.local_copies.local_copy(
                chain,
                found,
                extract=None if extract is None else check_flag("extract", extract),
                force=check_flag("force", force),
                file=file,
                progress=progress,
            )


def _file_name(file: object, extract: bool | None) -> str:
    if extract is False:
        raise InvalidValueError(
            "extract_archive=False asks for a package as an archive, and file for one of its "
            "files: leave out one of them",
            argument="file",
        )
    if not isinstance(file, (str, os.PathLike)):
        raise InvalidValueError(
            f"file must be a str or os.PathLike, not {type(file).__name__}", argument="file"
        )
    return check_text("file", os.fspath(file))


def or_none(get: Callable[[], Given], raise_on_error: bool) -> Given | None:
    """Return what `get` returns. If it fails, log a warning and return None, or raise the error.

    An InvalidValueError, which is about an argument, is always raised.
    """
    raising = check_flag("raise_on_error", raise_on_error)
    try:
        return get()
    except InvalidValueError:
        raise
    except _CANNOT as error:
        if raising:
            raise
        log.warning("%s", error)
        return None
