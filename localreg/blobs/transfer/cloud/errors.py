"""What obstore's errors mean, in words without their secrets."""

from __future__ import annotations

import os
import re

from localreg.blobs.transfer.cloud.providers import PROVIDERS
from localreg.errors import InvalidURLError
from localreg.values.frozen import Frozen

_STATUS = re.compile(r"status code: (\d{3})\b")
_TLS = re.compile(r"invalid peer certificate|UnknownIssuer|certificate verify failed")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
# What S3 and Azure answer to a signature with a time that is too old or too new.
_SKEWED = re.compile(r"RequestTimeTooSkewed|Request date header too old")
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
# Any of these in an error means that obstore found no credentials: it asked services that exist
# on the clouds' own machines only, or has no account for Azure.
_METADATA_SERVICE = (
    "169.254.169.254", "metadata.google.internal", "/latest/api/token", "/latest/meta-data/",
    "/metadata/identity/", "Account must be specified",
)  # fmt: skip


class Trouble(Frozen, kw_only=True):
    """What went wrong.

    Attributes:
        what: what the server did, or what is missing, as the end of a sentence.
        status: HTTP status; None without an answer.
        passing: True if another try may succeed.
        missing: True if the object does not exist.
    """

    what: str
    status: int | None = None
    passing: bool = False
    missing: bool = False


def trouble_of(error: BaseException, scheme: str) -> Trouble:
    """Return what an error of obstore means.

    Args:
        error: one of `errors_of_obstore`.
        scheme: "s3", "gs" or "az".
    """
    text = str(error)
    if isinstance(error, InvalidURLError):  # our own, for a setting
        return Trouble(what=text)
    match, code = _STATUS.search(text), _CODE.search(text)
    status = int(match[1]) if match else None
    named = f" ({code[1]})" if code else ""
    if any(sign in text for sign in _METADATA_SERVICE):
        return Trouble(what=f"no credentials were found: set {PROVIDERS[scheme].credentials}")
    if isinstance(error, FileNotFoundError):
        bucket = code is not None and code[1] in ("NoSuchBucket", "ContainerNotFound")
        what = "there is no such bucket" if bucket else "it does not exist, or its bucket does not"
        return Trouble(what=what, status=404, missing=not bucket)
    if _SKEWED.search(text):
        return Trouble(
            what=f"the clock of this machine differs from that of the server{named}: set it right",
            status=status,
        )
    if status in (401, 403):
        return Trouble(
            what=f"the server refuses it{named}: check the rights of the credentials, or set "
            f"{PROVIDERS[scheme].credentials}",
            status=status,
        )
    if status is not None and 300 <= status < 400:
        return Trouble(
            what="the bucket is in another region, or at another endpoint: set AWS_REGION",
            status=status,
        )
    if status in _LATER:
        return Trouble(what=f"the server answers {status}{named}", status=status, passing=True)
    if status is not None:
        return Trouble(what=f"the server answers {status}{named}", status=status)
    return _unanswered(text, scheme)


def _unanswered(text: str, scheme: str) -> Trouble:
    lower = text.lower()
    if _TLS.search(text):
        return Trouble(
            what="the server cannot be trusted: its certificate was not accepted (AWS_CA_BUNDLE "
            "or REQUESTS_CA_BUNDLE can name more)"
        )
    if "badscheme" in lower:
        return Trouble(
            what="the endpoint is http, which is not allowed: set AWS_ALLOW_HTTP=true, "
            "GOOGLE_ALLOW_HTTP=true or AZURE_ALLOW_HTTP=true"
        )
    if "timedout" in lower or "timed out" in lower:
        return Trouble(what="the server did not answer in time", passing=True)
    if "dns error" in lower or "lookup address" in lower:
        return Trouble(what="the server's name cannot be resolved", passing=True)
    if "connect" in lower and "refused" in lower:
        return Trouble(what="the server cannot be reached: connection refused", passing=True)
    if "http error" in lower or "connection" in lower or "body" in lower or "eof" in lower:
        return Trouble(what="the connection broke off", passing=True)
    prefixes = PROVIDERS[scheme].prefixes
    named = sorted(name for name in os.environ if name.startswith(prefixes))
    return Trouble(
        what="the server's answer makes no sense, or one of these variables does not: "
        + (", ".join(named) or f"none of {prefixes[0]}… is set")
    )


def errors_of_obstore() -> tuple[type[BaseException], ...]:
    """Return the classes of errors that obstore raises when a request fails."""
    from obstore.exceptions import BaseError

    return (BaseError, FileNotFoundError, ValueError)
