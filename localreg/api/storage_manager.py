"""`StorageManager`: local copies of what URLs serve, with or without a model."""

from __future__ import annotations

import os

from localreg import log, operations
from localreg.api.models.local_copies import or_none
from localreg.api.models.model import open_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.api.registry import Registry


class StorageManager:
    """Downloads through the registry: once for each URL, verified, by one process at a time.

    Source: ``StorageManager`` of the ClearML SDK.
    """

    __slots__ = ()

    @classmethod
    def get_local_copy(
        cls,
        remote_url: str | os.PathLike[str],
        cache_context: str | None = None,
        extract_archive: bool = True,
        name: str | None = None,
        force_download: bool = False,
        *,
        expected_sha256: str | None = None,
        raise_on_error: bool = False,
        registry: Registry | None = None,
    ) -> str | None:
        """Return a local path of what a URL serves; of a local path, the path itself.

        Args:
            remote_url: a URL or a path.
            cache_context: means nothing here; there is one cache, by content.
            extract_archive: return the folder that an archive unpacks to, read-only.
            name: the name it is handed out under; the URL's own when None.
            force_download: fetch it again.
            expected_sha256: 64 hex digits that the bytes must have.
            raise_on_error: raise when there is none, instead of a warning and None.
            registry: whose cache; the current registry's when None.

        Raises:
            InvalidURLError: (a ValueError) the URL cannot be used.
            WeightsError, StorageError: what hinders it, with `raise_on_error`.

        Source: ``StorageManager.get_local_copy`` of the ClearML SDK, where `raise_on_error` and
        what follows it do not exist.
        """
        opened = open_of(registry)
        if cache_context is not None:
            log.info("cache_context=%r means nothing here: there is one cache", cache_context)
        wish = operations.weights.local_copies.check_wish(
            remote_url, name=name, expected=expected_sha256, force=bool(force_download)
        )
        return or_none(
            lambda: str(
                operations.weights.local_copies.copy_of_url(
                    opened, wish, extract=bool(extract_archive)
                )
            ),
            raise_on_error,
        )
