"""Remarks for the user, on the logger "localreg".

`logging` is imported with the first remark: most programs never need one, and all would wait for
the import.
"""

from __future__ import annotations


def warning(message: str, *facts: object) -> None:
    """Log a warning; Python prints warnings on stderr unless logging is set up otherwise."""
    import logging

    logging.getLogger("localreg").warning(message, *facts)


def info(message: str, *facts: object) -> None:
    """Log a remark."""
    import logging

    logging.getLogger("localreg").info(message, *facts)
