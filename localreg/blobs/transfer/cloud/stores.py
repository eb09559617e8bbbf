"""Open the obstore store of a place, set up from the provider's own environment variables."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from localreg.blobs.transfer.cloud.place import Place
from localreg.blobs.transfer.cloud.providers import PROVIDERS, Provider, invalid_setting
from localreg.errors import InvalidURLError, InvalidValueError
from localreg.filesystem.plain_files import read_plain
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from obstore.store import ObjectStore

_HOST = re.compile(r"[A-Za-z0-9._~-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
EXTRA = "pip install 'localreg[cloud]'"
# obstore reads these settings of its client from the environment, but ignores them as soon as it is
# given any client option. So they are read here, and passed with ours.
_CLIENT_SETTINGS = (
    "allow_http", "allow_invalid_certificates", "connect_timeout", "http1_only", "http2_only",
    "pool_idle_timeout", "pool_max_idle_per_host", "proxy_url", "proxy_excludes",
    "proxy_ca_certificate", "randomize_addresses", "user_agent",
)  # fmt: skip
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CA_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


def check_extra(url: str) -> None:
    """Check that obstore is installed.

    Raises:
        InvalidURLError: it is not.
    """
    if find_spec("obstore") is None:
        raise InvalidURLError(
            f"{public_url(url)} needs a package that is not installed: {EXTRA}",
            argument="weights_url",
        )


def open_store(
    place: Place,
    *,
    retries: int,
    patience: float,
    connect: float,
    pause: float,
    silence: float | None = None,
) -> ObjectStore:
    """Return the store of a place.

    Args:
        place: an object or a folder.
        retries: how often obstore itself repeats a request.
        patience: seconds for one request, from its begin to its end.
        connect: seconds for a connection.
        pause: seconds before the first repetition.
        silence: seconds without a byte of an answer; None for as many as `patience`.

    Raises:
        InvalidURLError: a variable cannot be used.
        ValueError, obstore.exceptions.BaseError: obstore refuses the settings.
    """
    options, client = settings_of(place)
    client.setdefault("connect_timeout", timedelta(seconds=connect))
    client |= {
        "timeout": timedelta(seconds=patience),
        "read_timeout": timedelta(seconds=patience if silence is None else silence),
    }
    url, backoff = f"{place.scheme}://{place.bucket}", timedelta(seconds=pause)
    if "credential_provider" in options:
        return _made(url, options, client, retries, backoff)
    prefixes = (*PROVIDERS[place.scheme].prefixes, *_PROXIES)
    return _kept(
        url,
        frozenset(options.items()),
        frozenset(client.items()),
        retries,
        backoff,
        frozenset(each for each in os.environ.items() if each[0].upper().startswith(prefixes)),
    )


@lru_cache(maxsize=8)
def _kept(
    url: str,
    options: frozenset[tuple[str, Any]],
    client: frozenset[tuple[str, Any]],
    retries: int,
    backoff: timedelta,
    environment: frozenset[tuple[str, str]],
) -> ObjectStore:
    """Return a store that later calls share, as long as nothing that it was made of changes.

    Making one takes ten times as long as a request, and each has connections of its own.

    Args:
        environment: what obstore itself reads of it.
    """
    return _made(url, dict(options), dict(client), retries, backoff)


def _made(
    url: str, options: dict[str, Any], client: dict[str, Any], retries: int, backoff: timedelta
) -> ObjectStore:
    from obstore import store

    from_url: Callable[..., ObjectStore] = store.from_url  # typed for each provider, not for all
    return from_url(
        url,
        client_options=client,
        retry_config={
            "max_retries": retries,
            "backoff": {"init_backoff": backoff, "max_backoff": timedelta(seconds=15)},
        },
        **options,
    )


def settings_of(place: Place) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of a place's store, and those of its HTTP client, from the environment.

    Raises:
        InvalidURLError: a variable cannot be used.
    """
    environment, provider = os.environ, PROVIDERS[place.scheme]
    _check_variables(provider, environment)
    options = provider.options(place, environment)
    client: dict[str, Any] = {
        setting: environment[f"{prefix}{setting.upper()}"]
        for prefix in provider.prefixes
        for setting in _CLIENT_SETTINGS
        if environment.get(f"{prefix}{setting.upper()}")
    }
    named = (environment[name] for name in provider.endpoints if environment.get(name))
    endpoint = str(options.get("endpoint", "")) or next(named, "")
    _check_endpoint(endpoint)
    # As the providers' own tools do: an endpoint of http:// is enough to allow http.
    if endpoint.lower().startswith("http://"):
        client["allow_http"] = True
    certificates = _certificates(environment)
    if certificates is not None:
        client["root_certificate"] = certificates
    return options, client


def _check_variables(provider: Provider, environment: Mapping[str, str]) -> None:
    """Raise InvalidURLError for a variable that would make obstore panic."""
    for name, value in environment.items():
        if name.startswith(provider.prefixes) and _CONTROL.search(value):
            raise invalid_setting(f"{name} holds a line break or another control character")


def _check_endpoint(endpoint: str) -> None:
    """Raise InvalidURLError for an endpoint that obstore refuses without naming a variable."""
    if endpoint:
        try:
            parts = urlsplit(endpoint)
            good = parts.scheme in ("http", "https") and _HOST.fullmatch(parts.netloc) is not None
            parts.port  # noqa: B018  (reading it checks it)
        except ValueError:
            good = False
        if not good:
            raise invalid_setting(
                "the endpoint in the environment, or in AWS's files, is not an http:// or "
                "https:// URL"
            )


def _certificates(environment: Mapping[str, str]) -> bytes | None:
    for name in _CA_BUNDLES:
        path = environment.get(name)
        if not path:
            continue
        try:
            found = read_plain(Path(path), name)
        except InvalidValueError as error:
            raise invalid_setting(str(error)) from None
        except OSError as error:
            raise invalid_setting(
                f"{name} names {path!r:.200}: {error.strerror or error}"
            ) from None
        if b"-----BEGIN CERTIFICATE-----" not in found:
            raise invalid_setting(f"{name} names {path!r:.200}, which holds no certificate in PEM")
        return found
    return None
