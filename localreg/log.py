"""Messages for the user, on the logger "localreg".

`logging` is imported with the first message: most programs log nothing and start faster without.
"""

from __future__ import annotations


def warning(message: str, *facts: object) -> None:
    """Log a warning, which Python prints on stderr unless logging is configured otherwise."""
    import logging

    logging.getLogger("localreg").warning(message, *facts)


def info(message: str, *facts: object) -> None:
    """Log a message."""
    import logging

    logging.getLogger("localreg").info(message, *facts)
