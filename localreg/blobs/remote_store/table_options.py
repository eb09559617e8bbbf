"""The options by which deltalake reaches an object store: the same as those of obstore."""

from __future__ import annotations

import os
import re

from localreg.blobs.transfer.cloud.place import Place
from localreg.blobs.transfer.cloud.providers import PROVIDERS
from localreg.blobs.transfer.cloud.stores import settings_of
from localreg.blobs.transfer.pace import Pace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_ANSWERED = re.compile(r"status code\s*↳\s*(\d{3})\b")


def table_url(place: Place) -> str:
    """Return the URL of a place as deltalake reads it: not encoded, without server and account."""
    return f"{place.scheme}://{place.bucket}/{place.key}".rstrip("/")


def table_options(place: Place, pace: Pace) -> dict[str, str]:
    """Return the storage options for the tables of a place.

    Raises:
        InvalidURLError: a variable cannot be used.
    """
    options, client = settings_of(place)
    client.pop("root_certificate", None)
    credentials = options.pop("credential_provider", None)
    if credentials is not None:
        options |= _of_now(credentials())
    named = {
        name.lower(): value
        for name, value in os.environ.items()
        if name.startswith(PROVIDERS[place.scheme].prefixes) and value
    }
    # The environment uses other names for the same options; an option of ours must be the only one.
    for option in options:
        for name in list(named):
            if name.removeprefix("aws_").removeprefix("azure_storage_") == option:
                del named[name]
    prefix = {"s3": "aws_", "gs": "google_", "az": "azure_"}[place.scheme]
    return (
        named
        | {f"{prefix}{name}": _text(value) for name, value in options.items()}
        | {name: _text(value) for name, value in client.items()}
        | {"timeout": f"{pace.silence:g}s", "connect_timeout": f"{pace.connect:g}s"}
        | {"max_retries": "4", "retry_timeout": f"{pace.silence:g}s"}
    )


def plain_text(error: BaseException) -> str:
    """Return the text of an error of deltalake as those of obstore are written."""
    return _ANSWERED.sub(r"status code: \1", _STYLE.sub("", str(error)))


def _of_now(found: Any) -> dict[str, str]:  # noqa: ANN401  (what obstore's providers return)
    names = {
        "access_key_id": "access_key_id",
        "secret_access_key": "secret_access_key",
        "token": "session_token",
    }
    return {ours: found[theirs] for theirs, ours in names.items() if found.get(theirs)}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
