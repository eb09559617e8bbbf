"""P20: servers that lie, fail or drip give an error or the right bytes, and leave no file."""

from __future__ import annotations

import gc
import gzip
import hashlib
import os
import re
import socket
import subprocess
import threading
import time
import traceback
from email.utils import formatdate

import pytest

from localreg.blobs.bundles.container_registry import ContainerRegistry
from localreg.blobs.transfer.downloading import download
from localreg.blobs.transfer.http.exchange import Exchange
from localreg.blobs.transfer.pace import Pace, Watch, pace_from_environment
from localreg.errors import (
    DigestMismatchError,
    DownloadError,
    InvalidValueError,
    StorageError,
    StorageFullError,
    UploadError,
)

BODY = os.urandom(300_000)
DIGEST = hashlib.sha256(BODY).hexdigest()
QUICK = Pace(silence=1.0, connect=5.0, pause=0.001)
ETAG = '"one"'


class Server:
    """Answers each connection with the next of its scripts, and repeats the last one.

    A script is bytes, or a function that gets the connection and the request's text.
    """

    def __init__(self, *scripts):
        self.scripts = list(scripts)
        self.requests = []
        self.line = socket.create_server(("127.0.0.1", 0))
        self.port = self.line.getsockname()[1]
        self.over = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def url(self, path="/net.pt", host="127.0.0.1"):
        return f"http://{host}:{self.port}{path}"

    def run(self):
        while True:
            line, _ = self.line.accept()
            with line:
                if self.over:
                    return
                try:
                    self.answer(line)
                except OSError:  # the other side had enough
                    continue

    def answer(self, line):
        line.settimeout(5)
        text = b""
        while b"\r\n\r\n" not in text:
            data = line.recv(65_536)
            if not data:
                return
            text += data
        self.requests.append(text.decode("latin-1"))
        script = self.scripts[0] if len(self.scripts) == 1 else self.scripts.pop(0)
        line.sendall(script) if isinstance(script, bytes) else script(line, self.requests[-1])

    def close(self):
        self.over = True
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.thread.join()
        self.line.close()


@pytest.fixture
def serve():
    servers = []

    def serve(*scripts):
        servers.append(Server(*scripts))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "/nowhere")


def answer(body=BODY, status="200 OK", length=None, **headers):
    told = {"Content-Length": len(body) if length is None else length, "Connection": "close"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in told.items() if value is not False]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + body


def get(server, tmp_path, path="/net.pt", **options):
    folder = tmp_path / "get"
    folder.mkdir(exist_ok=True)
    return download(server.url(path), folder / "part", **{"pace": QUICK} | options)


def files(tmp_path):
    return sorted(each.name for each in (tmp_path / "get").iterdir())


def assert_got(found, tmp_path, body=BODY):
    assert (found.digest, found.size) == (hashlib.sha256(body).hexdigest(), len(body))
    assert (tmp_path / "get" / "part").read_bytes() == body
    assert files(tmp_path) == ["part"]


def assert_fails(server, tmp_path, match, path="/net.pt", **options):
    with pytest.raises(DownloadError, match=match) as raised:
        get(server, tmp_path, path, **options)
    assert files(tmp_path) == []
    return raised.value


def ranges_of(server):
    return [re.findall(r"(?im)^range: (.*)\r$", request) for request in server.requests]


# right answers -----------------------------------------------------------------------------


def test_a_whole_answer_is_accepted(serve, tmp_path):
    server = serve(answer(ETag=ETAG, Last_Modified="Sun, 22 Nov 2026 00:00:00 GMT"))
    told = []
    found = get(server, tmp_path, progress=lambda done, total: told.append((done, total)))
    assert_got(found, tmp_path)
    assert (found.etag, found.modified) == (ETAG, "Sun, 22 Nov 2026 00:00:00 GMT")
    assert told[-1] == (len(BODY), len(BODY))
    assert "Accept-Encoding: identity\r\n" in server.requests[0]
    assert "#" not in server.requests[0].splitlines()[0]


