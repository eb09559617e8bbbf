"""A Hugging Face Hub in memory: what `huggingface_hub` asks for to download models."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".gguf", ".bin")  # kept by LFS, whose name for a file is its sha256


def git_sha1(data):
    """Return the sha1 that git gives the bytes of a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def etag(path, data):
    """Return what the hub calls the bytes of a file."""
    return hashlib.sha256(data).hexdigest() if path.endswith(LARGE) else git_sha1(data)


class FakeHub:
    """Repositories with their commits and refs.

    Attributes:
        repositories: by name: the files of each commit, and the commit of each ref.
        requests: the method and path of each request.
        url: where it is.
    """

    def __init__(self, repositories):
        self.repositories = repositories
        self.requests = []
        self.url = ""

    def answer(self, path):
        """Return status, headers and body of a GET."""
        parts = unquote(path).strip("/").split("/")
        api = parts[0] == "api"
        parts = parts[1:] if api else parts
        parts = parts[1:] if parts[0] in ("models", "datasets") else parts
        name = next(
            (each for each in ("/".join(parts[:2]), parts[0]) if each in self.repositories), None
        )
        if name is None:
            return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
        rest = parts[name.count("/") + 1 :]
        commits, refs = self.repositories[name]
        what = rest[0] if rest else "revision"
        after = rest[1:] or ["main"]
        if what == "revision":
            revision = "/".join(after)
        else:
            revision, after = after[0], after[1:]
        commit = refs.get(revision, revision)
        if commit not in commits:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        files = commits[commit]
        if what == "revision":
            siblings = [{"rfilename": each} for each in files]
            found = {"id": name, "sha": commit, "siblings": siblings, "private": False, "tags": []}
            return 200, {}, json.dumps(found).encode()
        if what == "tree":
            return 200, {}, json.dumps([_entry(*each) for each in files.items()]).encode()
        file = "/".join(after)
        if file not in files:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        data = files[file]
        headers = {"ETag": f'"{etag(file, data)}"', "X-Repo-Commit": commit}
        return 200, headers, data


def _entry(path, data):
    found = {"type": "file", "path": path, "size": len(data), "oid": git_sha1(data)}
    if path.endswith(LARGE):
        found["lfs"] = {"oid": etag(path, data), "size": len(data), "pointerSize": 130}
    return found


@contextmanager
def serving(hub):
    """Serve a hub on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self):
            hub.requests.append(f"{self.command} {self.path}")
            status, headers, body = hub.answer(urlsplit(self.path).path)
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_GET = do_HEAD = _answer  # noqa: N815  (its base calls them so)

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
