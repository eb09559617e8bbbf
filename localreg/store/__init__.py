"""The SQLite database. All SQL of localreg is in this package, and nothing else is.

`database` opens, makes, locks and migrates the file; `events` records changes and applies them to
the tables; `rows` reads and writes single tables. The decisions that bind the package:

Events and state

- Events are the source of truth. The state tables are computed from them by the folds (functions
  that apply one event each), so the tables can be emptied and computed again (`refolding.refold`).
  An operation calls `Change.record`, which writes an event and applies it in the same transaction;
  nothing else writes state.
- Registries go their own ways and meet again. So each event names the one whose value it replaces
  (`registers.py`), and carries a Lamport clock. The events of one model, task, project or alias are
  a unit. When others arrive (`arriving.py`), each touched unit is put in one order, judged
  (`judging.py`) and folded again (`refolding.py`); no unit reads another one. An event that is made
  here is the last of its unit in every order, so it is applied at once, with the same result.
- What an event changes is written once, as operations of a `State` (`rows/state.py`). It is the
  tables for an event that is made here, and rows in memory when a whole unit is folded; these are
  written many at a time. New places let a unit be folded again only if its order changes.
- A large arrival is folded while it comes: units that are complete within some thousand events are
  never read back. Into an empty log it comes without indexes, which are made in the same
  transaction.
- Times, origins and numbers of events never order the fold: clocks are wrong now and then, and a
  copied registry counts on with the same numbers.
- These facts are local and have no events: real URLs and places (`private_url`, `task_place`),
  what a URL served (`url`), what is on this disk (the columns of `blob`, `known_file`), and
  reported values.
- The payload of an event has old and new values, and names others by id or digest. A URL with a
  secret, or a path of this machine, goes to `private_url`, where the fold finds it. It stays there
  when its model is removed, so that `restore` is complete.
- Weights are revisions of their model, named by the event that added them. Which one is current is
  a register of its own; the number of a revision is for people.
- Who makes or moves a model writes its version number: 1 more than every number that was ever named
  for this project and name. `claim` has them all. A number that two registries gave is ambiguous,
  and an error, until one of the models gets another number.
- A project is its name; registries may have given it several ids.
- An alias holds an id. It is the target only while that model is there, in that project and name.
- `tombstone` keeps project, name and version of removed models for `restore`.
- `task_design` is for tasks what `design` is for models.

Time

- Order and time are two things, because clocks are wrong now and then. A stamp gives the order: in
  a transaction each subject gets one that is greater than all before, and not less than the clock
  in microseconds. Times (`at`, `created`, `updated`, `ended`) are what the clock said, and are what
  people see. So a change made while the clock says 2038 shows 2038, and the next one does not.
- `stamp` of a model or task is that of its last event, `birth` of a model that of its first one.
- `model_tag` repeats `stamp`, so that the newest models of a tag are one range of one index.
- Reported values (series, scalar, single, plot, message) are too many to be events. Writing them
  sets `stamp` too, and `reported` records it, so that `refold` gives the same order.
- Reported values travel as streams, and join those of another registry as a union, in which the
  later value counts (`rows/report_transfer.py`). So a value that replaces another gets a later
  time, and each line of a log a greater stamp, also if the clock went back.
- Scalars wait at most a second in memory and are written many at once (`rows/report_buffer.py`).
  Log lines are written at once, without waiting for the disk; plots and single values wait for it.

Locks and files

- Every write begins with BEGIN IMMEDIATE. A read that becomes a write fails with "database is
  locked" if another process wrote in between, and no timeout helps.
- A write retries the lock about every millisecond. SQLite's own waiting sleeps longer each time,
  so the process that waited longest would get the lock last (`database/write_lock.py`).
- There is one connection for each process and thread. Idle connections are closed before a fork,
  because the child inherits SQLite's list of locks without the locks (`database/connections.py`).
- A full disk is read without SQLite's own files (`database/full_disk.py`), and a reserve lets `gc`
  and `rm` write on it (`database/reserve.py`).
- The journal is WAL with synchronous=FULL on local disks, and a truncated rollback journal with
  synchronous=EXTRA on network file systems. It is chosen when the registry is made, for good.
- A database that cannot be written to is opened read-only. A reader without the right to write
  takes no locks, so it checks that the file did not change (`database/readonly.py`).
- In a registry that a group shares, SQLite's logs lack the group's rights for a moment after they
  are made. A process that meets one then tries again (`database/opening.py`, `store.py`).

SQL

- A query chooses its index from short probes (`rows/model_query.py`): SQLite's planner would read
  a million models to find the five with a tag.
- SQLite 3.35 is the oldest supported version: no STRICT tables, no jsonb, no ``->>``.
- A new database is made from schema.sql. Migrations bring older ones to the same form.
"""
