"""Weights in object stores, with obstore: S3 and compatible ones, Google Cloud Storage, Azure.

The decisions that bind this package:

- obstore is imported here and nowhere else, and only when it is first used. It is an extra; without
  it, an error names that extra.
- Transfers run in an event loop in a thread of their own. So they can be cancelled while a server
  is silent, and they work where the caller's thread already runs a loop, as in notebooks.
- An object is downloaded in ranges, several at once. Each range is bound to the ETag of the first
  request. They are written in order, so that a cut download continues where it stopped.
- An upload gets a unique name, so it never replaces an object and waits for no other upload. A
  small object is sent with the condition that none exists; a large one in parts, which become
  visible together. The object's size is checked before the upload counts.
- Errors of obstore contain URLs and answers, which may hold secrets. They are never shown or
  chained: errors.py reads what went wrong, and says it in our own words.
- What differs between the providers is in providers.py.
"""
