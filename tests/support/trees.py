"""Trees of files, as packages have them: written, looked at, damaged, and drawn by hypothesis.

A tree is a dict: the path of each file with its `File`, and that of each empty folder with None.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import zipfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from localreg.blobs.archives.unpacking import remove_tree


class File(NamedTuple):
    """The bytes of a file, and if its owner may run it."""

    content: bytes
    executable: bool = False


def plant(folder, tree):
    """Write a tree to a folder, which is made; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, file in tree.items():
        place = folder / path
        if file is None:
            place.mkdir(parents=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.content)
        place.chmod(0o755 if file.executable else 0o644)
    return folder


def look(folder):
    """Return the tree that is in a folder, which holds plain files and folders only."""
    folder = Path(folder)
    assert not folder.is_symlink(), f"{folder} is a link"
    found = {}
    for place, folders, names in os.walk(folder):
        inside = Path(place).relative_to(folder)
        if not folders and not names and Path(place) != folder:
            found[str(inside)] = None
        for name in [*folders, *names]:
            mode = (Path(place) / name).lstat().st_mode
            if name in folders:
                assert stat.S_ISDIR(mode), f"{inside / name} is a link"
                continue
            assert stat.S_ISREG(mode), f"{inside / name} is no file"
            found[str(inside / name)] = File(
                (Path(place) / name).read_bytes(), bool(mode & stat.S_IXUSR)
            )
    return found


