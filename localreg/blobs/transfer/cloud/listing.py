"""List the objects in a folder of an object store."""

from __future__ import annotations

from contextlib import contextmanager
from urllib.parse import quote

from localreg.blobs.transfer.cloud.errors import errors_of_obstore, trouble_of
from localreg.blobs.transfer.cloud.event_loop import ForkedError, run_in_loop
from localreg.blobs.transfer.cloud.place import place_of
from localreg.blobs.transfer.cloud.stores import check_extra, open_store
from localreg.errors import DownloadError, InvalidURLError
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from localreg.blobs.transfer.pace import Pace

RETRIES = 3
PATIENCE = 10.0  # times the allowed silence: the time limit of one request


def objects_at(url: str, pace: Pace) -> list[tuple[str, str, int]]:
    """Return URL, name and size of the object at a URL, or of all objects below it, by name.

    The name of an object below a folder is its path there. Names with empty parts are left out.

    Raises:
        DownloadError: the server does not answer, or refuses.
    """
    shown = public_url(url)
    base = url.rstrip("/")
    try:
        check_extra(url)
        place = place_of(base)
    except InvalidURLError as error:
        raise DownloadError(str(error), url=shown, status=None) from None

    async def every() -> list[tuple[str, int]]:
        with _translated(shown, place.scheme):
            store = open_store(
                place,
                retries=RETRIES,
                patience=PATIENCE * pace.silence,
                connect=pace.connect,
                pause=pace.pause,
            )
            if place.key and not url.endswith("/"):
                try:
                    seen = await store.head_async(place.key)
                    return [(place.key, seen["size"])]
                except errors_of_obstore() as error:
                    if not trouble_of(error, place.scheme).missing:
                        raise
            found: list[tuple[str, int]] = []
            async for batch in store.list(prefix=place.key or None):
                found += [(each["path"], each["size"]) for each in batch]
            return found

    try:
        listed = run_in_loop(every)
    except ForkedError as error:
        raise DownloadError(f"{shown} cannot be listed: {error}", url=shown, status=None) from None
    if [path for path, _ in listed] == [place.key]:
        return [(url, place.key.rpartition("/")[2], listed[0][1])]
    start = len(place.key) + 1 if place.key else 0
    return sorted(
        (f"{base}/{quote(path[start:], safe='/')}", path[start:], size)
        for path, size in listed
        if all(part not in ("", ".", "..") for part in path[start:].split("/"))
    )


@contextmanager
def _translated(shown: str, scheme: str) -> Iterator[None]:
    try:
        yield
    except errors_of_obstore() as error:
        trouble = trouble_of(error, scheme)
        raise DownloadError(
            f"{shown} cannot be listed: {trouble.what}", url=shown, status=trouble.status
        ) from None
