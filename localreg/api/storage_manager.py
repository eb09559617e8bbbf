"""`StorageManager`: local copies of files at URLs, with or without a model."""

from __future__ import annotations

import os

from localreg import log, operations
from localreg.api.models.local_copies import or_none
from localreg.api.models.model import open_of
from localreg.values.checks import check_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.api.registry import Registry


class StorageManager:
    """Downloads through the registry: each URL once, verified, by one process at a time.

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
        """Return the path of a local copy of a URL's file; a local path is returned unchanged.

        Args:
            remote_url: a URL or a path.
            cache_context: ignored: there is one cache, by content.
            extract_archive: unpack an archive, and return the folder, which is read-only.
            name: the name of the copy; if None, that of the URL.
            force_download: download it again.
            expected_sha256: the digest that the bytes must have, 64 hex digits.
            raise_on_error: raise an error instead of a warning and None.
            registry: the registry with the cache; the current one if None.

        Raises:
            InvalidURLError: (a ValueError) the URL cannot be used.
            WeightsError, StorageError: with `raise_on_error`, if there is no copy.

        Source: ``StorageManager.get_local_copy`` of the ClearML SDK, which does not have the
        keyword-only arguments.
        """
        chain = open_of(registry, make=True)
        if cache_context is not None:
            log.info("cache_context=%r is ignored: there is one cache", cache_context)
        wish = operations.weights.local_copies.check_wish(
            "remote_url",
            remote_url,
            name=name,
            expected=expected_sha256,
            force=check_flag("force_download", force_download),
        )
        return or_none(
            lambda: str(
                operations.weights.local_copies.copy_of_url(
                    chain, wish, extract=check_flag("extract_archive", extract_archive)
                )
            ),
            raise_on_error,
        )
