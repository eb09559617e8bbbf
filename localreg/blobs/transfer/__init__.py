"""Bringing bytes from servers, by requests.

The decisions that bind this package:

- Only a whole answer of the right length counts: `Content-Length`, or chunks up to their end. An
  answer with neither cannot be told from one that was cut, and counts only with a checksum.
- What arrives is hashed a little behind the write, as it is read back from the file.
- A cut body goes on where it stopped, by ``Range`` and ``If-Range`` with a strong ETag; whatever
  does not fit (another ETag, another range, another length) starts anew.
- Redirects are followed by hand: to http and https only, from https to http only with a checksum,
  and credentials stay with the scheme, host and port they were given for.
- One watch bounds everything that a server can draw out: connecting, handshakes, headers and
  bodies slower than 1 KiB/s for a while, and all of it by a deadline. It ends a blocked read by
  shutting the socket down.
- Foreign errors become localreg's here, and nowhere else. Those of requests carry URLs with their
  secrets, so they are never chained.
"""
