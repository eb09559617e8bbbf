"""The command line: thin faces over the operations.

Habits: tables on a terminal and tab-separated lines elsewhere, ``--json`` where something is
shown, ``-q`` for ids alone, progress and remarks on stderr. Exit codes: 0 done, 1 error, 2 wrong
usage, 3 not found, 4 damaged, 5 conflict, 6 locked.
"""
