"""Packages: folders, or several files, of which each file is a blob of its own.

The decisions that bind this package:

- A package is listed before its files are read and again afterwards. Both lists must be equal, and
  each file must be as it was listed: what is kept was there at one moment.
- Small files are read whole, hashed in memory, and written. So their names fit the bytes that are
  kept, as those of large files do, which are hashed as they are read back.
- A file that the registry has already is not written again; one that is known by its status is not
  even read.
- All files are staged in one folder in ``tmp/`` and synced by one call, where the system has it
  (syncfs): to sync each of 20,000 small files takes much longer than to copy them. So are their
  names, in up to 256 folders.
- Links of the user are followed, since what is kept must not depend on other places. A snapshot of
  the Hugging Face hub consists of links; it is refused if one of them leads out of its repository.
- The right to execute a file belongs to the package, not to the blob: the same bytes may be
  executable in one package and not in another.

Errors of the operating system stay OSErrors here; callers translate them.
"""
