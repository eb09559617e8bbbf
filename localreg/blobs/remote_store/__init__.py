"""Remotes: a Delta table of events, and objects, in an object store or a shared directory.

The decisions that bind this package:

- deltalake is imported here and nowhere else, and only when it is first used. It is an extra, like
  obstore; without it, an error names that extra.
- An append is a compare-and-set on the version of the table: the commit is never rebased, so its
  number is known before, and is written into its rows.
- Each append and each read opens the table anew: a handle that is kept gets slower with each
  commit.
- In a directory nothing is synced by the libraries, so it is done here before an append returns.
- Errors of the libraries may hold secrets. They are never shown or chained.
"""
