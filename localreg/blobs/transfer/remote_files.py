"""What a server has: the size of a file, and the objects in a folder of an object store."""

from __future__ import annotations

from localreg.blobs.transfer.pace import Watch, pace_from_environment
from localreg.errors import DownloadError
from localreg.values.frozen import Frozen
from localreg.values.urls import public_url


class RemoteFile(Frozen):
    """A file of a server.

    Attributes:
        url: its URL.
        name: its path below the folder that was asked for, or its own name.
        size: number of bytes.
    """

    url: str
    name: str
    size: int


def size_of(url: str) -> int | None:
    """Return the number of bytes that a http or https URL serves; None if the server does not say.

    Raises:
        DownloadError: the server does not have it, or does not answer.
    """
    from localreg.blobs.transfer.http.request import BrokenConnectionError, Client

    pace = pace_from_environment()
    with Watch(pace) as watch:
        client = Client(url, pace, watch, pinned=False)
        watch.start()
        try:
            with client.answer({}) as response:  # the body is not read
                if response.status_code != 200:
                    raise client.refused(
                        f"answers {response.status_code} {response.reason or ''}".rstrip(),
                        response.status_code,
                    )
                text = response.headers.get("Content-Length", "")
                encoded = response.headers.get("Content-Encoding", "identity") != "identity"
        except BrokenConnectionError as error:
            shown = public_url(url)
            raise DownloadError(
                f"{shown} cannot be looked at: {error}", url=shown, status=None
            ) from error
        finally:
            watch.stop()
            client.close()
    return int(text) if text.isascii() and text.isdigit() and not encoded else None


def files_at(url: str) -> list[RemoteFile]:
    """Return the object of a URL, or all objects in the folder that it names, by name.

    Raises:
        DownloadError: there is none, or the server does not answer.
    """
    from localreg.blobs.transfer.cloud.listing import objects_at

    found = [
        RemoteFile(at, name, size) for at, name, size in objects_at(url, pace_from_environment())
    ]
    if not found:
        shown = public_url(url)
        raise DownloadError(
            f"there is no object, and no folder with objects, at {shown}", url=shown, status=404
        )
    return found