def test_an_empty_answer_is_an_empty_file(serve, tmp_path):
    assert_got(get(serve(answer(b"")), tmp_path), tmp_path, b"")


def test_chunks_to_their_end_are_whole(serve, tmp_path):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(BODY[at : at + 70_000]), BODY[at : at + 70_000])
                      for at in range(0, len(BODY), 70_000))  # fmt: skip
    script = answer(chunks + b"0\r\n\r\n", length=False, Transfer_Encoding="chunked")
    assert_got(get(serve(script), tmp_path), tmp_path)


def test_a_checksum_is_compared(serve, tmp_path):
    server = serve(answer(ETag=ETAG))
    assert_got(get(server, tmp_path, wanted=DIGEST), tmp_path)
    (tmp_path / "get" / "part").unlink()
    with pytest.raises(DigestMismatchError) as raised:
        get(server, tmp_path, wanted="0" * 64)
    assert (raised.value.wanted, raised.value.found) == ("0" * 64, DIGEST)
    assert files(tmp_path) == []


# cut bodies --------------------------------------------------------------------------------


def partial(start, etag=ETAG, body=BODY, **headers):
    span = f"bytes {start}-{len(body) - 1}/{len(body)}"
    return answer(
        body[start:], "206 Partial Content", **{"Content_Range": span, "ETag": etag} | headers
    )


def cut(script, at):
    return script[: script.index(b"\r\n\r\n") + 4 + at]


def resuming(line, request):
    """Send the requested rest, but never more than 100,000 bytes."""
    match = re.search(r"(?i)range: bytes=(\d+)-", request)
    start = int(match[1]) if match else 0
    whole = partial(start) if match else answer(ETag=ETAG)
    line.sendall(cut(whole, 100_000))


def test_a_cut_body_continues_where_it_stopped(serve, tmp_path):
    server = serve(resuming)
    assert_got(get(server, tmp_path), tmp_path)
    asked = ranges_of(server)
    assert asked[0] == []
    assert all(each and each[0].startswith("bytes=") for each in asked[1:])
    assert 3 <= len(asked) <= 8
    assert f"If-Range: {ETAG}" in server.requests[1]


def test_another_call_continues_where_one_stopped(serve, tmp_path):
    """The first server fails for good; later another one serves the same file."""
    server = serve(cut(answer(ETag=ETAG), 200_000), answer(b"", "503 Busy"))
    url = server.url()
    folder = tmp_path / "get"
    folder.mkdir()
    with pytest.raises(DownloadError, match="503"):
        download(url, folder / "part", pace=QUICK)
    assert files(tmp_path) == ["part", "part.json"]
    assert "http" not in (folder / "part.json").read_text()
    server.scripts = [resuming]
    assert_got(download(url, folder / "part", pace=QUICK), tmp_path)
    assert ranges_of(server)[-1] == ["bytes=200000-"]


def test_the_part_of_another_url_is_not_continued(serve, tmp_path):
    server = serve(cut(answer(ETag=ETAG), 200_000), answer(b"", "503 Busy"))
    with pytest.raises(DownloadError):
        get(server, tmp_path)
    server.scripts = [answer()]
    assert_got(get(server, tmp_path, "/other.pt"), tmp_path)
    assert ranges_of(server)[-1] == []


def test_a_link_is_not_written_through(serve, tmp_path):
    (tmp_path / "get").mkdir()
    (tmp_path / "outside").write_bytes(b"outside")
    (tmp_path / "get" / "part").symlink_to(tmp_path / "outside")
    with pytest.raises(StorageError):
        get(serve(answer()), tmp_path)
    assert (tmp_path / "outside").read_bytes() == b"outside"


