"""Data sets: their files and links, the order of their versions, and patterns of paths."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase

from localreg.values.dataset_names import FIRST_VERSION
from localreg.values.frozen import Frozen
from localreg.values.paths import is_package_path
from localreg.values.urls import is_sha256, is_stored_url

_LINKS = "links"
_VERSION = re.compile(
    r"v?(?:(?P<epoch>[0-9]{1,18})!)?(?P<release>[0-9]{1,18}(?:\.[0-9]{1,18})*)"
    r"(?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_n>[0-9]{1,18})?)?"
    r"(?:-(?P<post_n1>[0-9]{1,18})|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_n>[0-9]{1,18})?)?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_n>[0-9]{1,18})?)?"
    r"(?P<local>\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?",
    re.IGNORECASE,
)
_PRE = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_NUMBER = re.compile(r"(\d+)(?!.*\d)")


class DatasetFile(Frozen):
    """A file of a data set.

    Attributes:
        path: in the data set, with slashes.
        digest: sha256 of its bytes; of a link None if it is not known.
        size: number of bytes; of a link None if it is not known.
        executable: True if its owner may run it.
        link: the URL of a file that is outside; None if the registry has the bytes.
    """

    path: str
    digest: str | None
    size: int | None
    executable: bool = False
    link: str | None = None

    def same_content(self, other: DatasetFile | None) -> bool:
        """Return True if another file has the same content, as far as that is known."""
        if other is None:
            return False
        if self.digest is not None and other.digest is not None:
            return self.digest == other.digest
        return self.size == other.size and (
            self.link is None or other.link is None or self.link == other.link
        )


def version_key(version: str | None) -> tuple[object, ...] | None:
    """Return what versions are ordered by; None for one that is no version number.

    >>> version_key("1.10") > version_key("1.9.1"), version_key("1.0rc1") < version_key("1.0")
    (True, True)
    """
    match = _VERSION.fullmatch(version.strip()) if version else None
    if match is None:
        return None
    release = [int(part) for part in match["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    pre = (match["pre"] or "").lower()
    post = match["post"] is not None or match["post_n1"] is not None
    dev = match["dev"] is not None
    # A pre-release is before the release, and a development release is before both.
    first = (1, _PRE.get(pre, pre), _int(match["pre_n"])) if pre else (2 - 2 * (dev and not post),)
    return (
        _int(match["epoch"]),
        tuple(release),
        first,
        (_int(match["post_n1"] or match["post_n"]) if post else -1),
        (0, _int(match["dev_n"])) if dev else (1, 0),
        (match["local"] or "").lower(),
    )


def _int(text: str | None) -> int:
    return int(text) if text else 0


def next_version(version: str) -> str:
    """Return the version after another one: its last number, and 1 more.

    >>> next_version("1.0.0"), next_version("2.3rc1"), next_version("raw")
    ('1.0.1', '2.3rc2', '1.0.0')
    """
    if version_key(version) is None:
        return FIRST_VERSION
    public, plus, local = version.strip().partition("+")
    if not public[-1:].isdigit():  # "1.0a" is "1.0a0"
        return f"{public}1{plus}{local}"
    return _NUMBER.sub(lambda match: str(int(match[1]) + 1), public, count=1) + plus + local


def links_text(files: list[DatasetFile]) -> str:
    """Return the links of a data set as the text that its model has as configuration; "" for none.

    It also says if there is nothing but links: then a package of the model is an earlier one.

    >>> links_text([DatasetFile("a", None, 3, False, "s3://b/a")])
    '{"files": false, "links": [{"path": "a", "url": "s3://b/a", "size": 3, "sha256": null}]}'
    """
    links = [
        {"path": each.path, "url": each.link, "size": each.size, "sha256": each.digest}
        for each in files
        if each.link is not None
    ]
    has_files = len(links) < len(files)
    if has_files and not links:
        return ""
    return json.dumps({"files": has_files, _LINKS: links}, ensure_ascii=False)


def has_files(text: str) -> bool:
    """Return True if a data set with this configuration has files that are no links."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return True
    return not isinstance(found, dict) or found.get("files") is not False


def parse_links(text: str) -> list[DatasetFile]:
    """Return the links that a configuration has; what is no link is left out.

    It may come from elsewhere, so that each part is checked.
    """
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return []
    listed = found.get(_LINKS) if isinstance(found, dict) else None
    links = []
    for each in listed if isinstance(listed, list) else ():
        if not isinstance(each, dict):
            continue
        path, url, size, digest = (each.get(key) for key in ("path", "url", "size", "sha256"))
        if not isinstance(path, str) or not is_package_path(path) or not is_stored_url(url):
            continue
        known = digest if isinstance(digest, str) and is_sha256(digest) else None
        counted = size if type(size) is int and size >= 0 else None
        links.append(DatasetFile(path, known, counted, False, url))
    return links


def parse_parents(text: str | None) -> tuple[str, ...]:
    """Return the ids of the parents of a data set from its metadata."""
    try:
        found = json.loads(text) if text else []
    except (ValueError, RecursionError):
        return ()
    listed = found if isinstance(found, list) else []
    return tuple(dict.fromkeys(each for each in listed if isinstance(each, str)))


def matches(path: str, patterns: tuple[str, ...], *, recursive: bool = True) -> bool:
    """Return True if a path of a data set matches one of some patterns.

    A pattern names a path from the top. With `recursive` its last part may be at any depth below
    the folders before it. `*` matches slashes only there.

    >>> matches("a/b/c.jpg", ("*.jpg",)), matches("a/b/c.jpg", ("a/*.jpg",))
    (True, True)
    >>> matches("a/b/c.jpg", ("*.jpg",), recursive=False)
    False
    """
    return any(_matches(path, each, recursive) for each in patterns)


def globbed(path: str, patterns: tuple[str, ...], *, recursive: bool) -> bool:
    """Return True if a path below a folder matches a pattern as `pathlib.Path.glob` reads it.

    With `recursive` as `rglob`: the pattern may begin at any folder. ``**`` is any folders.

    >>> globbed("x/a/b.jpg", ("a/*.jpg",), recursive=True), globbed("x/b.jpg", ("*.jpg",),
    ...         recursive=False)
    (True, False)
    """
    parts = path.split("/")
    return any(
        _globbed(parts, (["**"] if recursive else []) + each.split("/")) for each in patterns
    )


def _globbed(parts: list[str], wanted: list[str]) -> bool:
    """Return True if all parts of a path match; each place is looked at once for each pattern."""
    reached = {0}
    for pattern in wanted:
        if pattern == "**":
            reached = set(range(min(reached), len(parts))) if reached else reached
        else:
            reached = {
                at + 1 for at in reached if at < len(parts) and fnmatchcase(parts[at], pattern)
            }
        if not reached:
            return False
    return len(parts) in reached


def _matches(path: str, pattern: str, recursive: bool) -> bool:
    if recursive:
        folder, _, name = pattern.rpartition("/")
        return fnmatchcase(path, f"{folder}/*" if folder else "*") and fnmatchcase(
            f"/{path}", f"*/{name}"
        )
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
