"""How the providers of object stores differ: their variables, credentials and settings.

A new provider needs an entry in `PROVIDERS`, its schemes in `localreg.values.urls.CLOUDS`, and, if
its URLs are special, a case in `place.place_of`. `stores.open_store` passes the scheme to obstore,
which must know it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from localreg.blobs.transfer.cloud.aws_settings import aws_settings
from localreg.blobs.transfer.cloud.azure_settings import azure_settings
from localreg.blobs.transfer.cloud.place import Place
from localreg.errors import InvalidURLError
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Provider(Frozen, kw_only=True):
    """One provider of object stores.

    Attributes:
        prefixes: beginnings of the names of its environment variables.
        endpoints: variables that name the server, the most important one first.
        credentials: which variables to set for credentials, as the end of a sentence.
        options: returns options for obstore's store, from a place and the environment; raises
            InvalidURLError for a setting that cannot be used.
    """

    prefixes: tuple[str, ...]
    endpoints: tuple[str, ...]
    credentials: str
    options: Callable[[Place, Mapping[str, str]], dict[str, Any]]


def invalid_setting(what: str) -> InvalidURLError:
    """Return the error for a setting in the environment that cannot be used."""
    return InvalidURLError(what, argument="weights_url")


def _s3_options(place: Place, environment: Mapping[str, str]) -> dict[str, Any]:
    options = aws_settings(environment)
    if place.host is not None:
        plain = environment.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes", "on")
        options["endpoint"] = f"{'http' if plain else 'https'}://{place.host}"
        variable = environment.get("AWS_ENDPOINT_URL_S3", options["endpoint"])
        if variable.rstrip("/") != options["endpoint"]:  # obstore prefers it to any option
            raise invalid_setting(
                "AWS_ENDPOINT_URL_S3 names another server than the URL does; unset it, or remove "
                "the server from the URL"
            )
        options["virtual_hosted_style_request"] = False
    return options


def _google_options(place: Place, environment: Mapping[str, str]) -> dict[str, Any]:
    account = environment.get("GOOGLE_APPLICATION_CREDENTIALS")
    if account and not os.path.isfile(account):  # noqa: PTH113  (Path.is_file may raise)
        raise invalid_setting(
            f"GOOGLE_APPLICATION_CREDENTIALS names a file that does not exist: {account!r:.200}"
        )
    return {}


def _azure_options(place: Place, environment: Mapping[str, str]) -> dict[str, Any]:
    account = {} if place.account is None else {"account_name": place.account}
    return azure_settings(environment) | account


PROVIDERS = {
    "s3": Provider(
        prefixes=("AWS_",),
        endpoints=("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
        credentials="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; "
        "AWS_SKIP_SIGNATURE=true for public objects",
        options=_s3_options,
    ),
    "gs": Provider(
        prefixes=("GOOGLE_",),
        endpoints=("GOOGLE_BASE_URL", "GOOGLE_ENDPOINT"),
        credentials="GOOGLE_APPLICATION_CREDENTIALS, the path of a service account's JSON file; "
        "GOOGLE_SKIP_SIGNATURE=true for public objects",
        options=_google_options,
    ),
    "az": Provider(
        prefixes=("AZURE_", "AZURE_STORAGE_"),
        endpoints=("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
        credentials="AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or "
        "AZURE_STORAGE_SAS_TOKEN, or AZURE_STORAGE_CONNECTION_STRING; "
        "AZURE_SKIP_SIGNATURE=true for public objects",
        options=_azure_options,
    ),
}
