"""Remotes: a Delta table of events, and objects, in an object store or a shared directory.

The decisions that bind this package:

- deltalake is imported here and nowhere else, and only when it is first used. It is an extra, like
  obstore; without it, an error names that extra.
- An append is a compare-and-set on the version of the table: the commit is never rebased, so its
  number is known before, and is written into its rows. Its files are made with deltalake in a
  temporary folder, brought to the table, and then the file of the commit is created: the one
  request that decides. So it is known what the server answered, and in a directory everything is
  synced before others see it, and usable by the group.
- A create-only write whose answer was lost is repeated. If something has the name then, its bytes
  are compared: they show if it was this write. What stays unknown counts as a conflict.
- Each read opens the table again: a handle that is kept gets slower with each commit.
- Errors of the libraries may hold secrets. They are never shown or chained.
"""
