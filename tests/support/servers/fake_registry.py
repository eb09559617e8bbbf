"""A container registry in memory, with tokens, faults, and the API of referrers.

Real ones are in `support.servers.container_registry`. This one counts and keeps every request.
"""

from __future__ import annotations

import http.server
import json
import re
import threading
from contextlib import suppress
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

INDEX = "application/vnd.oci.image.index.v1+json"
_PATH = re.compile(r"/v2/(?P<repository>.+?)/(?P<kind>manifests|blobs|referrers|tags)/(?P<name>.+)")


class FakeRegistry:
    """A container registry on a port of its own.

    Attributes:
        blobs: bytes by their digests, of all repositories.
        manifests: media type and bytes, by repository and tag or digest.
        requests: (method, path, Authorization or None) of each request so far.
        faults: called with each request before anything else; the first that returns True has
            answered it.
        users: user names and passwords as they are sent; a token is needed if there are any.
        token_life: how many requests a token is good for.
        has_referrers: True to have the API of referrers.
        filters: True if that API looks at the type that is asked for.
        page: how many referrers are in one answer.
        uploads: the bytes of uploads that are not complete.
    """

    def __init__(self):
        self.blobs, self.manifests, self.uploads = {}, {}, {}
        self.requests, self.faults, self.users = [], [], set()
        self.token_life, self.tokens = 1_000, {}
        self.has_referrers, self.filters, self.page = False, True, 100
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # or each answer takes 40 ms

            def handle_one_request(self):
                with suppress(ConnectionError):
                    super().handle_one_request()

            def answer(self, status, body=b"", **headers):
                """Send an answer; headers with underscores for hyphens."""
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                if "Content_Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def read_body(self):
                """Return the rest of the request."""
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def hang_up(self):
                """End the connection."""
                self.close_connection = True
                self.connection.close()

            def do(self):
                fake.serve(self)

            def log_message(self, *_):
                pass

        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.do)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def put(self, repository, manifest, *names, media_type=None):
        """Keep a manifest: JSON values, or bytes; return its digest."""
        data = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        digest = f"sha256:{sha256(data).hexdigest()}"
        kind = media_type or "application/vnd.oci.image.manifest.v1+json"
        for name in (digest, *names):
            self.manifests[repository, name] = kind, data
        return digest

    def add(self, data):
        """Keep a blob; return its descriptor without a media type."""
        digest = f"sha256:{sha256(data).hexdigest()}"
        self.blobs[digest] = data
        return {"digest": digest, "size": len(data)}

    def asked(self, method, part=""):
        """Return the paths of the requests of a method that have `part` in them."""
        return [path for each, path, _ in self.requests if each == method and part in path]

    def serve(self, request):
        self.requests.append((request.command, request.path, request.headers["Authorization"]))
        for fault in [*self.faults]:
            if fault(request):
                return
        parts = urlsplit(request.path)
        if parts.path == "/token":
            self.give_token(request)
        elif self.users and not self.is_known(request):
            request.read_body()
            scope = "repository:x:pull,push"
            challenge = f'Bearer realm="http://{self.host}/token",service="fake",scope="{scope}"'
            body = b'{"errors":[{"code":"UNAUTHORIZED","message":"geheim"}]}'
            request.answer(401, body, WWW_Authenticate=challenge)
        else:
            found = _PATH.fullmatch(parts.path)
            getattr(self, f"serve_{found['kind']}")(request, found, parse_qs(parts.query))

    def give_token(self, request):
        if request.headers["Authorization"] not in self.users:
            request.answer(401, b'{"details":"no such user"}')
            return
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = self.token_life
        request.answer(200, json.dumps({"token": token}).encode())

    def is_known(self, request):
        token = (request.headers["Authorization"] or "").removeprefix("Bearer ")
        self.tokens[token] = self.tokens.get(token, 0) - 1
        return self.tokens[token] >= 0

    def serve_manifests(self, request, found, _):
        key = found["repository"], found["name"]
        if request.command == "PUT":
            data = request.read_body()
            digest = self.put(found["repository"], data, found["name"],
                              media_type=request.headers["Content-Type"])  # fmt: skip
            subject = json.loads(data).get("subject")
            more = {"OCI_Subject": subject["digest"]} if subject and self.has_referrers else {}
            request.answer(201, Docker_Content_Digest=digest, **more)
        elif request.command == "DELETE":
            self.manifests.pop(key, None)
            request.answer(202)
        elif key not in self.manifests:
            request.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
        else:
            kind, data = self.manifests[key]
            digest = f"sha256:{sha256(data).hexdigest()}"
            request.answer(200, data, Content_Type=kind, Docker_Content_Digest=digest)

    def serve_tags(self, request, found, _):
        tags = [
            name for repository, name in self.manifests
            if repository == found["repository"] and not name.startswith("sha256:")
        ]  # fmt: skip
        request.answer(200, json.dumps({"name": found["repository"], "tags": tags}).encode())

    def serve_referrers(self, request, found, query):
        if not self.has_referrers:
            request.answer(404)
            return
        listed = []
        for (repository, name), (kind, data) in self.manifests.items():
            values = json.loads(data)
            if (
                repository == found["repository"]
                and name.startswith("sha256:")
                and (values.get("subject") or {}).get("digest") == found["name"]
            ):
                listed.append({"mediaType": kind, "digest": name, "size": len(data),
                               "artifactType": values.get("artifactType")})  # fmt: skip
        if "artifactType" in query and self.filters:
            listed = [each for each in listed if each["artifactType"] in query["artifactType"]]
        first = int(query.get("from", ["0"])[0])
        some = listed[first : first + self.page]
        more = {}
        if first + self.page < len(listed):
            parts = urlsplit(request.path)
            query["from"] = [str(first + self.page)]
            rest = f"{parts.path}?{urlencode(query, doseq=True)}"
            more = {"Link": f'<{rest}>; rel="next"'}
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": some}
        request.answer(200, json.dumps(index).encode(), Content_Type=INDEX, **more)

    def serve_blobs(self, request, found, query):
        name = found["name"]
        if name.startswith("uploads/"):
            self.serve_upload(request, found["repository"], name.removeprefix("uploads/"), query)
        elif name not in self.blobs:
            request.answer(404, b'{"errors":[{"code":"BLOB_UNKNOWN"}]}')
        else:
            self.send_blob(request, self.blobs[name], name)

    def send_blob(self, request, data, name):
        """Send a blob, or the rest of it if the request asks for that."""
        begun = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range") or "")
        if begun is None:
            request.answer(200, data, ETag=f'"{name}"')
        else:
            first = int(begun[1])
            span = f"bytes {first}-{len(data) - 1}/{len(data)}"
            request.answer(206, data[first:], ETag=f'"{name}"', Content_Range=span)

    def serve_upload(self, request, repository, upload, query):
        if request.command == "POST":
            request.read_body()
            upload = f"u{len(self.uploads)}"
            self.uploads[upload] = b""
        elif request.command in ("PATCH", "PUT"):
            length = int(request.headers.get("Content-Length") or 0)
            span = request.headers.get("Content-Range")
            if span is not None and int(span.partition("-")[0]) != len(self.uploads[upload]):
                request.read_body()
                request.answer(416)
                return
            while length and (piece := request.rfile.read1(min(length, 65_536))):
                self.uploads[upload] += piece  # what came before a cut is kept
                length -= len(piece)
            if length:
                request.hang_up()
                return
        if request.command == "PUT":
            (digest,) = query["digest"]
            data = self.uploads.pop(upload)
            if f"sha256:{sha256(data).hexdigest()}" != digest:
                request.answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
                return
            self.blobs[digest] = data
            request.answer(201, Docker_Content_Digest=digest)
            return
        status = 204 if request.command == "GET" else 202
        request.answer(
            status,
            Location=f"/v2/{repository}/blobs/uploads/{upload}?state=geheim",
            Range=f"0-{max(0, len(self.uploads[upload]) - 1)}",
        )


def of(pattern, do, times=1, method=None):
    """Return a fault: what matching requests get, so many times; `do` gets the request.

    Args:
        pattern: a regular expression that is searched in the path.
        do: answers a request.
        method: of HTTP; None for any.
    """
    rest = [times]

    def fault(request):
        if method not in (None, request.command) or not re.search(pattern, request.path):
            return False
        if not rest[0]:
            return False
        rest[0] -= 1
        do(request)
        return True

    return fault


def answers(status, body=b"", **headers):
    """Return what answers with a status; headers with underscores for hyphens."""

    def do(request):
        request.read_body()
        request.answer(status, body, **headers)

    return do


def cuts(data, after):
    """Return what sends so many bytes of a blob, and ends the connection."""

    def do(request):
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.send_header("ETag", f'"sha256:{sha256(data).hexdigest()}"')
        request.end_headers()
        request.wfile.write(data[:after])
        request.hang_up()

    return do


@pytest.fixture
def fake_registry():
    """A container registry in memory: `FakeRegistry`."""
    fake = FakeRegistry()
    yield fake
    fake.close()