def test_a_part_without_a_note_is_overwritten_completely(serve, tmp_path):
    (tmp_path / "get").mkdir()
    (tmp_path / "get" / "part").write_bytes(b"x" * 400_000)
    assert_got(get(serve(answer()), tmp_path), tmp_path)


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"key": 1}', b'"x"', b"\xff"], ids=repr)
def test_a_broken_note_is_ignored(note, serve, tmp_path):
    (tmp_path / "get").mkdir()
    (tmp_path / "get" / "part").write_bytes(BODY[:100])
    (tmp_path / "get" / "part.json").write_bytes(note)
    server = serve(answer())
    assert_got(get(server, tmp_path), tmp_path)
    assert ranges_of(server) == [[]]


@pytest.mark.parametrize("etag", [None, 'W/"weak"', "unquoted"])
def test_without_a_strong_etag_the_download_starts_again(etag, serve, tmp_path):
    headers = {"ETag": etag} if etag else {}
    server = serve(cut(answer(**headers), 100_000), answer(**headers))
    assert_got(get(server, tmp_path), tmp_path)
    assert ranges_of(server) == [[], []]


def test_a_file_that_changed_is_downloaded_again(serve, tmp_path):
    other = os.urandom(200_000)
    server = serve(cut(answer(ETag=ETAG), 100_000), answer(other, ETag='"two"'))
    assert_got(get(server, tmp_path), tmp_path, other)


WRONG_PARTS = {
    "another ETag": lambda: partial(100_000, etag='"two"'),
    "another start": lambda: partial(50_000),
    "another total": lambda: partial(100_000, Content_Range="bytes 100000-299999/400000"),
    "a part of the rest": lambda: partial(100_000, Content_Range="bytes 100000-200000/300000"),
    "no range": lambda: partial(100_000, Content_Range=False),
    "an invalid range": lambda: partial(100_000, Content_Range="bytes */*"),
}


@pytest.mark.parametrize("name", WRONG_PARTS)
def test_a_rest_that_does_not_match_starts_again(name, serve, tmp_path):
    server = serve(cut(answer(ETag=ETAG), 100_000), WRONG_PARTS[name](), answer(ETag=ETAG))
    assert_got(get(server, tmp_path), tmp_path)
    assert [bool(each) for each in ranges_of(server)] == [False, True, False]


def test_a_part_that_was_not_requested_is_refused(serve, tmp_path):
    assert_fails(serve(partial(100_000)), tmp_path, "other ranges")


def test_a_range_beyond_the_end_starts_again(serve, tmp_path):
    server = serve(
        cut(answer(ETag=ETAG), 100_000), answer(b"", "416 Range Not Satisfiable"), answer(ETag=ETAG)
    )
    assert_got(get(server, tmp_path), tmp_path)


def test_a_complete_part_is_accepted(serve, tmp_path):
    """The download was killed after the last byte; the server has no more to send."""
    server = serve(cut(answer(ETag=ETAG), 200_000), answer(b"", "503 Busy"))
    with pytest.raises(DownloadError):
        get(server, tmp_path)
    (tmp_path / "get" / "part").write_bytes(BODY)
    server.scripts = [answer(b"", "416 Range Not Satisfiable")]
    assert_got(get(server, tmp_path), tmp_path)


def test_any_cuts_give_the_right_bytes(serve, tmp_path):
    import random

    for seed in range(10):
        chance = random.Random(seed)

        def script(line, request, chance=chance):
            match = re.search(r"(?i)range: bytes=(\d+)-", request)
            start = int(match[1]) if match and chance.random() < 0.8 else None
            whole = answer(ETag=ETAG) if start is None else partial(start)
            line.sendall(cut(whole, chance.randrange(400_000)))

        assert_got(get(serve(script), tmp_path), tmp_path)
        (tmp_path / "get" / "part").unlink()


