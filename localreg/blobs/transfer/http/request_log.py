"""Keep secrets of URLs out of what urllib3 logs."""

from __future__ import annotations

import logging
import re
import threading

# The loggers to which urllib3 gives URLs; a filter works only on the logger of the message itself.
_NAMES = ("urllib3.connectionpool", "urllib3.util.retry")
_QUERY = re.compile(r"\?.*", re.DOTALL)


class without_queries(logging.Filter):  # noqa: N801  (used as a function)
    """Run a block in which urllib3 logs no query of a URL; what other threads log is not changed.

    At level DEBUG urllib3 logs the path of each request with its query, which may be a signature
    or a token.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def __enter__(self) -> None:
        for name in _NAMES:
            logging.getLogger(name).addFilter(self)

    def __exit__(self, *_: object) -> None:
        for name in _NAMES:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the queries in a message of this thread; keep every message."""
        if record.thread == self._thread and isinstance(record.args, tuple):
            record.args = tuple(
                _QUERY.sub("?***", each) if isinstance(each, str) else each for each in record.args
            )
        return True
