"""The command line: each command calls operations, and prints what they return.

Decisions that hold for every command:

- On a terminal it prints tables, elsewhere lines with tabs between the columns. ``--json`` prints
  JSON, ``-q`` only ids. Progress and remarks go to stderr, so that a script reads data only.
- Exit codes: 0 done, 1 error, 2 wrong usage, 3 not found, 4 damaged, 5 conflict, 6 locked. A
  command returns its exit code; None is 0.

To add the command NAME, write ``commands/NAME.py`` with `NAME_command` in it, and add NAME to a
section in ``main.py``.
"""