def test_a_large_file_that_changed_is_downloaded_again(serve, tmp_path):
    """The hash starts again, and bytes after the end of the shorter file are cut off."""
    first, second = os.urandom(9_000_000), os.urandom(5_500_000)
    server = serve(cut(answer(first, ETag=ETAG), 6_000_000), answer(second, ETag='"two"'))
    assert_got(get(server, tmp_path), tmp_path, second)


# lies --------------------------------------------------------------------------------------

SHORT = {
    "short of its length": answer(length=len(BODY) + 1),
    "far too short": answer(b"abc", length=10**15),
    "chunks that are cut": answer(
        b"5\r\nabcde\r\n", length=False, Transfer_Encoding="chunked"
    ),
    "chunks of nonsense": answer(b"zz\r\nabc", length=False, Transfer_Encoding="chunked"),
    "chunks below zero": answer(b"-5\r\nabc\r\n0", length=False, Transfer_Encoding="chunked"),
    "no answer": b"",
    "half a header": b"HTTP/1.1 200 OK\r\nContent-Le",
    "no HTTP": b"SSH-2.0-OpenSSH_9\r\n",
    "no number for a length": answer(length="many"),
    "less than nothing": answer(length="-5"),
    "two lengths": answer(length="5, 6"),
    "two lengths in two headers": answer(length="5\r\nContent-Length: 6"),
    "no length": answer(length=False),
}  # fmt: skip


@pytest.mark.parametrize("name", SHORT)
def test_an_incomplete_answer_is_an_error_and_never_a_file(name, serve, tmp_path):
    with pytest.raises((DownloadError, StorageFullError)):
        get(serve(SHORT[name]), tmp_path)
    assert files(tmp_path) == []
    gc.collect()  # a connection that was left open warns here, and warnings are errors


def test_without_a_length_a_checksum_shows_that_the_answer_is_whole(serve, tmp_path):
    assert_got(get(serve(answer(length=False)), tmp_path, wanted=DIGEST), tmp_path)
    (tmp_path / "get" / "part").unlink()
    with pytest.raises(DigestMismatchError):
        get(serve(answer(BODY[:-1], length=False)), tmp_path, wanted=DIGEST)
    assert files(tmp_path) == []


def test_chunks_count_even_if_a_length_is_given_too(serve, tmp_path):
    script = answer(b"5\r\nabcde\r\n0\r\n\r\n", length=3, Transfer_Encoding="chunked")
    assert_got(get(serve(script), tmp_path), tmp_path, b"abcde")


def test_bytes_beyond_the_length_are_ignored(serve, tmp_path):
    assert_got(get(serve(answer(length=1_000)), tmp_path), tmp_path, BODY[:1_000])


def test_an_answer_that_is_compressed_without_request_is_refused(serve, tmp_path):
    script = answer(gzip.compress(BODY), Content_Encoding="gzip")
    assert_fails(serve(script), tmp_path, "compressed")
    get(serve(script), tmp_path, "/pkg.tar.gz")  # it is the archive, whatever the server calls it
    assert gzip.decompress((tmp_path / "get" / "part").read_bytes()) == BODY


def test_a_file_that_does_not_fit_on_the_disk_is_refused_before_it_is_read(
    serve, small_disk, tmp_path
):
    disk = small_disk("-t", "tmpfs", "-o", "size=1m", "none")
    server = serve(answer(b"x" * 100, length=5_000_000, ETag=ETAG))
    with pytest.raises(StorageFullError, match="5,000,000"):
        download(server.url(), disk / "part", pace=QUICK)
    assert list(disk.iterdir()) == []


def test_a_full_disk_is_an_error(serve, small_disk):
    disk = small_disk("-t", "tmpfs", "-o", "size=128k", "none")
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    server = serve(answer(chunks, length=False, Transfer_Encoding="chunked"))
    with pytest.raises(StorageFullError):
        download(server.url(), disk / "part", pace=QUICK)
    assert list(disk.iterdir()) == []


