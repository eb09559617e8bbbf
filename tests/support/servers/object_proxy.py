"""A proxy before an object store, which passes requests on until a test makes it misbehave.

    proxy = ObjectProxy(bucket)
    proxy.misbehave("part", dies_reading(1000), times=2)
    proxy.requests  # all requests so far, with their answers

A misbehaviour is a function that gets the connection, a `Middleman`, and may answer;
misbehaviours.py has many.

It changes nothing that a request signs (S3 signs the host's name, so the name stays the same);
a misbehaviour that changes a body needs a server that does not check it, as no server here does
unless AWS_CHECKSUM_ALGORITHM is set.
"""

from __future__ import annotations

import http.client
import re
import socket
import struct
import sys
import threading
import urllib.parse
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

KINDS = "get head list put part begin complete abort copy delete".split()
# What belongs to one connection, or is set again, because the body may differ.
NOT_PASSED_ON = ("connection", "keep-alive", "transfer-encoding", "content-length", "expect")
COPY_SOURCES = ("x-amz-copy-source", "x-goog-copy-source", "x-ms-copy-source")


@dataclass(slots=True)
class Asked:
    """A request and what became of it.

    Attributes:
        kind: one of KINDS, the same for all providers.
        key: of the object; "" for requests about the bucket.
        query: the first value of each parameter.
        range: the header's text, or None.
        status: of the answer, or None if the connection ended before.
    """

    kind: str
    method: str
    key: str
    query: dict
    range: str | None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer; `length` is that of the body, which an answer to HEAD does not have."""

    status: int
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    length: str | None = None


@dataclass(slots=True)
class _Rule:
    kind: str
    behaviour: Callable
    times: float
    where: Callable


class ObjectProxy:
    """Passes requests on to a bucket's server; listens on a port that the system picks.

    Attributes:
        url: where it listens.
        environment: the bucket's variables, changed to lead to the proxy.
        requests: every request since it was made, as `Asked`.
        failures: exceptions of misbehaviours; the client sees the end of its connection.
    """

    def __init__(self, bucket):
        self.bucket = bucket
        self.upstream = re.search(r"127\.0\.0\.1:\d+", " ".join(bucket.environment.values()))[0]
        self.requests, self.rules, self.failures = [], [], []
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.port = 0
        self.up()
        here = f"127.0.0.1:{self.port}"
        self.url = f"http://{here}"
        self.environment = {
            name: value.replace(self.upstream, here) for name, value in bucket.environment.items()
        }

    def misbehave(self, kind, behaviour, times=float("inf"), where=lambda asked: True):
        """Apply a misbehaviour to the next `times` requests of one of `KINDS`.

        The rule that was made first goes first; `where` gets the request and says whether it is
        meant.
        """
        assert kind in KINDS, kind
        with self.lock:
            self.rules.append(_Rule(kind, behaviour, times, where))

    def behave(self):
        """Remove all misbehaviours."""
        with self.lock:
            self.rules.clear()

    def asked(self, kind):
        """Return the requests of a kind."""
        return [each for each in self.requests if each.kind == kind]

    def down(self):
        """Refuse new connections and end the existing ones, until `up`."""
        self.over.set()
        self.server.shutdown()
        self.server.end_connections()
        self.server.server_close()
        self.thread.join()

    def up(self):
        """Listen again, on the same port."""
        self.over.clear()
        self.server = _Listener(("127.0.0.1", self.port), Middleman)
        self.server.proxy = self
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def behaviour_for(self, asked):
        """Return how to answer, and count it."""
        with self.lock:
            self.requests.append(asked)
            for rule in self.rules:
                if rule.kind == asked.kind and rule.times > 0 and rule.where(asked):
                    rule.times -= 1
                    return rule.behaviour
        return Middleman.behaves

    def forward(self, method, path, headers, body):
        """Return the server's answer."""
        line = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            line.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                line.putheader(name, value)
            line.putheader("Content-Length", str(len(body)))
            line.endheaders(body)
            answer = line.getresponse()
            told = _passed_on(answer.getheaders())
            length = answer.getheader("Content-Length") if method == "HEAD" else None
            return Answer(answer.status, told, answer.read(), length)
        finally:
            line.close()


