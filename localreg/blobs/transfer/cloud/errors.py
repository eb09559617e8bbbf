"""What goes wrong with object stores: read off obstore's errors, told without their secrets."""

from __future__ import annotations

import os
import re

from localreg.errors import InvalidURLError
from localreg.values.frozen import Frozen

_STATUS = re.compile(r"status code: (\d{3})\b")
_TLS = re.compile(r"invalid peer certificate|UnknownIssuer|certificate verify failed")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
# Asked for credentials when nothing else tells them; there on the cloud's own machines only.
_METADATA_SERVICE = (
    "169.254.169.254", "metadata.google.internal", "/latest/api/token", "/latest/meta-data/",
    "/metadata/identity/", "Account must be specified",
)  # fmt: skip
_PREFIXES = {"s3": ("AWS_",), "gs": ("GOOGLE_",), "az": ("AZURE_",)}
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; AWS_SKIP_SIGNATURE=true "
    "for what everybody may read",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, the path of a service account's JSON file; "
    "GOOGLE_SKIP_SIGNATURE=true for what everybody may read",
    "az": "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, "
    "or AZURE_STORAGE_CONNECTION_STRING; "
    "AZURE_SKIP_SIGNATURE=true for what everybody may read",
}


class Trouble(Frozen, kw_only=True):
    """What went wrong.

    Attributes:
        what: the server did, or what is missing, as the end of a sentence.
        status: of HTTP, None without an answer.
        passing: whether another try may do better.
        missing: whether it is that the object is not there.
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
    if isinstance(error, InvalidURLError):  # ours, of a setting
        return Trouble(what=text)
    match, code = _STATUS.search(text), _CODE.search(text)
    status = int(match[1]) if match else None
    named = f" ({code[1]})" if code else ""
    if any(sign in text for sign in _METADATA_SERVICE):
        return Trouble(what=f"no credentials were found: set {_CREDENTIALS[scheme]}")
    if isinstance(error, FileNotFoundError):
        bucket = code is not None and code[1] in ("NoSuchBucket", "ContainerNotFound")
        what = "there is no such bucket" if bucket else "it is not there, or its bucket is not"
        return Trouble(what=what, status=404, missing=not bucket)
    if status in (401, 403):
        return Trouble(
            what=f"the server refuses it{named}: check the rights of the credentials, or set "
            f"{_CREDENTIALS[scheme]}",
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
            "or REQUESTS_CA_BUNDLE names further ones)"
        )
    if "badscheme" in lower:
        return Trouble(
            what="the endpoint is http, which is not allowed: set AWS_ALLOW_HTTP=true, or the "
            "provider's like of it"
        )
    if "timedout" in lower or "timed out" in lower:
        return Trouble(what="the server did not answer in time", passing=True)
    if "dns error" in lower or "lookup address" in lower:
        return Trouble(what="the server's name is not known", passing=True)
    if "connect" in lower and "refused" in lower:
        return Trouble(what="the server cannot be reached: connection refused", passing=True)
    if "http error" in lower or "connection" in lower or "body" in lower or "eof" in lower:
        return Trouble(what="the connection broke off", passing=True)
    named = sorted(name for name in os.environ if name.startswith(_PREFIXES[scheme]))
    return Trouble(
        what="the server's answer makes no sense, or one of these variables does not: "
        + (", ".join(named) or f"none of {_PREFIXES[scheme][0]}… is set")
    )


def errors_of_obstore() -> tuple[type[BaseException], ...]:
    """Return what obstore raises when the server or the way to it fails."""
    from obstore.exceptions import BaseError

    return (BaseError, FileNotFoundError, ValueError)