# statuses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status", ["500 Oops", "502 Bad", "503 Busy", "504 Slow", "429 Many", "408 X"]
)
def test_a_temporary_error_is_retried(status, serve, tmp_path):
    server = serve(answer(b"", status), answer(b"", status), answer())
    assert_got(get(server, tmp_path), tmp_path)
    assert len(server.requests) == 3


def test_a_server_that_always_fails_is_tried_five_times(serve, tmp_path):
    server = serve(answer(b"", "503 Busy"))
    assert_fails(server, tmp_path, "503")
    assert len(server.requests) == 5


@pytest.mark.parametrize(
    ("status", "match"),
    [("404 None", "does not have it"), ("410 Gone", "any more"), ("403 No", "refuses access"),
     ("401 Who", "credentials"), ("400 Bad", "does not give"), ("204 Empty", "does not give"),
     ("304 Same", "does not give"), ("501 What", "does not give")],
)  # fmt: skip
def test_a_refusal_is_raised_at_once(status, match, serve, tmp_path):
    server = serve(answer(b"", status))
    error = assert_fails(server, tmp_path, match)
    assert error.status == int(status[:3])
    assert len(server.requests) == 1


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured(as_date, serve, tmp_path):
    later = formatdate(time.time() + 2, usegmt=True) if as_date else "1"
    server = serve(answer(b"", "503 Busy", Retry_After=later), answer())
    begun = time.monotonic()
    assert_got(get(server, tmp_path), tmp_path)
    assert time.monotonic() - begun >= 0.5


@pytest.mark.parametrize("later", ["soon", "-5", "", "9" * 400])
def test_an_invalid_retry_after_is_no_error(later, serve, tmp_path):
    server = serve(answer(b"", "503 Busy", Retry_After=later), answer())
    pace = Pace(silence=0.4, pause=0.001, deadline=1.0)
    if later.isdecimal():
        assert_fails(server, tmp_path, "deadline", pace=pace)
    else:
        assert_got(get(server, tmp_path, pace=pace), tmp_path)


# slowness ----------------------------------------------------------------------------------


def dripping(first, rest=b"x"):
    def script(line, request):
        line.sendall(first)
        for _ in range(200):
            line.sendall(rest)
            time.sleep(0.05)

    return script


def test_a_dripping_body_is_an_error(serve, tmp_path):
    server = serve(dripping(answer(b"", length=10**6)))
    assert_fails(server, tmp_path, "slower than")
    assert len(server.requests) == 1


def test_a_dripping_body_without_a_length_is_an_error_and_not_compared(serve, tmp_path):
    server = serve(dripping(answer(b"", length=False)))
    assert_fails(server, tmp_path, "slower than", wanted=DIGEST)


def test_what_arrived_before_it_dripped_stays(serve, tmp_path):
    server = serve(dripping(cut(answer(ETag=ETAG), 100_000)))
    with pytest.raises(DownloadError, match="slower than"):
        get(server, tmp_path)
    assert files(tmp_path) == ["part", "part.json"]


