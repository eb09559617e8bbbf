"""A container registry: manifests, blobs, tags and referrers, by the OCI distribution protocol.

Every request is one of `localreg.blobs.transfer.http`, with its limits and retries; credentials and
tokens are those of `container_login`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from urllib.parse import quote, urlencode, urljoin, urlsplit, urlunsplit

from localreg.blobs.bundles.container_login import Login
from localreg.blobs.transfer.downloading import download
from localreg.blobs.transfer.http.exchange import Answer, Body, Exchange, Request
from localreg.blobs.transfer.pace import Pace, pace_from_environment
from localreg.errors import (
    DigestMismatchError,
    DownloadError,
    SourceNotFoundError,
    UploadError,
)
from localreg.values import bundle_format
from localreg.values.bundle_format import INDEX_TYPE, MANIFEST_TYPE, Descriptor, broken
from localreg.values.frozen import Frozen, replace
from localreg.values.oci import OciPlace, referrers_tag
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from localreg.progress import Progress


LARGEST_MANIFEST = 33_554_432  # bytes; most registries take 4 MiB
MOST_REFERRERS = 1_000  # of each kind
MOST_TAGS = 1_000
ALONE = 4_194_304  # bytes; the upload of a larger blob goes on where it was cut
SMALL = 1_048_576  # bytes; a smaller blob is read with the connection of the manifests
_MOST_PAGES = 100
_READ_AGAIN = 10_000_000  # bytes a second: a registry reads an upload again before it is done
_OLD_TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_ACCEPTED = ", ".join((MANIFEST_TYPE, INDEX_TYPE, *_OLD_TYPES))
_HUB = "registry-1.docker.io"
_OCTETS = {"Content-Type": "application/octet-stream"}
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")
_CODE = re.compile(r"[A-Z_]{1,40}")


class FoundManifest(Frozen):
    """A manifest, or an index: its media type, its digest, and its bytes, which were checked."""

    media_type: str
    digest: str
    data: bytes


class ContainerRegistry:
    """A container registry; use it as a context manager.

    Args:
        host: with a port, if it has one.
        plain: speak http, without encryption. It is never guessed.
        pace: how slow it may be; by default as the environment says.

    All methods raise DownloadError or UploadError if the registry does not do what it is asked for.
    """

    def __init__(self, host: str, *, plain: bool = False, pace: Pace | None = None) -> None:
        self._host = host
        self._pace = pace or pace_from_environment()
        api = _HUB if host == "docker.io" else host
        self._base = f"{'http' if plain else 'https'}://{api}"
        self._login = Login(host, self._base, self._pace)
        self._exchange = Exchange(self._base, self._login, self._pace)

    def __enter__(self) -> ContainerRegistry:
        self._exchange.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exchange.__exit__(kind, error, trace)

    def manifest(self, place: OciPlace) -> FoundManifest | None:
        """Return the manifest at a place, whose bytes have its digest; None if there is none.

        Raises:
            DigestMismatchError: the registry serves other bytes.
        """
        assert place.reference is not None
        url = self._url(place.repository, "manifests", place.reference)
        answer = self._exchange.ask(
            "GET",
            url,
            {"Accept": _ACCEPTED},
            most=LARGEST_MANIFEST,
            pinned=place.digest is not None,
        )
        if answer.status == 404:
            return None
        self._check(answer, 200)
        found = hashlib.sha256(answer.data).hexdigest()
        said = answer.headers.get("Docker-Content-Digest", "")
        named = said.removeprefix("sha256:") if said.startswith("sha256:") else found
        for wanted in (place.digest, named):
            if wanted not in (None, found):
                raise DigestMismatchError(
                    f"{place} should have the sha256 {wanted}; {self._host} serves bytes with the "
                    f"sha256 {found}: they are damaged, or were replaced",
                    wanted=wanted,
                    found=found,
                    model="",
                )
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        return FoundManifest(kind, found, answer.data)

    def put_manifest(
        self, repository: str, reference: str, data: bytes, media_type: str = MANIFEST_TYPE
    ) -> bool:
        """Write a manifest, or an index.

        Args:
            reference: a tag, or a digest with its kind.

        Returns:
            True if the registry noted its subject, so that `referrers` will find it.
        """
        url = self._url(repository, "manifests", reference)
        answer = self._exchange.ask("PUT", url, {"Content-Type": media_type}, data)
        self._check(answer, 201)
        return "OCI-Subject" in answer.headers

    def has_manifest(self, repository: str, digest: str) -> bool:
        """Return True if the registry has a manifest."""
        url = self._url(repository, "manifests", f"sha256:{digest}")
        answer = self._exchange.ask("HEAD", url, {"Accept": _ACCEPTED})
        if answer.status == 404:
            return False
        self._check(answer, 200)
        return True

    def tags(self, repository: str) -> list[str]:
        """Return the tags of a repository.

        Raises:
            SourceNotFoundError: there is no such repository.
        """
        url = self._url(repository, "tags", "list")
        answer = self._exchange.ask("GET", url, most=LARGEST_MANIFEST)
        if answer.status == 404:
            raise self.not_found(OciPlace(self._host, repository))
        self._check(answer, 200)
        found = self._json(answer)
        tags = found.get("tags") or []
        if type(tags) is not list or not all(type(each) is str for each in tags):
            raise self._odd(answer, "does not list its tags as it should")
        return tags[:MOST_TAGS]

    def referrers(self, repository: str, digest: str, kinds: Iterable[str]) -> list[Descriptor]:
        """Return the manifests whose subject is one with a digest.

        The API for it is asked first; if it is not there, or knows none, the tag that takes its
        place.

        Args:
            kinds: the artifact types that are wanted, at most `MOST_REFERRERS` of each. A list by
                tag may not say the type; those manifests are returned, too.

        Raises:
            BundleError: a list is broken.
        """
        found: list[Descriptor] = []
        for kind in kinds:
            some = self._listed(repository, digest, kind)
            found += islice((each for each in some if each.artifact_type == kind), MOST_REFERRERS)
        if found:
            return found
        kept: dict[str | None, list[Descriptor]] = {each: [] for each in kinds} | {None: []}
        for each in self._tagged(repository, digest):
            if each.artifact_type in kept and len(kept[each.artifact_type]) < MOST_REFERRERS:
                kept[each.artifact_type].append(each)
        return [each for some in kept.values() for each in some]

    def list_referrers(
        self,
        repository: str,
        digest: str,
        added: Collection[Descriptor],
        dropped: Collection[str],
        *,
        listed: bool,
    ) -> None:
        """Let manifests be found by their subject, and others no more.

        Args:
            added: the manifests, which are there.
            dropped: the digests of the others.
            listed: True if the registry has noted the subject of `added` by itself.
        """
        if not listed:
            self._tag_referrers(repository, digest, added, dropped)
            return
        for each in dropped:
            # Many registries delete nothing; then the old ones are read, too.
            with suppress(UploadError):
                self._exchange.ask("DELETE", self._url(repository, "manifests", f"sha256:{each}"))

    def _tag_referrers(
        self,
        repository: str,
        digest: str,
        added: Collection[Descriptor],
        dropped: Collection[str],
    ) -> None:
        """Change the index that takes the place of the API of referrers.

        Two writers at the same time may each lose what the other added, so it is read again.
        """
        for _ in range(3):
            there = {each.digest: each for each in self._tagged(repository, digest)}
            wanted = there | {each.digest: each for each in added if each.digest not in there}
            wanted = {name: each for name, each in wanted.items() if name not in dropped}
            if wanted.keys() == there.keys():
                return
            index = bundle_format.canonical_json(
                {
                    "schemaVersion": 2,
                    "mediaType": INDEX_TYPE,
                    "manifests": [each.encoded() for _, each in sorted(wanted.items())],
                }
            )
            self.put_manifest(repository, referrers_tag(digest), index, INDEX_TYPE)
        raise UploadError(
            f"{self._host}/{repository} does not keep the tag {referrers_tag(digest)[:19]}…, or "
            "others write it all the time; try again",
            urls=(str(OciPlace(self._host, repository, referrers_tag(digest))),),
        )

    def has_blob(self, repository: str, digest: str, size: int) -> bool:
        """Return True if the registry has a blob."""
        answer = self._exchange.ask("HEAD", self.blob_url(repository, digest), pinned=True)
        if answer.status == 404:
            return False
        self._check(answer, 200)
        length = answer.headers.get("Content-Length", str(size))
        if length != str(size):
            raise self._odd(answer, f"says that sha256:{digest[:12]}… has {length[:20]} bytes")
        return True

    def put_blob(
        self,
        repository: str,
        digest: str,
        size: int,
        pieces: Callable[[], Iterable[bytes | memoryview]],
        *,
        mounted: str | None = None,
        sent: Callable[[int], None] | None = None,
    ) -> bool:
        """Write a blob.

        Args:
            pieces: begins to read its bytes; they are checked while they are read.
            mounted: another repository of this registry that has it.
            sent: called with the number of bytes that were sent.

        Returns:
            True if its bytes were sent; False if the registry took them from `mounted`.

        Raises:
            CorruptBlobError: its bytes are damaged; the registry does not have it.
        """
        query = {} if mounted is None else {"mount": f"sha256:{digest}", "from": mounted}
        patient = Exchange(
            self._base,
            self._login,
            replace(self._pace, silence=self._pace.silence + size / _READ_AGAIN),
        )
        url = self._uploads_url(repository)
        upload = _Upload(self._exchange, patient, url, size, pieces, sent)
        answer = upload.begin(query)
        if answer is not None:
            self._check(answer, 201)
            return False
        done = upload.sent_whole(digest) if size <= ALONE else upload.sent_on(digest)
        # A lost answer makes a second try of what is done already.
        if done.status != 201 and not self.has_blob(repository, digest, size):
            self._check(done, 201)
        return True

    def small_blob(self, repository: str, digest: str, size: int) -> bytes:
        """Return the bytes of a small blob, which were checked.

        Raises:
            DigestMismatchError: the registry serves other bytes.
        """
        url = self.blob_url(repository, digest)
        answer = self._exchange.ask("GET", url, most=size, pinned=True)
        self._check(answer, 200)
        found = hashlib.sha256(answer.data).hexdigest()
        if found != digest:
            raise DigestMismatchError(
                f"{public_url(answer.url)}: wanted sha256:{digest}, found sha256:{found}",
                wanted=digest,
                found=found,
                model="",
            )
        return answer.data

    def download_blob(
        self,
        url: str,
        path: Path,
        digest: str,
        *,
        size: int,
        durable: bool,
        progress: Progress | None = None,
    ) -> None:
        """Download a blob to a file, as `download` does: resumed, checked, with limits.

        Args:
            url: of `blob_url`.
            size: the number of bytes; a server that says more is refused.
            progress: called with the number of bytes done, and the total.
        """
        download(
            url,
            path,
            wanted=digest,
            most=size,
            progress=progress,
            pace=self._pace,
            durable=durable,
            access=self._login,
        )

    def blob_url(self, repository: str, digest: str) -> str:
        """Return the URL of a blob."""
        return self._url(repository, "blobs", f"sha256:{digest}")

    def not_found(self, place: OciPlace) -> SourceNotFoundError:
        """Return the error for a place where nothing is."""
        parts = "the repository" if place.reference is None else "the repository and the tag"
        return SourceNotFoundError(
            f"there is no {place}; check {parts}, and log in if it is not public",
            reference=str(place),
        )

    def _listed(self, repository: str, digest: str, kind: str) -> Iterator[Descriptor]:
        """Yield what refers to a manifest by the API; nothing if the registry has none.

        Args:
            kind: the artifact type; registries need not look at it.
        """
        url: str | None = self._url(repository, "referrers", f"sha256:{digest}")
        url = f"{url}?{urlencode({'artifactType': kind})}"
        for _ in range(_MOST_PAGES):
            answer = self._exchange.ask("GET", url, {"Accept": INDEX_TYPE}, most=LARGEST_MANIFEST)
            found = answer.headers.get("Content-Type", "").partition(";")[0].strip()
            if answer.status != 200 or found != INDEX_TYPE:
                return
            yield from manifests_in(answer.data, public_url(url))
            url = self._next(answer)
            if url is None:
                return
        raise self._odd(answer, f"lists referrers on more than {_MOST_PAGES} pages")

    def _tagged(self, repository: str, digest: str) -> list[Descriptor]:
        """Return the manifests in the index that takes the place of the API of referrers."""
        place = OciPlace(self._host, repository, referrers_tag(digest))
        index = self.manifest(place)
        return [] if index is None else manifests_in(index.data, str(place))

    def _next(self, answer: Answer) -> str | None:
        """Return the URL of the next page of an answer; None if it is the last one."""
        link = answer.headers.get("Link", "")
        target, _, rest = link.partition(">")
        if not target.startswith("<") or 'rel="next"' not in rest.replace("=next", '="next"'):
            return None
        url = urljoin(answer.url, target[1:])
        return url if self._exchange.inside(url) else None

    def _url(self, repository: str, kind: str, name: str) -> str:
        return f"{self._base}/v2/{repository}/{kind}/{quote(name, safe=':/')}"

    def _uploads_url(self, repository: str) -> str:
        return self._url(repository, "blobs", "uploads/")

    def _json(self, answer: Answer) -> dict[str, object]:
        found = bundle_format.read_json(answer.data, public_url(answer.url))
        if type(found) is not dict:
            raise self._odd(answer, "does not answer with a JSON object")
        return found

    def _check(self, answer: Answer, *wanted: int) -> None:
        """Raise an error unless the answer has one of these statuses."""
        if answer.status in wanted:
            return
        host = self._host
        what = {
            401: f"wants credentials: log in by `docker login {host}`, `podman login {host}` or "
            f"`skopeo login {host}`",
            403: "refuses access; the account may have no right to do it",
            404: "does not have it",
            405: "does not take it: it may be read-only",
            413: "does not take a manifest that large: many take 4 MiB, about 9,000 files",
        }.get(answer.status, "does not do it")
        if answer.status == 401 and self._login.known:
            what = f"refuses the credentials that are kept for {host}: log in again"
        codes = _codes(answer.data)
        raise self._odd(answer, f"{what} (HTTP {answer.status}{codes})")

    def _odd(self, answer: Answer, what: str) -> DownloadError | UploadError:
        shown = public_url(answer.url)
        text = f"the container registry {self._host} {what}: {shown}"
        if answer.method in ("GET", "HEAD"):
            return DownloadError(text, url=shown, status=answer.status)
        return UploadError(text, urls=(shown,))


class _Upload:
    """The upload of one blob.

    Args:
        patient: asks for the end of a large upload; others wait shorter.
        url: where uploads begin.
        size, pieces, sent: as for `ContainerRegistry.put_blob`.
    """

    def __init__(
        self,
        exchange: Exchange,
        patient: Exchange,
        url: str,
        size: int,
        pieces: Callable[[], Iterable[bytes | memoryview]],
        sent: Callable[[int], None] | None,
    ) -> None:
        self._exchange = exchange
        self._patient = patient
        self._url = url
        self._size = size
        self._pieces = pieces
        self._sent = sent
        self._target: str | None = None  # where the bytes go; None before it is begun

    def begin(self, query: dict[str, str] | None = None) -> Answer | None:
        """Begin, or begin again; return the answer if it is not that the bytes are awaited."""
        url = f"{self._url}?{urlencode(query)}" if query else self._url
        answer = self._exchange.ask("POST", url, {"Content-Length": "0"})
        if answer.status != 202:
            return answer
        self._follow(answer)
        return None

    def sent_whole(self, digest: str) -> Answer:
        """Send all bytes at once; return the answer."""

        def make() -> Request:
            target = self._target or self._begun()
            self._target = None  # an upload that was cut is begun again
            body = Body(self._pieces, self._size, self._sent) if self._size else b""
            return Request(_completed(target, digest), dict(_OCTETS), body)

        return self._exchange.send("PUT", make)

    def sent_on(self, digest: str) -> Answer:
        """Send the bytes of a large blob, and go on where it was cut; return the last answer."""
        done = 0
        first = True

        def make() -> Request:
            nonlocal done, first
            if not first:
                done = self._arrived()
            first = False
            target = self._target or self._begun()
            begun = done
            body = Body(lambda: _from(self._pieces(), begun), self._size - begun, self._sent)
            span = {"Content-Range": f"{begun}-{self._size - 1}"}
            return Request(target, dict(_OCTETS) | span, body, begun)

        answer = self._exchange.send("PATCH", make)
        if answer.status not in (202, 201, 204):
            return answer
        self._follow(answer)
        assert self._target is not None
        target = _completed(self._target, digest)
        with self._patient as exchange:
            return exchange.ask("PUT", target, {"Content-Length": "0"})

    def _arrived(self) -> int:
        """Return how many bytes the server has; it is begun again if that cannot be known."""
        if self._target is not None:
            answer = self._exchange.ask("GET", self._target)
            found = _RANGE.fullmatch(answer.headers.get("Range", ""))
            # 0-0 stands for one byte, and for none.
            if answer.status in (200, 202, 204) and found and 0 < int(found[1]) < self._size - 1:
                self._follow(answer)
                return int(found[1]) + 1
        self._target = None
        return 0

    def _begun(self) -> str:
        answer = self.begin()
        if answer is not None or self._target is None:
            status = "" if answer is None else f" (HTTP {answer.status})"
            raise UploadError(
                f"{public_url(self._url)} cannot be written: the server does not begin an "
                f"upload{status}",
                urls=(public_url(self._url),),
            )
        return self._target

    def _follow(self, answer: Answer) -> None:
        """Note where the server wants the next bytes."""
        location = answer.headers.get("Location")
        target = urljoin(answer.url, location or "")
        shown = public_url(self._url)
        if location is None or not target.startswith(("https://", "http://")):
            raise UploadError(
                f"{shown} cannot be written: the server does not say where to", urls=(shown,)
            )
        if target.startswith("http://") and self._url.startswith("https://"):
            raise UploadError(
                f"{shown} cannot be written: the server wants the bytes without encryption",
                urls=(shown,),
            )
        self._target = target


def _completed(url: str, digest: str) -> str:
    """Return the URL that ends an upload; the registry's own query stays as it is."""
    parts = urlsplit(url)
    query = f"{parts.query}&" if parts.query else ""
    return urlunsplit(parts._replace(query=f"{query}digest=sha256%3A{digest}", fragment=""))


def _from(pieces: Iterable[bytes | memoryview], begun: int) -> Iterator[bytes | memoryview]:
    """Yield what follows the first bytes; these are read, too, since all of them are checked."""
    for piece in pieces:
        if begun >= len(piece):
            begun -= len(piece)
            continue
        yield piece[begun:]
        begun = 0


def manifests_in(data: bytes, part: str) -> list[Descriptor]:
    """Return the manifests that an index names."""
    found = bundle_format.read_json(data, part)
    listed = found.get("manifests") if type(found) is dict else None
    if type(listed) is not list:
        raise broken(part, "it is no list of manifests")
    return [
        bundle_format.read_descriptor(each, part)
        for each in listed
        if type(each) is not dict or not str(each.get("digest")).startswith("sha512:")
    ]


def _codes(data: bytes) -> str:
    """Return the code of an error in the answer of a registry, such as ", DENIED"."""
    try:
        code = json.loads(data)["errors"][0]["code"]
    except (ValueError, KeyError, TypeError, LookupError, RecursionError):
        return ""
    known = type(code) is str and _CODE.fullmatch(code) is not None
    return f", {code}" if known else ""
