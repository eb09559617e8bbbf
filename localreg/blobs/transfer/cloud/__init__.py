"""Weights in object stores (S3 and what speaks it, Google Cloud Storage, Azure), by obstore.

The decisions that bind this package:

- obstore is imported here and nowhere else, where it is first used. It is an extra, and without it
  an error names that extra.
- Transfers run in an event loop on a thread of their own: they can be given up on and interrupted
  while a server is silent, and work where the caller's thread runs a loop itself, as in notebooks.
- An object is downloaded in ranges, several at a time, each bound to the ETag that the first look
  saw, and written in their order, so that a cut download goes on where it stopped.
- An upload gets a name that no other has: it can take no object's place, and nobody waits for it.
  Small ones are created only where nothing is; large ones go in parts, which show up together or
  not at all. What arrived is looked at before it counts.
- Errors of obstore hold URLs and answers, in which there may be secrets. They are never passed on
  or chained: what went wrong is read off them, and told in words of ours.
"""
