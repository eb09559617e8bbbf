"""A fake Google Cloud Storage in memory: the part of its XML API that uploads need.

The existing emulators speak the JSON API only. Every object has a generation, a number that only
grows. A request that may only create, or only replace a given object, says so by
``x-goog-if-generation-match``.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
import urllib.parse
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

PAGE = 100  # keys in one answer to a listing, so few that tests need several answers


@dataclass(frozen=True)
class Kept:
    """An object."""

    data: bytes
    etag: str
    generation: int
    metadata: dict = field(default_factory=dict)  # of headers x-goog-meta-…
    modified: str = field(default_factory=lambda: formatdate(usegmt=True))


def etag_of(data):
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


class FakeGcs:
    """A server on a port that the system picks, with the buckets it made."""

    def __init__(self, folder=None):
        self.lock = threading.Lock()
        self.objects = {}  # by bucket, then key
        self.parts = {}  # of unfinished uploads: (bucket, key), then data by number
        self.generations = 0
        self.server = _Listener(("127.0.0.1", 0), _Answers)
        self.server.gcs = self
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        account = {"gcs_base_url": self.url, "disable_oauth": True}
        account |= {"client_email": "", "private_key": "", "private_key_id": ""}
        self.environment = {
            "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account),
            "GOOGLE_ALLOW_HTTP": "true",
        }

    def bucket(self):
        name = f"b-{uuid.uuid4().hex[:12]}"
        self.objects[name] = {}
        return GcsBucket(self, name)

    def keep(self, bucket, key, data, expected=None, metadata=None):
        """Keep an object, if what is there has the expected generation, 0 for nothing.

        Returns:
            The object, or None where another one is there.
        """
        with self.lock:
            there = self.objects[bucket].get(key)
            if expected is not None and expected != (there.generation if there else 0):
                return None
            self.generations += 1
            self.objects[bucket][key] = Kept(data, etag_of(data), self.generations, metadata or {})
            return self.objects[bucket][key]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class GcsBucket:
    def __init__(self, gcs, name):
        self.gcs, self.environment = gcs, gcs.environment
        self.name, self.url = name, f"gs://{name}"

    def put(self, key, data):
        self.gcs.keep(self.name, key, data)

    def get(self, key):
        found = self.gcs.objects[self.name].get(key)
        return found and found.data

    def keys(self):
        return sorted(self.gcs.objects[self.name])

    def begin(self, key, data):
        self.gcs.parts[uuid.uuid4().hex] = ((self.name, key), {1: data})

    def uploads(self):
        begun = [place for place, _ in self.gcs.parts.values()]
        return sorted(key for bucket, key in begun if bucket == self.name)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True  # a client may keep its connection for ever

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):  # the client closed the connection
            super().handle_error(request, client_address)


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or headers wait 40 ms for their body

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._asked(self._list if not self._key else self._get)

    def do_HEAD(self):
        self._asked(self._get)

    def do_PUT(self):
        self._asked(self._part if "uploadId" in self._query else self._put)

    def do_POST(self):
        self._asked(self._begin if "uploads" in self._query else self._complete)

    def do_DELETE(self):
        self._asked(self._abort if "uploadId" in self._query else self._delete)

    @property
    def _gcs(self):
        return self.server.gcs

    @property
    def _bucket(self):
        return urllib.parse.unquote(self.path.partition("?")[0]).split("/")[1]

    @property
    def _key(self):
        return urllib.parse.unquote(self.path.partition("?")[0])[len(self._bucket) + 2 :]

    @property
    def _query(self):
        parsed = urllib.parse.parse_qs(self.path.partition("?")[2], keep_blank_values=True)
        return {name: values[0] for name, values in parsed.items()}

    def _asked(self, answer: Callable[[], None]):
        self.data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._bucket in self._gcs.objects:
            answer()
        else:
            self._error(404, "NoSuchBucket")

    def _answer(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _error(self, status, code):
        self._answer(status, f"<Error><Code>{code}</Code></Error>".encode())

    def _there(self, kept):
        return {"ETag": kept.etag, "x_goog_generation": kept.generation}

    # objects ------------------------------------------------------------------------------

    def _put(self):
        data = self.data
        if source := self.headers.get("x-goog-copy-source"):
            bucket, _, key = urllib.parse.unquote(source).lstrip("/").partition("/")
            if (found := self._gcs.objects.get(bucket, {}).get(key)) is None:
                return self._error(404, "NoSuchKey")
            data = found.data
        expected = self.headers.get("x-goog-if-generation-match")
        metadata = {
            name: value
            for name, value in self.headers.items()
            if name.lower().startswith("x-goog-meta-")
        }
        kept = self._gcs.keep(self._bucket, self._key, data, expected and int(expected), metadata)
        if kept is None:
            return self._error(412, "PreconditionFailed")
        body = b"<CopyObjectResult/>" if source else b""
        return self._answer(200, body, **self._there(kept))

    def _get(self):
        kept = self._gcs.objects[self._bucket].get(self._key)
        if kept is None or self._query.get("generation", str(kept.generation)) != str(
            kept.generation
        ):
            return self._error(404, "NoSuchKey")
        if self.headers.get("If-Match", kept.etag) != kept.etag:
            return self._error(412, "PreconditionFailed")
        if self.headers.get("If-None-Match") == kept.etag:
            return self._answer(304, **self._there(kept))
        told = self._there(kept) | {"Last_Modified": kept.modified, "Accept_Ranges": "bytes"}
        told |= kept.metadata
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if found is None:
            return self._answer(200, kept.data, **told)
        size = len(kept.data)
        first = int(found[1]) if found[1] else max(size - int(found[2]), 0)
        last = min(int(found[2]), size - 1) if found[1] and found[2] else size - 1
        if first >= size:
            return self._answer(416, Content_Range=f"bytes */{size}")
        told["Content_Range"] = f"bytes {first}-{last}/{size}"
        return self._answer(206, kept.data[first : last + 1], **told)

    def _delete(self):
        with self._gcs.lock:
            found = self._gcs.objects[self._bucket].pop(self._key, None)
        return self._answer(204) if found else self._error(404, "NoSuchKey")

    def _list(self):
        prefix, after = self._query.get("prefix", ""), self._query.get("continuation-token", "")
        delimiter = self._query.get("delimiter")
        there = self._gcs.objects[self._bucket].copy()
        keys, folders = [], set()
        for key in sorted(key for key in there if key.startswith(prefix) and key > after):
            folder, cut, _ = key[len(prefix) :].partition(delimiter or "\0")
            folders.add(prefix + folder + delimiter) if cut and delimiter else keys.append(key)
        page, more = keys[:PAGE], keys[PAGE:]
        lines = [
            f"<Contents><Key>{escape(key)}</Key><Size>{len(there[key].data)}</Size>"
            f"<ETag>{escape(there[key].etag)}</ETag><Generation>{there[key].generation}</Generation>"
            f"<LastModified>{parsedate_to_datetime(there[key].modified).isoformat()}</LastModified>"
            "</Contents>"
            for key in page
        ]
        prefixes = [f"<Prefix>{escape(each)}</Prefix>" for each in sorted(folders)]
        lines += [f"<CommonPrefixes>{each}</CommonPrefixes>" for each in prefixes]
        if more:
            lines.append(f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>")
        self._answer(200, f"<ListBucketResult>{''.join(lines)}</ListBucketResult>".encode())

    # uploads in parts ---------------------------------------------------------------------

    def _begin(self):
        upload = uuid.uuid4().hex
        self._gcs.parts[upload] = ((self._bucket, self._key), {})
        self._answer(
            200,
            f"<InitiateMultipartUploadResult><Bucket>{self._bucket}</Bucket>"
            f"<Key>{escape(self._key)}</Key><UploadId>{upload}</UploadId>"
            "</InitiateMultipartUploadResult>".encode(),
        )

    def _part(self):
        begun = self._gcs.parts.get(self._query["uploadId"])
        if begun is None:
            return self._error(404, "NoSuchUpload")
        begun[1][int(self._query["partNumber"])] = self.data
        return self._answer(200, ETag=etag_of(self.data))

    def _complete(self):
        place, parts = self._gcs.parts.get(self._query["uploadId"], (None, {}))
        if place is None:
            return self._error(404, "NoSuchUpload")
        told = [
            (int(part.findtext("{*}PartNumber")), part.findtext("{*}ETag"))
            for part in ET.fromstring(self.data).iter()
            if part.tag.endswith("Part")
        ]
        if any(etag_of(parts.get(number, b"")) != etag for number, etag in told):
            return self._error(400, "InvalidPart")
        kept = self._gcs.keep(*place, b"".join(parts[number] for number, _ in told))
        del self._gcs.parts[self._query["uploadId"]]
        result = f"<ETag>{escape(kept.etag)}</ETag>"
        body = f"<CompleteMultipartUploadResult>{result}</CompleteMultipartUploadResult>".encode()
        return self._answer(200, body, **self._there(kept))

    def _abort(self):
        found = self._gcs.parts.pop(self._query["uploadId"], None)
        return self._answer(204) if found else self._error(404, "NoSuchUpload")
