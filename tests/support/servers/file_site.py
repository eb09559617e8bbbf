"""The fixture `site`: a loopback HTTP server of a few files."""

from __future__ import annotations

import http.server
import threading
from contextlib import suppress

import pytest

WAITS = 60  # seconds for `go_on`; only a test that fails waits for so long


class FileSite:
    """A loopback HTTP server of files, which counts what it is asked for.

    Attributes:
        files: the bytes that it serves, by path; any other path is answered by 404.
        headers: further headers of each answer.
        gets: the path of each GET so far, without its query.
        begun: is set when the first 1000 bytes of an answer are sent.
        go_on: while a test has it cleared, answers stop there.
    """

    def __init__(self):
        self.files = {"/net.pt": bytes(range(256)) * 4_000}
        self.headers = {}
        self.gets = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def url(self, path="/net.pt"):
        """Return the URL of a path on this server."""
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def answer(self, request):
        """Answer a GET."""
        path = request.path.partition("?")[0]
        self.gets.append(path)
        found = path in self.files
        body = self.files.get(path, b"")
        request.send_response(200 if found else 404)
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        with suppress(ConnectionError):  # the client was killed
            request.wfile.write(body[:1000])
            self.begun.set()
            self.go_on.wait(WAITS)
            request.wfile.write(body[1000:])

    def close(self):
        """Stop the server, and wait until its threads are gone."""
        self.go_on.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def site():
    """A loopback HTTP server of one file, ``/net.pt``: `FileSite`."""
    site = FileSite()
    yield site
    site.close()
