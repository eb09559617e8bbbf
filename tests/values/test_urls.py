"""Weights URLs: one text for each file, no secret in shown texts, names that can be files."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from localreg.errors import InvalidURLError
from localreg.values.urls import (
    URL_LIMIT,
    WeightsURL,
    local_path,
    local_url,
    parse_weights_url,
    path_text,
    public_url,
    safe_filename,
)

# Names that a file may have: anything but "/" and NUL, and no lone surrogates (they are no text).
characters = st.characters(exclude_characters="\0/", exclude_categories=["Cs"])
names = st.one_of(
    st.text(characters, min_size=1, max_size=30),
    st.text("%20?#&=@:;+~ \\\n\t'\"<>é漢🙂.a", min_size=1, max_size=12),
).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))

hosts = st.sampled_from(
    ["example.org", "Example.ORG:8443", "127.0.0.1:80", "[::1]", "bucket", "bücher.example"]
)
schemes = st.sampled_from(["http", "https", "HTTPS", "s3", "gs", "azure", "ftp", "x-own+1.0"])
# Secrets begin with letters that occur nowhere else.
SECRET = "hunter2"
secrets = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="/?#[]@:&=\\"),
    max_size=8,
).map(lambda text: SECRET + text)
plain = st.text("abcXYZ019-._~%!$'()*,é", max_size=8)


@st.composite
def remote_urls(draw):
    """Draw a URL, with or without secrets."""
    user = draw(
        st.one_of(
            st.just(""),
            secrets.map("{}@".format),
            st.tuples(plain, secrets).map(lambda pair: f"{pair[0]}:{pair[1]}@"),
            secrets.map(lambda secret: f"{secret}:{secret}@more:{secret}@"),
        )
    )
    path = "".join(f"/{part}" for part in draw(st.lists(plain, max_size=3)))
    fields = draw(
        st.lists(
            st.one_of(st.tuples(plain, secrets).map("=".join), secrets, st.just("")), max_size=3
        )
    )
    query = "?" + "&".join(fields) if fields else ""
    fragment = draw(st.one_of(st.just(""), secrets.map("#{}".format)))
    return f"{draw(schemes)}://{user}{draw(hosts)}{path}{query}{fragment}"


@given(st.sampled_from(["http", "https", "s3", "gs"]), hosts, st.lists(plain, max_size=3))
@example("s3", "bucket", [])
@example("s3", "bucket", [""])
@example("s3", "bucket", ["weights", ".."])
@example("https", "host", ["a%20b.pt"])
def test_a_url_without_anything_to_hide_is_read_as_one_with_a_fragment(scheme, host, names):
    """The first kind is not taken apart, which is faster."""
    url = f"{scheme}://{host}{''.join(f'/{name}' for name in names)}"
    apart = parse_weights_url(f"{url}#hidden")
    assert parse_weights_url(url) == WeightsURL(url, apart.public, apart.filename, None)


class TestFiles:
    @given(paths)
    @example("/data/100%.pt")
    @example("/data/a%20b.pt")
    @example("/data/a b#c?d=e.pt")
    @example("/data/weights\n.pt")
    @example("/data///x/./y.pt")
    def test_a_path_comes_back_from_its_url(self, path):
        """Given as os.PathLike: a str is stripped of blanks, as ClearML strips URLs."""
        parsed = parse_weights_url(Path(path))
        assert parsed.path == Path(path)
        assert parsed.text == Path(path).as_uri()
        assert local_path(parsed.text) == local_path(local_url(Path(path))) == Path(path)
        assert parsed.public is None

    @given(paths)
    @example("/data/a%20b.pt")
    @example("/data/a%2520b.pt")
    def test_a_file_url_is_decoded_once(self, path):
        assert parse_weights_url("file://" + quote(path)).path == Path(path)

    @given(paths)
    @example("/a?b")
    @example("/a#b;c")
    def test_all_spellings_of_one_path_give_one_url(self, path):
        spellings = [
            f"file://{quote(path)}",
            f"file://localhost{quote(path)}",
            f"FILE://LocalHost{quote(path)}",
            "file://" + "".join(f"%{byte:02x}" if byte != 47 else "/" for byte in path.encode()),
            f"file://{quote(path)}/",
            f"file:///.{quote(path)}",
            f"file:///{quote(path)}",
        ]
        texts = {parse_weights_url(spelling).text for spelling in spellings}
        texts |= {parse_weights_url(Path(form)).text for form in (f"/{path}", f"/.//{path}")}
        assert texts == {parse_weights_url(Path(path)).text}

    @given(paths)
    def test_parsing_a_text_again_changes_nothing(self, path):
        once = parse_weights_url(Path(path))
        assert parse_weights_url(once.text) == once

    def test_a_query_is_part_of_a_file_name(self):
        """`file:///a?b` names the file "a?b": a path has no query."""
        assert parse_weights_url("file:///data/a?b=c#d").path == Path("/data/a?b=c#d")

    def test_a_relative_path_counts_from_the_working_directory(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        expected = (tmp_path / "sub/m.pt").as_uri()
        for given_ in ("sub/m.pt", "./sub/m.pt", Path("sub/m.pt"), "sub//m.pt"):
            assert parse_weights_url(given_).text == expected

    def test_names_that_look_like_a_home_or_a_drive_are_names(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert parse_weights_url("~/m.pt").path == tmp_path / "~/m.pt"
        assert parse_weights_url("c:m.pt").path == tmp_path / "c:m.pt"

    def test_dots_are_resolved_as_the_file_system_does(self, tmp_path):
        """`..` after a symbolic link is the parent of its target."""
        real = Path(os.path.realpath(tmp_path))
        (real / "deep/target").mkdir(parents=True)
        (real / "link").symlink_to("deep/target")
        assert parse_weights_url(f"{real}/link/../m.pt").path == real / "deep/m.pt"
        assert parse_weights_url(f"file://{real}/link/../m.pt").path == real / "deep/m.pt"
        assert parse_weights_url(f"{real}/link/..").path == real / "deep"
        assert parse_weights_url(f"{real}/link/m.pt").path == real / "link/m.pt"

    def test_the_name_of_a_link_stays(self, tmp_path):
        """Also after "..": the link itself is recorded, not its present target."""
        real = Path(os.path.realpath(tmp_path))
        (real / "sub").mkdir()
        (real / "latest.pt").symlink_to("v7.pt")
        assert parse_weights_url(f"{real}/sub/../latest.pt").path == real / "latest.pt"


class TestRemoteURLs:
    @given(remote_urls())
    @example("https://me:hunter2@example.org/m.pt?sig=hunter2#hunter2")
    @example("s3://bucket/m.pt?hunter2")
    @example("https://hunter2@example.org:8443/m.pt")
    @example("https://me:hunter2@inner@example.org/m.pt")
    def test_a_public_url_has_no_secret(self, url):
        parsed = parse_weights_url(url)
        assert SECRET not in parsed.public
        assert SECRET not in (parsed.filename or "")
        assert SECRET not in public_url(parsed.text)

    @given(remote_urls())
    def test_a_remote_url_is_kept_unchanged(self, url):
        parsed = parse_weights_url(f"  {url}\n")
        assert (parsed.text, parsed.path) == (url, None)
        assert parse_weights_url(parsed.text) == parsed

    @given(remote_urls())
    def test_the_public_form_of_a_public_url_is_itself(self, url):
        public = parse_weights_url(url).public
        assert parse_weights_url(public).text == public == public_url(public)
        assert parse_weights_url(public).filename == parse_weights_url(url).filename

    @given(schemes, hosts, plain)
    def test_a_url_without_a_secret_is_shown_unchanged(self, scheme, host, path):
        assume(scheme.islower())
        url = f"{scheme}://{host}/{path}"
        assert parse_weights_url(url).public == url

    def test_a_filename_is_decoded_and_never_contains_a_folder(self):
        def named(url):
            return parse_weights_url(url).filename

        assert named("https://example.org/a/my%20model.pt?x=1") == "my model.pt"
        assert named("https://example.org/a/%2e%2e%2fetc%2fpasswd") == "passwd"
        assert named("https://example.org/a%5cb.pt") == "a_b.pt"
        assert named("https://example.org/folder/") == "folder"
        assert named("https://example.org") is None
        assert named("https://example.org/..") is None
        assert named("https://example.org/%ff.pt") == "\ufffd.pt"


class TestNoURLs:
    @pytest.mark.parametrize(
        "url",
        [
            *("", "   ", "\n", None, 7, b"m.pt", ["m.pt"], object()),
            *("a\0b", "file:///a%00b", "/data/\ud800", "file:///a%ff", "file:///\udcff"),
            *("file://", "file://relative.pt", "file://host/m.pt", "file:/m.pt", "file:m.pt"),
            *("http:/example.org/m.pt", "https:m.pt", "s3:bucket/m.pt", "HTTPS:/example.org"),
            *("https://", "https:///m.pt", "https://?x=1", "https://me:pw@/m.pt", "s3://:80/x"),
            *("https://[::1/m.pt", "https://example.org:port/", "https://example.org:99999/"),
            *("https://example.org/my model.pt", "https://example.org/a\tb", "http://a\x7fb/"),
            *("https://exa\u2100mple.org/", "x" * (URL_LIMIT + 1)),
        ],
        ids=lambda url: ascii(url)[:40] if isinstance(url, str) else None,
    )
    def test_the_error_names_the_argument(self, url):
        with pytest.raises(InvalidURLError) as caught:
            parse_weights_url(url)
        assert caught.value.argument == "weights_url"
        assert isinstance(caught.value, ValueError)

    @given(remote_urls(), st.sampled_from(["bad host", "bad port", "blank"]))
    def test_the_error_contains_no_secret(self, url, flaw):
        scheme, _, rest = url.partition("://")
        user, at, place = rest.rpartition("@")
        broken = {
            "bad host": f"{scheme}://{user}{at}[{place}",
            "bad port": f"{scheme}://{user}{at}example.org:{SECRET}/m.pt",
            "blank": f"{url}/a b",
        }[flaw]
        with pytest.raises(InvalidURLError) as caught:
            parse_weights_url(broken)
        error = caught.value
        while error is not None:
            if not error.__suppress_context__ and error.__context__ is not None:
                assert SECRET not in str(error.__context__)
            assert SECRET not in str(error)
            error = error.__cause__

    @given(st.text(max_size=60))
    @example("://")
    @example("file://%")
    @example("https://[")
    @example("\x1c")
    def test_any_text_is_a_url_or_an_invalid_url_error(self, text):
        try:
            parsed = parse_weights_url(text)
        except InvalidURLError:
            return
        assert parse_weights_url(parsed.text).text == parsed.text
        assert (parsed.public is None) == (parsed.path is not None)


class TestFilenames:
    @given(
        st.one_of(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
            st.text("./\\\0\n ~-a", max_size=12),
            st.text("é漢🙂.x", min_size=60, max_size=300),
            st.tuples(st.text("漢a. ", max_size=300), st.text("z漢.", max_size=30)).map(".".join),
        )
    )
    @example("." * 300)
    @example("a" * 300 + ".tar.gz")
    @example("." * 250 + "a" * 30)
    @example("x/" + " " * 300)
    @example("a" * 199 + " .pt")
    def test_a_safe_name_can_be_the_name_of_a_file(self, path):
        name = safe_filename(path)
        if name is not None:
            assert name not in ("", ".", "..")
            assert len(name.encode()) <= 255 - 34  # room for an ending of ours
            assert not set(name) & {"/", "\\", "\0", "\n", "\r", "\x7f"}

    @given(names.filter(lambda name: safe_filename(name) == name))
    def test_a_name_that_is_safe_is_kept(self, name):
        assert safe_filename(f"/data/{name}") == name

    @given(st.text("漢é🙂ab", min_size=100, max_size=300), st.sampled_from([".pt", ".safetensors"]))
    def test_a_name_cut_short_keeps_its_ending(self, stem, ending):
        assume(len((stem + ending).encode()) > 255)
        assert safe_filename(stem + ending).endswith(ending)
        assert (stem + ending).startswith(safe_filename(stem + ending)[: -len(ending)])

    def test_a_file_of_every_name_can_be_written(self, tmp_path):
        for path in ("x/" + "漢" * 300 + ".pt", "a\\b\nc", "-rf ~", "." * 250 + "a" * 30, "...a"):
            (tmp_path / safe_filename(path)).write_bytes(b"")
        assert len(list(tmp_path.iterdir())) == 5


class TestPathsOfWindows:
    """The rules for drives and servers, as pure functions: nothing here ran on Windows."""

    @pytest.mark.parametrize(
        "path", ["C:/data/my net.pt", "c:/", "//nas/share/a#b.pt", "//nas/share/", "D:/ä/%20"]
    )
    def test_a_path_becomes_a_url_and_back(self, path):
        url = PureWindowsPath(path).as_uri()
        assert PureWindowsPath(path_text(unquote(url[7:]), PureWindowsPath)) == PureWindowsPath(
            path
        )

    def test_elsewhere_a_drive_is_a_folder(self):
        assert path_text("/C:/net.pt", PurePosixPath) == "/C:/net.pt"

    def test_a_server_in_a_file_url_is_an_error_where_paths_have_none(self):
        with pytest.raises(InvalidURLError, match="absolute path"):
            parse_weights_url("file://nas/share/net.pt")