def writable_in(folder):
    """Return the files and folders in a folder whose mode lets somebody write to them."""
    places = [Path(folder), *Path(folder).rglob("*")]
    return [str(each) for each in places if each.lstat().st_mode & 0o222]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def manifest_of(tree):
    """Return the bytes that name a tree; written here in a way of its own."""
    files = [
        {"path": path, "sha256": sha256(tree[path].content), "size": len(tree[path].content),
         "executable": tree[path].executable}
        for path in sorted(tree)
        if tree[path] is not None
    ]  # fmt: skip
    folders = sorted(path for path, file in tree.items() if file is None)
    found = {"v": 1, "files": files, "folders": folders}
    text = json.dumps(found, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"{text}\n".encode()


def digest_of(tree):
    """Return the digest of the package with these files."""
    return sha256(manifest_of(tree))


def blobs_of(tree):
    """Return the digests of all blobs that the package needs: its files, and its manifest."""
    return {sha256(file.content) for file in tree.values() if file is not None} | {digest_of(tree)}


def total_of(tree):
    """Return the number of bytes of all files."""
    return sum(len(file.content) for file in tree.values() if file is not None)


def zipped(tree, *, method=zipfile.ZIP_DEFLATED):
    """Return a zip of a tree, with the executable bits."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", method) as archive:
        for path, file in tree.items():
            member = zipfile.ZipInfo(path if file else f"{path}/")
            mode = 0o100755 if file and file.executable else 0o100644
            member.external_attr = (mode if file else 0o40755) << 16
            archive.writestr(member, file.content if file else b"")
    return into.getvalue()


# Names that some program has had trouble with.
ODD_NAMES = (
    " ", " before", "after ", ".hidden", "...", "-rf", "--help", "a.", "a", "A", "README.md",
    "readme.MD", "\u00e9", "e\u0301", "\u00c5", "A\u030a", "\u212b", "con", "NUL.txt", "aux.", "~",
    "$HOME", "%2e%2e", "*", "?", "'", '"', "a b", "\u540d\u524d", "\U0001f917", "\u202e.txt",
    "x" * 255, "\u00e9" * 127 + "x", "\u200b", "\x85", "\u2028", "\ufeff", "#1", "a;b", "1:2",
)  # fmt: skip
_CONTENTS = (b"", b"same", b"other", b"\0", b"x" * 5_000)


def _is_name(name):
    drive = len(name) > 1 and name[1] == ":" and name[0].isascii() and name[0].isalpha()
    return name not in (".", "..") and len(name.encode()) <= 255 and not drive


def names():
    """Draw names that every package can have: no control characters, backslashes and drives."""
    letters = st.characters(
        exclude_categories=("Cs",), exclude_characters="/\\\x7f" + "".join(map(chr, range(32)))
    )
    free = st.text(letters, min_size=1, max_size=40).filter(_is_name)
    return st.sampled_from(ODD_NAMES) | free


def paths():
    """Draw paths of files; some are deep."""
    few = st.lists(names(), min_size=1, max_size=4)
    deep = st.integers(10, 60).map(lambda depth: ["d"] * depth)
    return (few | deep).map("/".join)


@st.composite
def trees(draw, *, largest=12):
    """Draw trees: unicode, equal bytes, files without bytes, empty folders, executable files."""
    contents = st.sampled_from(_CONTENTS) | st.binary(max_size=300)
    entry = st.one_of(st.none(), st.builds(File, contents, st.booleans()))
    drawn = draw(st.lists(st.tuples(paths(), entry), min_size=1, max_size=largest))
    tree = {}
    for path, file in drawn:
        above = path.split("/")
        prefixes = {"/".join(above[:count]) for count in range(1, len(above))}
        inside = any(other.startswith(f"{path}/") for other in tree)
        if path in tree or inside or prefixes & tree.keys():
            continue
        tree[path] = file
    return tree


def _remake(place, write):
    """Remove what is at a place, and write something else there, in a folder that is read-only."""
    place.parent.chmod(0o755)
    remove_tree(place) if place.is_dir() and not place.is_symlink() else place.unlink()
    write(place)


def _other(place, content):
    """Replace a file by one with other bytes; the blob that it was a link to stays as it was."""
    mode = stat.S_IMODE(place.stat().st_mode)
    _remake(place, lambda new: new.write_bytes(content))
    place.chmod(mode)


def _remove(folder, path):
    _remake(folder / path, lambda _: None)


def _grow(folder, path):
    _other(folder / path, (folder / path).read_bytes() + b"more")


def _add(folder, path):
    (folder / path).parent.chmod(0o755)
    (folder / path).with_name("notes of a user").write_text("keep me")


def _add_folder(folder, path):
    folder.chmod(0o755)
    (folder / "another folder").mkdir()


def _add_link(folder, path):
    folder.chmod(0o755)
    (folder / "a link").symlink_to("/etc/hostname")


def _to_link(folder, path):
    outside = folder.parent.parent / "outside"
    outside.write_bytes((folder / path).read_bytes())
    outside.chmod((folder / path).stat().st_mode)
    _remake(folder / path, lambda new: new.symlink_to(outside))


def _to_folder(folder, path):
    _remake(folder / path, Path.mkdir)


def _to_pipe(folder, path):
    _remake(folder / path, os.mkfifo)


def _rename(folder, path):
    (folder / path).parent.chmod(0o755)
    (folder / path).rename((folder / path).with_name("renamed"))


def _set_bit(folder, path):
    place = folder / path
    mode = stat.S_IMODE(place.stat().st_mode)
    _other(place, place.read_bytes())
    place.chmod(mode ^ 0o111)


def _set_bit_of_the_blob(folder, path):
    """A mode belongs to the inode, which the blob shares."""
    place = folder / path
    place.chmod(stat.S_IMODE(place.stat().st_mode) ^ 0o111)


def _remove_folder(folder, path):
    top = folder / path.split("/")[0]
    folder.chmod(0o755)
    remove_tree(top) if top.is_dir() else top.unlink()


def _empty(folder, path):
    remove_tree(folder)
    folder.mkdir()


def _to_file(folder, path):
    remove_tree(folder)
    folder.write_text("a file")


def _to_linked_folder(folder, path):
    """The folder becomes a link to one with the same files."""
    outside = folder.parent.parent / "outside"
    plant(outside, look(folder))
    remove_tree(folder)
    folder.symlink_to(outside)


# What happens to a local folder, given a file of it; each is found by names, kinds, sizes and bits.
DAMAGES = {
    "a file removed": _remove,
    "a file added": _add,
    "a folder added": _add_folder,
    "a link added": _add_link,
    "a file grown": _grow,
    "a file replaced by a link": _to_link,
    "a file replaced by a folder": _to_folder,
    "a file replaced by a pipe": _to_pipe,
    "a file renamed": _rename,
    "an executable bit changed": _set_bit,
    "an executable bit changed in place": _set_bit_of_the_blob,
    "a folder removed": _remove_folder,
    "everything removed": _empty,
    "the folder replaced by a file": _to_file,
    "the folder replaced by a link": _to_linked_folder,
}


def change_bytes(folder, path):
    """Replace a file by one of the same size, with other bytes, and the same times."""
    place = folder / path
    found, content = place.stat(), place.read_bytes()
    assert content
    _other(place, bytes([content[0] ^ 1]) + content[1:])
    os.utime(place, ns=(found.st_atime_ns, found.st_mtime_ns))


def damage_blob(root, digest):
    """Change a byte of a blob in place, with its size and times as they were; return its path."""
    place = root / "blobs" / "sha256" / digest[:2] / digest[2:]
    found = place.stat()
    place.chmod(0o644)
    with open(place, "r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))
    place.chmod(stat.S_IMODE(found.st_mode))
    os.utime(place, ns=(found.st_atime_ns, found.st_mtime_ns))
    return place
