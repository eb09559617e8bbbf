"""The content-addressed store: weights as files whose names are the sha256 of their bytes.

The decisions that bind this package:

- Bytes are copied to ``tmp/`` and hashed as they are read back. So the name fits the bytes even if
  the source changes during the copy. The file is synced, made read-only and renamed to
  ``blobs/sha256/ab/cdef…``, and the folder is synced. Only then a row refers to it.
- The rename happens inside the write transaction that records the blob. A blob is deleted only
  inside a transaction in which nothing refers to it. So SQLite's own lock decides between an
  ingest and a removal of the same bytes, and no lock of ours is needed.
- ``files/<digest>/<name>`` are hard links with the original name. Symbolic links would not do: some
  runtimes refuse to follow them. Blob and link are read-only.
- On a file system without hard links, a local copy is a copy with the blob's modification time, by
  which it is recognised. Modes, names and syncs that a file system does not have are skipped.
- No symbolic link inside the registry is followed. File modes come from the umask. In a shared
  registry the group gets what the owner has (filesystem/group_modes.py). A user cannot make
  another user's file read-only, and cannot link to it everywhere, so such files are copied.
- Locks only save bandwidth. Where there are none, the same bytes may be downloaded more than once,
  with the same result.
- If a registry cannot be written to, new local copies are made in the user's cache folder
  (local_files/readonly_registry.py).
- The size is checked on every read; the digest only if the environment asks for it.
- Errors of the operating system are raised as StorageError, and as StorageFullError if the disk is
  full, by `filesystem.disk_errors`. Docstrings do not repeat this. After an error nothing is kept.
"""
