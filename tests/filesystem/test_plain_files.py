"""Plain files of the user: read whole and replaced whole; nothing else is touched (P26)."""

from __future__ import annotations

import os

import pytest
from support.odd_files import KINDS, make_odd, seen

from localreg.errors import InvalidValueError, SourceNotFoundError
from localreg.filesystem.plain_files import (
    content_of,
    discard,
    read_plain,
    read_text,
    replacing_plain,
)


def write(place, data=b"new"):
    with replacing_plain(place, "output") as temporary:
        temporary.write_bytes(data)


def test_a_new_file_and_a_plain_file_are_written(tmp_path):
    place = tmp_path / "a"
    write(place, b"1")
    write(place, b"2")
    assert place.read_bytes() == b"2"
    assert list(tmp_path.iterdir()) == [place]


def test_a_link_to_a_plain_file_stays_and_its_file_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "a", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to("there/a")
    write(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert list((tmp_path / "there").iterdir()) == [target]


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_a_plain_file_is_replaced_or_read(kind, linked, tmp_path):
    place = node = make_odd(kind, tmp_path)
    if linked:
        place = tmp_path / "link"
        place.symlink_to(node)
    before = seen(node), seen(place), sorted(tmp_path.iterdir())
    what = kind.rpartition(" ")[2]
    with pytest.raises(InvalidValueError, match=f"output must be .* is a {what}"):
        write(place)
    with pytest.raises(InvalidValueError, match=f"csv must be a plain file, and .* is a {what}"):
        read_plain(place, "csv")
    assert (seen(node), seen(place), sorted(tmp_path.iterdir())) == before


def test_a_link_to_nothing_is_neither_written_nor_read(tmp_path):
    (tmp_path / "link").symlink_to("nothing")
    (tmp_path / "circle").symlink_to("circle")
    for name in ("link", "circle"):
        with pytest.raises(InvalidValueError, match=r"is a link to .*, which leads to no file"):
            write(tmp_path / name)
    with pytest.raises(SourceNotFoundError):
        read_plain(tmp_path / "link", "csv")
    with pytest.raises(OSError, match="symbolic links"):
        read_plain(tmp_path / "circle", "csv")
    assert sorted(os.listdir(tmp_path)) == ["circle", "link"]


def test_nothing_is_left_of_a_write_that_fails(tmp_path):
    place = tmp_path / "a"
    place.write_bytes(b"old")
    with pytest.raises(TypeError), replacing_plain(place, "output") as temporary:
        temporary.write_bytes("text")
    assert place.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [place]


def test_what_appears_while_it_is_written_is_not_replaced(tmp_path):
    """P26: the place is looked at again before the file gets its name."""
    place = tmp_path / "a"

    def write_late():
        with replacing_plain(place, "output") as temporary:
            temporary.write_bytes(b"new")
            os.mkfifo(place)

    with pytest.raises(InvalidValueError, match="output must be a plain file"):
        write_late()
    assert place.is_fifo()
    assert list(tmp_path.iterdir()) == [place]


def test_a_file_is_read_up_to_its_bound(tmp_path):
    place = tmp_path / "a"
    place.write_bytes(b"12345")
    assert read_plain(place, "csv", 5) == b"12345"
    with pytest.raises(InvalidValueError, match="csv must have at most 4 bytes"):
        read_plain(place, "csv", 4)


def test_text_is_read_with_the_line_breaks_of_python(tmp_path):
    place = tmp_path / "a"
    place.write_bytes("ä\r\nb\rc\n".encode())
    assert read_text(place, "csv") == "ä\nb\nc\n"
    place.write_bytes(b"\xff")
    with pytest.raises(InvalidValueError, match=r"csv: .* is not text in UTF-8"):
        read_text(place, "csv")


def test_a_temporary_file_that_cannot_be_deleted_is_logged(tmp_path, caplog):
    (tmp_path / "folder").mkdir()
    discard(tmp_path / "folder")
    discard(tmp_path / "gone")
    assert "folder is left over" in caplog.text
    assert "gone" not in caplog.text


def test_a_file_of_localreg_is_read_up_to_a_limit(tmp_path):
    """In a registry of a stranger a file of any size may be in its place."""
    place = tmp_path / "a"
    place.write_bytes(b"12345")
    assert content_of(place) == content_of(place, 5) == b"12345"
    os.truncate(place, 2**40)  # sparse
    assert content_of(place, 5) is None
