"""Download and upload weights: http and https, object stores, folders.

The decisions that bind this package:

- ``downloading.download`` and ``uploading.upload`` are the entry points. Each chooses the kind of
  server by the URL: ``http/``, ``cloud/``, or ``folder_upload``.
- Only a whole answer of the right length counts: ``Content-Length``, or chunks up to their end. An
  answer with neither looks the same when it is cut short, so it counts only with a checksum.
- Bytes are hashed in the background, as they are read back from the file.
- A download that was cut continues where it stopped, by ``Range`` and ``If-Range`` with a strong
  ETag. If anything does not match (another ETag, range or length), it starts again from the
  beginning.
- Redirects are followed by our own code: to http and https only, from https to http only with a
  checksum. Credentials are sent only to the scheme, host and port they were given for.
- A watch limits everything that a server can make slow: connections, handshakes, headers, and
  bodies slower than 1 KiB/s for some time. A deadline limits the whole. The watch ends a blocked
  read by shutting down the socket.
- Errors of other libraries become localreg's errors here, and nowhere else. They contain URLs with
  secrets, so they are never chained.
"""
