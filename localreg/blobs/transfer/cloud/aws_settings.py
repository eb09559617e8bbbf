"""AWS's settings files, ``~/.aws/config`` and ``~/.aws/credentials``, which obstore does not read.

The environment comes first, then the profile that ``AWS_PROFILE`` names, or ``default``.
Source: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from localreg.errors import InvalidURLError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# If any of these is set, credentials come from the environment.
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)  # fmt: skip
_KEYS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}
# What a profile may have instead of keys; only AWS's own library can follow these.
_INDIRECT = frozenset(
    {"role_arn", "source_profile", "credential_process", "sso_session", "sso_start_url",
     "web_identity_token_file", "login_session"}
)  # fmt: skip


def aws_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what the profile says and the environment does not, as options of an S3Store.

    Raises:
        InvalidURLError: the profile does not exist, or only boto3, which is missing, can use it.
    """
    named = environment.get("AWS_PROFILE")
    profile = _profile(environment, named or "default")
    if profile is None:
        if named is not None and not any(environment.get(name) for name in _CREDENTIALS):
            raise InvalidURLError(
                f"AWS_PROFILE names {named!r:.60}, which is in neither ~/.aws/config nor "
                "~/.aws/credentials",
                argument="weights_url",
            )
        return {}
    options: dict[str, Any] = {}
    if "region" in profile and not (
        environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    ):
        options["region"] = profile["region"]
    if "endpoint_url" in profile and not (
        environment.get("AWS_ENDPOINT_URL") or environment.get("AWS_ENDPOINT")
    ):
        options["endpoint"] = profile["endpoint_url"]
    if any(environment.get(name) for name in _CREDENTIALS):
        return options
    if "aws_access_key_id" in profile:
        return options | {ours: profile[name] for name, ours in _KEYS.items() if name in profile}
    if _INDIRECT & profile.keys():
        if find_spec("boto3") is None:
            raise InvalidURLError(
                f"the AWS profile {named or 'default'!r:.60} gets its credentials by a role, SSO "
                "or a process, which needs AWS's own library: pip install boto3",
                argument="weights_url",
            )
        options["credential_provider"] = _Boto3Credentials(named)
    return options


class _Boto3Credentials:
    """Gives credentials from AWS's own library, and new ones when they expire."""

    def __init__(self, profile: str | None) -> None:
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider

        self._profile = profile or "default"
        with self._translated():
            self._provider = Boto3CredentialProvider(boto3.Session(profile_name=profile))

    def __call__(self) -> object:
        with self._translated():
            return self._provider()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError

        try:
            yield
        except (BotoCoreError, ValueError, TypeError, AttributeError) as error:
            raise InvalidURLError(
                f"the AWS profile {self._profile!r:.60} gives no credentials "
                f"({type(error).__name__}); try `aws sts get-caller-identity`, or `aws sso login`",
                argument="weights_url",
            ) from None


def _profile(environment: Mapping[str, str], name: str) -> dict[str, str] | None:
    """Return a profile's settings, where the credentials file wins; None if it does not exist."""
    config = environment.get("AWS_CONFIG_FILE") or "~/.aws/config"
    credentials = environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    section = name if name == "default" else f"profile {name}"
    found = [_section(config, section), _section(credentials, name)]
    given = [each for each in found if each is not None]
    return {key: value for each in given for key, value in each.items()} if given else None


def _section(path: str, name: str) -> dict[str, str] | None:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(Path(path).expanduser(), encoding="utf-8")
    except (
        configparser.Error,
        UnicodeDecodeError,
        RuntimeError,
    ):  # RuntimeError: no home directory
        raise InvalidURLError(
            f"{path} cannot be read as AWS's settings; correct it, or set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY",
            argument="weights_url",
        ) from None  # the error's text may hold a secret
    found = (each for each in parser.sections() if each.replace('"', "") == name)
    section = next(found, None)  # the AWS CLI writes names with blanks in quotes
    return None if section is None else dict(parser[section])
