"""The SQLite database: SQL, and nothing but.

The decisions that bind this package:

- **Events are the truth, the other tables are their fold.** Operations record events through
  `Change.record`, which writes the event and applies it to the state tables in the same
  transaction (fold.py). Nothing else writes state, so the tables can be dropped and folded
  again from the events (`fold.refold`). Apart stand `private_url`, what a URL served (`url`),
  what is on disk (`blob`'s own columns) and reported values: they are local, and no event
  tells of them.
- An event's payload holds old and new values by id and digest. A URL that carries a secret, or
  that is a path of this machine, stands in `private_url` instead, where the fold looks it up; it
  stays there when its model is removed, so that `restore` is whole.
- Weights are revisions of their model: `model.weights_added` and `model.weights_chosen` say which
  one is served, and tell of the one before whether it was a package, so that going back finds that
  out of the log. Numbers are not used again: only the oldest are dropped, never the newest.
- `updated` of a model is the time of the last event on it, and strictly increasing over the
  registry whatever the clock does: within a transaction each subject gets a stamp of its own,
  greater than all that went before. It is repeated in `model_tag`, so that a tag's newest models
  are one range of one index. `created` is the first such stamp.
- Reported values (series, scalar, single, plot, message) are no events: there are millions. A
  write of them moves `updated` of its model or task all the same, and `reported` remembers to
  when, so that a fold of the events gives the same order.
- Scalars wait in the memory of the process that reports them for at most a second
  (report_buffer.py), and are written many at a time; plots and single values are written at once.
- Version numbers come from `version_counter`, and are never used again.
- Every write is `BEGIN IMMEDIATE`: a read that turns into a write fails at once with "database
  is locked" when another process wrote in between, whatever the timeout.
- A write waits for the lock in steps of about a millisecond instead of SQLite's own, which
  starve whoever waited longest (locking.py).
- `tombstone` keeps project, name and version of removed models, so that `restore` finds them;
  `task_design` is to tasks what `design` is to models.
- One connection per process and thread. Before a fork all idle ones are closed, since SQLite's
  record of the locks a process holds is wrong in its child (connections.py).
- WAL with synchronous FULL on local disks, a truncated rollback journal with EXTRA on network
  file systems. The mode is chosen when the registry is made and is part of it.
- What cannot be written to is opened read-only by itself. Whoever reads it without any right to
  write, and so without locks, notices what others change (reading_only.py).
- Where a group shares the registry, SQLite's logs are narrow for the moment after they are made:
  who meets one then tries again (opening.py, database.py).
- A query chooses its own driving index from short probes (model_query.py): SQLite's planner
  walks a million models for a tag that five have.
- No STRICT tables, no jsonb, no ->>: SQLite 3.35 is the floor.
- A fresh database is made from schema.sql; sqlite-utils migrations bring older ones there.
"""
