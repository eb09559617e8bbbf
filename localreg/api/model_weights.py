"""The part of a model handle that gives local files of its weights."""

from __future__ import annotations

from collections.abc import Callable

from localreg import log
from localreg.errors import StorageError, WeightsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import TypeVar

    from localreg.api.subject import Subject

    Given = TypeVar("Given")


class WeightsMethods:
    """`get_local_copy` and its kin; mixed into `Model`."""

    __slots__ = ()

    _subject: Subject

    def get_weights(
        self,
        raise_on_error: bool = False,
        force_download: bool = False,
        extract_archive: bool = False,
    ) -> str | None:
        """Return a local file with the model's weights.

        Weights that the registry keeps come as a read-only file under their original name; a
        ``file://`` URL gives the very file it names.

        Args:
            raise_on_error: raise when there is no such file, instead of a warning and None.
            force_download: fetch remote weights again; means nothing for local ones.
            extract_archive: unpack an archive; not in this version.

        Raises:
            WeightsError: (a ValueError) there is none, and `raise_on_error`.
            NotImplementedError: the weights are remote, or an archive is to be unpacked.

        Source: ``get_weights`` of the InputModel page.
        """
        return self._or_none(lambda: self._file(extract_archive), raise_on_error)

    def get_weights_package(
        self,
        return_path: bool = False,
        raise_on_error: bool = False,
        force_download: bool = False,
        extract_archive: bool = True,
    ) -> str | list[Path] | None:
        """Return the files of a packaged model; packages are not unpacked in this version.

        Args:
            return_path: return the folder instead of the list of what is in it.
            raise_on_error: raise when the package cannot be had, instead of a warning and None.
            force_download: fetch it again.
            extract_archive: with False, the list is the archive itself.

        Raises:
            NotAPackageError: (a ValueError) the model is a single file.
            NotImplementedError: it is to be unpacked, or is remote.

        Source: ``get_weights_package`` of the InputModel page.
        """
        self._subject.check_package()
        path = self._or_none(lambda: self._file(extract_archive), raise_on_error)
        if path is None or return_path:
            return path
        from pathlib import Path

        return [Path(path)]

    def get_local_copy(
        self,
        extract_archive: bool | None = None,
        raise_on_error: bool = False,
        force_download: bool = False,
    ) -> str | None:
        """Return a local path of the model: its file, or the folder of a package.

        Args:
            extract_archive: unpack an archive; None unpacks packages only.
            raise_on_error: raise when there is none, instead of a warning and None.
            force_download: fetch remote weights again; means nothing for local ones.

        Raises:
            WeightsError: (a ValueError) there is none, and `raise_on_error`.
            NotImplementedError: the weights are remote, or an archive is to be unpacked.

        Source: ``get_local_copy`` of the InputModel page.
        """
        package = self._subject.row().package
        extract = package if extract_archive is None else extract_archive
        return self._or_none(lambda: self._file(extract), raise_on_error)

    def _file(self, extract: bool) -> str:
        path = self._subject.local_file()
        archive = path.lower().endswith((".zip", ".tgz", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz"))
        if extract and archive:
            raise NotImplementedError(
                f"this version of localreg does not unpack archives: {path}; "
                "extract_archive=False gives the file"
            )
        return path

    def _or_none(self, get: Callable[[], Given], raise_on_error: bool) -> Given | None:
        try:
            return get()
        except (WeightsError, StorageError) as error:
            if raise_on_error:
                raise
            log.warning("%s", error)
            return None