def test_dripping_headers_are_an_error(serve, tmp_path):
    server = serve(dripping(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"))
    assert_fails(server, tmp_path, "slower than")


def test_endless_headers_are_an_error(serve, tmp_path):
    def script(line, request):
        line.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in range(10**6):
            line.sendall(b"X-%d: %s\r\n" % (number, b"x" * 1_000))

    assert_fails(serve(script), tmp_path, "too slow|did not deliver")


def test_a_silent_server_is_an_error(serve, tmp_path):
    def script(line, request):
        time.sleep(1.5)

    assert_fails(serve(script), tmp_path, "too slow|did not deliver")


def test_the_deadline_limits_everything(serve, tmp_path):
    """The server is fast enough, but takes longer than the deadline."""
    server = serve(dripping(answer(b"", length=10**9), b"x" * 10_000))
    assert_fails(server, tmp_path, "deadline", pace=Pace(silence=5.0, deadline=0.5))
    busy = serve(answer(b"", "503 Busy", Retry_After="100"))
    assert_fails(busy, tmp_path, "deadline", pace=Pace(silence=5.0, deadline=0.5))


def test_no_connection_is_made_after_a_verdict():
    first, second = socket.socketpair()
    with second, Watch(Pace(deadline=1e-9)) as watch:
        assert watch.gave_up()
        with pytest.raises(ConnectionAbortedError, match="deadline"):
            watch.attach(first)
        assert first.fileno() == -1, "it is closed"


def test_the_pace_comes_from_the_environment(monkeypatch):
    assert pace_from_environment() == Pace(silence=60.0, deadline=None)
    monkeypatch.setenv("LOCALREG_HTTP_TIMEOUT", "2.5")
    monkeypatch.setenv("LOCALREG_DOWNLOAD_DEADLINE", "100")
    assert pace_from_environment() == Pace(silence=2.5, deadline=100.0)
    for wrong in ("0", "-1", "soon", "nan", "inf"):
        monkeypatch.setenv("LOCALREG_HTTP_TIMEOUT", wrong)
        with pytest.raises(InvalidValueError, match="LOCALREG_HTTP_TIMEOUT"):
            pace_from_environment()


# redirects and credentials -----------------------------------------------------------------


def moved(location, status="302 Found", **headers):
    return answer(b"", status, Location=location, **headers)


def authorization(request):
    return re.findall(r"(?im)^(authorization|cookie): (.*)\r$", request)


def secret_url(server, path="/net.pt"):
    return f"http://me:hunter2@127.0.0.1:{server.port}{path}"


@pytest.mark.parametrize("status", ["301 A", "302 B", "303 C", "307 D", "308 E"])
def test_redirects_are_followed(status, serve, tmp_path):
    target = serve(answer())
    server = serve(moved(target.url("/other?x=1"), status))
    assert_got(get(server, tmp_path), tmp_path)
    assert target.requests[0].startswith("GET /other?x=1 ")


def test_relative_redirects_are_followed(serve, tmp_path):
    server = serve(moved("../there/net.pt"), answer())
    assert_got(get(server, tmp_path, "/here/net.pt"), tmp_path)
    assert server.requests[1].startswith("GET /there/net.pt ")


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", "data:,x", "javascript:x"],
)
def test_redirects_to_other_schemes_are_refused(location, serve, tmp_path):
    assert_fails(serve(moved(location)), tmp_path, "only http and https")


@pytest.mark.parametrize("location", ["http://", "//"])
def test_redirects_to_an_empty_host_lead_back_and_end(location, serve, tmp_path):
    assert_fails(serve(moved(location)), tmp_path, "more than 10 times")


@pytest.mark.parametrize("location", ["http://[::1", "http://h:port/", "http://:80/", "http://@/x"])
def test_redirects_to_invalid_urls_are_refused(location, serve, tmp_path):
    server = serve(moved(location))
    assert_fails(server, tmp_path, "redirects to")
    assert len(server.requests) == 1


def test_endless_redirects_are_refused(serve, tmp_path):
    server = serve(moved("/again"))
    assert_fails(server, tmp_path, "more than 10 times")
    assert len(server.requests) == 11


def test_credentials_of_the_url_are_sent_and_stay_with_their_host(serve, tmp_path):
    target = serve(answer())
    server = serve(moved("/second"), moved(target.url()))
    (tmp_path / "get").mkdir()
    download(secret_url(server), tmp_path / "get" / "part", pace=QUICK)
    assert [kind.lower() for kind, _ in authorization(server.requests[0])] == ["authorization"]
    assert authorization(server.requests[1]) == authorization(server.requests[0])
    assert authorization(target.requests[0]) == []
    assert "hunter2" not in "".join([*server.requests, *target.requests])


def test_credentials_come_from_netrc_for_their_host_only(serve, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    target = serve(answer())
    server = serve(moved(target.url(host="localhost")))
    assert_got(get(server, tmp_path), tmp_path)
    assert len(authorization(server.requests[0])) == 1
    assert authorization(target.requests[0]) == []


def test_credentials_of_the_url_win_over_netrc(serve, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    netrc.chmod(0o600)
    server = serve(answer())
    (tmp_path / "get").mkdir()
    download(secret_url(server), tmp_path / "get" / "part", pace=QUICK)
    without = authorization(server.requests[0])
    monkeypatch.setenv("NETRC", str(netrc))
    download(secret_url(server), tmp_path / "get" / "part", pace=QUICK)
    assert authorization(server.requests[1]) == without


def test_cookies_stay_with_their_host(serve, tmp_path):
    target = serve(answer())
    server = serve(moved(target.url(host="localhost"), Set_Cookie="session=hunter2; Path=/"))
    assert_got(get(server, tmp_path), tmp_path)
    assert authorization(target.requests[0]) == []


def test_no_error_shows_a_secret(serve, tmp_path):
    """Nor does any error chained to it."""
    closed = serve(answer())
    scripts = {
        "refused": answer(b"", "403 No"),
        "cut": answer(b"abc", length=10),
        "redirect": moved("file:///hunter2"),
        "nonsense": moved("http://me:hunter2@[::1/"),
        "loop": moved("http://me:hunter2@127.0.0.1:1/?sig=hunter2"),
        "no HTTP": b"hunter2\r\n\r\n",
    }
    urls = [f"{secret_url(serve(script))}?sig=hunter2#hunter2" for script in scripts.values()] + [
        "http://me:hunter2@nobody.invalid/?sig=hunter2",
        "http://me:hunter2@127.0.0.1:1/?sig=hunter2",
        f"https://me:hunter2@127.0.0.1:{closed.port}/?sig=hunter2",
        f"http://me:hunter2@{'x' * 70}.invalid/?sig=hunter2",
    ]
    (tmp_path / "get").mkdir()
    for url in urls:
        with pytest.raises(DownloadError) as raised:
            download(url, tmp_path / "get" / "part", pace=QUICK)
        shown = "".join(traceback.format_exception(raised.value))
        assert "hunter2" not in re.sub(r"(?m)^    .*$", "", shown), url
        assert "hunter2" not in f"{vars(raised.value)}"
        assert files(tmp_path) == []


@pytest.mark.parametrize("proxied", [False, True])
def test_the_fragment_of_a_url_is_never_sent(proxied, serve, tmp_path, monkeypatch):
    server = serve(moved(""), moved("/second"), answer())
    if proxied:
        monkeypatch.setenv("http_proxy", server.url(""))
    assert_got(get(server, tmp_path, "/net.pt#hunter2"), tmp_path)
    assert len(server.requests) == 3
    assert "hunter2" not in "".join(server.requests)


# the environment ---------------------------------------------------------------------------


def test_a_proxy_is_used(serve, tmp_path, monkeypatch):
    proxy = serve(answer())
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    (tmp_path / "get").mkdir()
    found = download("http://weights.invalid/net.pt", tmp_path / "get" / "part", pace=QUICK)
    assert_got(found, tmp_path)
    assert proxy.requests[0].startswith("GET http://weights.invalid/net.pt ")


def test_a_dripping_proxy_is_an_error(serve, tmp_path, monkeypatch):
    proxy = serve(dripping(b"HTTP/1.1 200 "))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    (tmp_path / "get").mkdir()
    for scheme in ("http", "https"):
        with pytest.raises(DownloadError, match="slower than"):
            download(f"{scheme}://weights.invalid/net", tmp_path / "get" / "part", pace=QUICK)
    gc.collect()  # a connection that was left open warns here, and warnings are errors


def test_the_connection_to_a_dripping_proxy_is_closed(serve, tmp_path, monkeypatch):
    """Otherwise the download would wait until the proxy ends it."""
    ended = []

    def drip(line, request):
        dripping(answer(b"", length=10**6))(line, request)
        ended.append("of itself")

    proxy = serve(drip)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    (tmp_path / "get").mkdir()
    with pytest.raises(DownloadError, match="slower than"):
        download("http://weights.invalid/net", tmp_path / "get" / "part", pace=QUICK)
    assert ended == []


@pytest.fixture
def secure(serve, tmp_path):
    """A server that speaks TLS with a self-signed certificate."""
    import ssl

    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key,
         "-out", certificate, "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def secure(*scripts):
        server = serve(*scripts)
        plain = server.answer

        def answer_securely(line):
            with context.wrap_socket(
                line, server_side=True, do_handshake_on_connect=False
            ) as wrapped:
                wrapped.do_handshake()
                plain(wrapped)

        server.answer = answer_securely
        return server, certificate

    return secure


def test_an_unknown_certificate_is_refused(secure, tmp_path, monkeypatch):
    server, certificate = secure(answer())
    url = server.url().replace("http:", "https:")
    (tmp_path / "get").mkdir()
    with pytest.raises(DownloadError, match="cannot be trusted: its certificate"):
        download(url, tmp_path / "get" / "part", pace=QUICK)
    assert server.requests == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert_got(download(url, tmp_path / "get" / "part", pace=QUICK), tmp_path)


def test_a_redirect_from_https_to_http_needs_a_checksum(secure, serve, tmp_path, monkeypatch):
    plain = serve(answer())
    server, certificate = secure(moved(plain.url()))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    url = server.url().replace("http:", "https:")
    (tmp_path / "get").mkdir()
    with pytest.raises(DownloadError, match="from https to http"):
        download(url, tmp_path / "get" / "part", pace=QUICK)
    assert plain.requests == []
    found = download(url, tmp_path / "get" / "part", pace=QUICK, wanted=DIGEST)
    assert_got(found, tmp_path)


def test_a_small_answer_by_an_insecure_redirect_needs_a_checksum_too(secure, serve, monkeypatch):
    """A tag of a container registry names no bytes: on the way they could be replaced."""
    plain = serve(answer())
    server, certificate = secure(moved(plain.url()))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    url = server.url().replace("http:", "https:")
    with Exchange(url, None, QUICK) as exchange:
        with pytest.raises(DownloadError, match="from https to http"):
            exchange.ask("GET", url)
        assert plain.requests == []
        found = exchange.ask("GET", url, most=len(BODY), pinned=True)
        assert found.data == BODY


def test_a_container_registry_with_tls_gets_no_bytes_without_it(secure, serve, monkeypatch):
    plain = serve(answer())
    server, certificate = secure(moved(plain.url(), "202 Accepted"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with (
        ContainerRegistry(f"127.0.0.1:{server.port}", pace=QUICK) as registry,
        pytest.raises(UploadError, match="without encryption"),
    ):
        registry.put_blob("vision/net", DIGEST, len(BODY), lambda: [BODY])
    assert plain.requests == []


def test_a_dripping_body_over_tls_is_an_error(secure, tmp_path, monkeypatch):
    server, certificate = secure(dripping(answer(b"", length=10**6)))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    (tmp_path / "get").mkdir()
    with pytest.raises(DownloadError, match="slower than"):
        download(server.url().replace("http:", "https:"), tmp_path / "get" / "part", pace=QUICK)


# interruptions -----------------------------------------------------------------------------


def test_an_interrupted_download_can_be_continued(serve, tmp_path):
    before = set(threading.enumerate())
    server = serve(answer(ETag=ETAG), resuming)

    def stop(done, total):
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, tmp_path, progress=stop)
    assert files(tmp_path) == ["part", "part.json"]
    assert_got(get(server, tmp_path), tmp_path)
    started = set(threading.enumerate()) - before
    assert not [each for each in started if each.name.startswith("localreg-")]
