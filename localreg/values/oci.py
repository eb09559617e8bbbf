"""Places in container registries: ``oci://host[:port]/repository[:tag][@sha256:…]``.

The grammar of repositories and tags is that of the OCI distribution specification.
"""

from __future__ import annotations

import re

from localreg.errors import InvalidURLError
from localreg.values.checks import shown
from localreg.values.frozen import Frozen, replace
from localreg.values.paths import is_utf8
from localreg.values.urls import is_sha256

SCHEME = "oci://"
_LONGEST = 1_024
_LONGEST_REPOSITORY = 255
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?"
)
_NOT_IN_REPOSITORIES = re.compile(r"[^a-z0-9]+")
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_.-]+")
_FORM = "oci://HOST[:PORT]/REPOSITORY[:TAG|@sha256:DIGEST]"


class OciPlace(Frozen):
    """A repository in a container registry, and mostly one manifest in it.

    Attributes:
        host: with the port, if one is given.
        repository: such as "vision/resnet"; "" for none.
        tag: None if none is given.
        digest: 64 hex digits of the sha256 of a manifest; None if none is given. It counts more
            than the tag.
    """

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def reference(self) -> str | None:
        """By which a registry finds the manifest: its digest, or the tag; None without both."""
        return self.tag if self.digest is None else f"sha256:{self.digest}"

    def __str__(self) -> str:
        text = f"{SCHEME}{self.host}"
        if self.repository:
            text += f"/{self.repository}"
        if self.tag is not None:
            text += f":{self.tag}"
        return text if self.digest is None else f"{text}@sha256:{self.digest}"


def is_oci(text: object) -> bool:
    """Return True for a text that names a place in a container registry.

    >>> is_oci("oci://ghcr.io/me/net:1"), is_oci("net.tar")
    (True, False)
    """
    return isinstance(text, str) and text[: len(SCHEME)].lower() == SCHEME


def parse_oci(text: str, argument: str) -> OciPlace:
    """Return the place that a text names.

    Args:
        argument: the name of the argument that gave it, for errors.

    Raises:
        InvalidURLError: it is malformed.

    >>> place = parse_oci("oci://localhost:5000/vision/resnet:1", "path")
    >>> place.host, place.repository, place.tag, place.digest
    ('localhost:5000', 'vision/resnet', '1', None)
    >>> parse_oci("oci://ghcr.io/me/net@sha256:" + "a" * 64, "path").reference[:10]
    'sha256:aaa'
    """
    if len(text) > _LONGEST or not is_utf8(text):
        raise _invalid("it", f"it must have at most {_LONGEST:,} characters", argument)
    rest = text[len(SCHEME) :]
    host, _, path = rest.partition("/")
    if "@" in host:  # before anything of it is shown
        raise _invalid(
            f"{SCHEME}***@…",
            "user names and passwords do not belong into it; log in with `docker login`, "
            "`podman login` or `skopeo login`",
            argument,
        )
    found = _HOST.fullmatch(host)
    if found is None or (found[1] is not None and not 0 < int(found[1]) < 65_536):
        raise _invalid(shown(text), f"{shown(host)} is no host", argument)
    path, at, pinned = path.partition("@")
    repository, colon, tag = path.partition(":")
    digest = pinned.removeprefix("sha256:")
    if at and (digest == pinned or not is_sha256(digest)):
        raise _invalid(shown(text), "after @ stand sha256: and 64 hex digits", argument)
    if colon and _TAG.fullmatch(tag) is None:
        raise _invalid(
            shown(text), "a tag has at most 128 letters, digits, dots, minuses and _", argument
        )
    if repository and not is_repository(repository):
        raise _invalid(
            shown(text),
            f"{shown(repository)} is no repository: that is lower-case letters and digits, with "
            "single signs (. _ - /) between them",
            argument,
        )
    if not repository and (colon or at or path):
        raise _invalid(shown(text), "it names no repository", argument)
    return OciPlace(host, repository, tag if colon else None, digest if at else None)


def is_repository(text: str) -> bool:
    """Return True if a text can name a repository."""
    return len(text) <= _LONGEST_REPOSITORY and _REPOSITORY.fullmatch(text) is not None


def place_of_version(base: OciPlace, ref: str, model: str) -> OciPlace:
    """Return the place of a model version below another one: its name, and its number as tag.

    Args:
        base: its repository is the start of the path; its tag does not count.
        ref: the reference of the version.
        model: its id. What the grammar does not allow is replaced, and then digits of the id make
            sure that two models never have one place.

    >>> base = OciPlace("ghcr.io", "me")
    >>> str(place_of_version(base, "vision/resnet:2", "0123456789abcdef"))
    'oci://ghcr.io/me/vision/resnet:2'
    >>> str(place_of_version(base, "Vision/Straße:2", "0123456789abcdef"))
    'oci://ghcr.io/me/vision/stra-e:2-01234567'
    """
    line, _, number = ref.rpartition(":")
    whole = f"{base.repository}/{line}" if base.repository else line
    if is_repository(whole):
        return replace(base, repository=whole, tag=number, digest=None)
    plain = (_NOT_IN_REPOSITORIES.sub("-", part.lower()).strip("-") for part in line.split("/"))
    own = "/".join(filter(None, plain))[:128].rstrip("-/") or "model"
    whole = f"{base.repository}/{own}" if base.repository else own
    return replace(base, repository=whole, tag=f"{number}-{model[:8]}", digest=None)


def tag_of(text: str) -> str:
    """Return a text as a tag: with a minus for what no tag has.

    >>> tag_of("1~laptop"), tag_of("7")
    ('1-laptop', '7')
    """
    return _NOT_IN_TAGS.sub("-", text).lstrip(".-")[:128] or "model"


def referrers_tag(digest: str) -> str:
    """Return the tag of the list of manifests whose subject is one with a digest.

    Container registries without the API of referrers have it by this tag.

    >>> referrers_tag("ab" * 32)[:11]
    'sha256-abab'
    """
    return f"sha256-{digest}"


def is_referrers_tag(tag: str) -> bool:
    """Return True for a tag that `referrers_tag` may return."""
    return tag.startswith("sha256-") and is_sha256(tag[7:])


def _invalid(what: str, problem: str, argument: str) -> InvalidURLError:
    return InvalidURLError(
        f"{argument}: {what} is no place in a container registry: {problem}; the form is {_FORM}",
        argument=argument,
    )
