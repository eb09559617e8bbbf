"""The content-addressed store: weights as files named by the sha256 of their bytes.

The decisions that bind this package:

- Bytes are copied to ``tmp/`` and hashed on the way, so the name is that of what was written,
  also when the source changes meanwhile. They are synced, made read-only, renamed to
  ``blobs/sha256/ab/cdef…`` and the folder synced; only then a row tells of them.
- The rename happens inside the write transaction that records the blob, and a blob is deleted
  only inside one in which nothing refers to it. So SQLite's own lock keeps an ingest and a
  removal of the same bytes apart, with no lock of ours to fail.
- ``files/<digest>/<name>`` are hard links under the original name: no symbolic links, which some
  runtimes refuse to follow, and no second copy. Both are read-only.
- Where links do not exist a local copy is a copy with its blob's time of writing, by which it is
  known. Modes, names and syncing that a file system lacks are left out, never the bytes.
- Nothing in here follows a symbolic link inside the registry. File modes come from the umask; where
  a group shares the registry it gets what the owner has (group_modes.py), and since nobody can make
  another user's file read-only, or link to it everywhere, such files are copied or made anew.
- Locks only save bandwidth. Where there are none, the same bytes may be downloaded more than once,
  with the same result.
- Of a registry that cannot be written to, what it has not handed out yet is made in a folder of the
  user's (elsewhere.py).
- The size is compared on every read; the digest when the environment asks for it.
"""
