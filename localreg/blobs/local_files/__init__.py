"""Local copies of blobs: links where they can be, copies elsewhere."""
