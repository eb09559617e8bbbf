"""What an `ObjectProxy` can do with a request instead of passing it on."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

from support.servers.object_proxy import Answer


def dies_unread(middleman):
    """End the connection before anything of the request's body is read."""
    middleman.hang_up(reset=True)


def dies_reading(size):
    """End the connection after that many bytes of the request's body; the server gets nothing."""

    def dies(middleman):
        middleman.rfile.read(min(size, middleman.length))
        middleman.hang_up(reset=True)

    return dies


def dies_before_answering(middleman):
    """Let the server do the request, and end the connection without its answer."""
    middleman.forward()
    middleman.hang_up()


def dies_answering(size):
    """End the connection after that many bytes of the answer's body."""

    def dies(middleman):
        answer = middleman.forward()
        middleman.head(answer)
        middleman.wfile.write(answer.body[:size])
        middleman.hang_up()

    return dies


def answers(status, code="", body=None, **headers):
    """Answer with this status, without asking the server.

    Args:
        status: of HTTP.
        code: S3's name for it, such as "SlowDown".
        body: instead of an error with that code.
        headers: with underscores for hyphens, such as ``Retry_After="1"``.
    """
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>" if body is None else body
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = Answer(status, {"Content-Type": "application/xml"} | told, body.encode())

    def refuses(middleman):
        assert middleman.body is not None  # the whole of it is read first
        middleman.send(answer)

    return refuses


# S3 sends its status before the work is done; a later error is in the body.
completes_with_an_error = answers(200, "InternalError")


def drips(size, seconds):
    """Send so many bytes of the answer's body each time, after so many seconds."""

    def drips(middleman):
        answer = middleman.forward()
        middleman.head(answer)
        for start in range(0, len(answer.body), size):
            if middleman.proxy.over.wait(seconds):
                return
            middleman.wfile.write(answer.body[start : start + size])

    return drips


def waits(seconds):
    """Pass the request on after so many seconds."""

    def waits(middleman):
        assert middleman.body is not None
        middleman.proxy.over.wait(seconds)
        middleman.behaves()

    return waits


def says_nothing(middleman):
    """Read the request and keep the connection open, without an answer, until the proxy stops."""
    assert middleman.body is not None
    middleman.proxy.over.wait()
    middleman.hang_up()


def answers_with(data, etag=None):
    """Answer with these bytes instead, cut or repeated to the right length."""

    def swaps(middleman):
        answer = middleman.forward()
        size = len(answer.body)
        told = answer.headers | ({} if etag is None else {_spelled(answer, "etag"): etag})
        body = (data * (size // len(data) + 1))[:size]
        middleman.send(replace(answer, headers=told, body=body))

    return swaps


def tells(**headers):
    """Change headers of the answer, written with underscores: ``Content_Length="5"``."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    length = changed.pop("Content-Length", None)

    def lies(middleman):
        answer = middleman.forward()
        told = answer.headers | {_spelled(answer, name): each for name, each in changed.items()}
        middleman.send(replace(answer, headers=told, length=length or answer.length))

    return lies


# Providers sign the range, so the request goes on as it came; what is sent is made from the object.


def ignores_the_range(middleman):
    """Answer a range request with the whole object and status 200."""
    answer = middleman.forward()
    told = {n: value for n, value in answer.headers.items() if n.lower() != "content-range"}
    whole = middleman.proxy.bucket.get(middleman.asked.key)
    middleman.send(replace(answer, status=200, headers=told, body=whole))


def answers_another_range(by, admits=True):
    """Answer with a range that begins so many bytes later; with or without saying so."""

    def shifts(middleman):
        answer = middleman.forward()
        whole = middleman.proxy.bucket.get(middleman.asked.key)
        first = int(middleman.asked.range.removeprefix("bytes=").partition("-")[0]) + by
        body = whole[first : first + len(answer.body)]
        told = dict(answer.headers)
        if admits:
            span = f"bytes {first}-{first + len(body) - 1}/{len(whole)}"
            told[_spelled(answer, "content-range")] = span
        middleman.send(replace(answer, headers=told, body=body))

    return shifts


def keeps_other_bytes(change):
    """Pass on an upload with its bytes changed by `change`, and the answer back."""

    def alters(middleman):
        middleman.send(middleman.forward(change(middleman.body)))

    return alters


def loses_part(number):
    """Complete an upload without its part of that number, from 1: the object is short.

    The list of parts is filled up with spaces, as its length is signed.
    """

    def loses(middleman):
        parts = ET.fromstring(middleman.body)
        parts.remove(list(parts)[number - 1])
        middleman.send(middleman.forward(ET.tostring(parts).ljust(middleman.length)))

    return loses


def _spelled(answer, name):
    """Return a header's name as the answer spells it."""
    return next((each for each in answer.headers if each.lower() == name.lower()), name)
