"""SQLite files of other programs: read for `import`, and written for `export`.

- A file is only read: nothing is written to it or beside it, and nothing in it runs. Tables are
  read, never views, by statements that are ours.
- What is in it is a stranger's: each value is checked where it is read.
"""