def _passed_on(headers):
    return {name: value for name, value in headers if name.lower() not in NOT_PASSED_ON}


def _kind(method, key, query, headers):
    """Return one of KINDS: what a request of S3, GCS or Azure is about."""
    if method in ("GET", "HEAD"):
        about_the_bucket = not key or query.get("comp") == "list"
        return "list" if about_the_bucket else method.lower()
    if any(name in headers for name in COPY_SOURCES):
        return "copy"
    if method == "POST" and ("delete" in query or query.get("comp") == "batch"):
        return "delete"
    if method == "DELETE":
        return "abort" if "uploadId" in query else "delete"
    if "uploads" in query:
        return "begin"
    if "uploadId" in query:
        return "part" if method == "PUT" else "complete"
    return {"block": "part", "blocklist": "complete"}.get(query.get("comp"), "put")


class _Listener(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them

    def __init__(self, *arguments):
        self.connections = set()
        super().__init__(*arguments)

    def handle_error(self, request, client_address):
        # Any other error is a connection that the client or the server closed.
        if not isinstance(sys.exception(), (OSError, http.client.HTTPException)):
            self.proxy.failures.append(sys.exception())

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self):
        for each in list(self.connections):
            with suppress(OSError):  # it has ended by itself
                each.shutdown(socket.SHUT_RDWR)


class Middleman(BaseHTTPRequestHandler):
    """A connection, with what a misbehaviour may do to it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def _ask(self):
        self.proxy, self.asked = self.server.proxy, self._asked()
        self._read = None
        self.proxy.behaviour_for(self.asked)(self)
        if self._read is None:
            self.close_connection = True  # its body would be taken for the next request

    def do_GET(self):
        self._ask()

    def do_HEAD(self):
        self._ask()

    def do_PUT(self):
        self._ask()

    def do_POST(self):
        self._ask()

    def do_DELETE(self):
        self._ask()

    def _asked(self):
        path, _, query = self.path.partition("?")
        parsed = urllib.parse.parse_qs(query, keep_blank_values=True)
        query = {name: values[0] for name, values in parsed.items()}
        key = urllib.parse.unquote(path).partition(f"/{self.server.proxy.bucket.name}")[2][1:]
        kind = _kind(self.command, key, query, self.headers)
        return Asked(kind, self.command, key, query, self.headers.get("Range"))

    @property
    def length(self):
        """Bytes of the request's body."""
        return int(self.headers.get("Content-Length", 0))

    @property
    def body(self):
        """The request's body, read when it is first wanted."""
        if self._read is None:
            self._read = self.rfile.read(self.length)
        return self._read

    def forward(self, body=None, **headers):
        """Return the server's answer to the request, with another body or other headers."""
        changed = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        told = _passed_on(self.headers.items())
        told = {name: value for name, value in told.items() if name.lower() not in changed}
        told |= {name: value for name, value in changed.items() if value is not None}
        body = self.body if body is None else body
        return self.proxy.forward(self.command, self.path, told, body)

    def head(self, answer):
        """Send all of an answer that comes before its body."""
        self.asked.status = answer.status
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", answer.length or str(len(answer.body)))
        self.end_headers()

    def send(self, answer):
        self.head(answer)
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def behaves(self):
        """Pass the request on, and the answer back."""
        self.send(self.forward())

    def hang_up(self, reset=False):
        """End the connection; with `reset` so that the other side loses what it did not read."""
        self.close_connection = True
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def behind_proxy(monkeypatch):
    """Return a function that puts an `ObjectProxy` before a bucket's server, and leads to it."""
    proxies = []

    def behind_proxy(bucket):
        proxies.append(ObjectProxy(bucket))
        for name, value in proxies[-1].environment.items():
            monkeypatch.setenv(name, value)
        return proxies[-1]

    yield behind_proxy
    for proxy in proxies:
        proxy.down()
        assert proxy.failures == []
