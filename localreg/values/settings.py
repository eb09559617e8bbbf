"""The environment variables of localreg: their names, and what each sets.

Each is read where it is used, when it is used, so a program may set one at any time before.
"""

from __future__ import annotations

import os

from localreg.errors import InvalidValueError

# The directory of the registry, where a program names none.
HOME = "LOCALREG_HOME"
# Directories of upstream registries, separated like the entries of PATH.
UPSTREAM = "LOCALREG_UPSTREAM"
# "full": what a call wrote survives a power loss (the default). "fast": the end of the process.
DURABILITY = "LOCALREG_DURABILITY"
# "always": hash weights again before each local copy is returned.
VERIFY = "LOCALREG_VERIFY"
# "0": write no pages when a task or a process ends.
AUTO_RENDER = "LOCALREG_AUTO_RENDER"
# What is kept of the revisions of a file that a script saves under one name again and again: a
# number, a size of all together such as "500MB", or "all"; 100 MB by default, and 100 of them.
KEEP_SAVED = "LOCALREG_KEEP_SAVED"

# Characters of what a task prints that its log keeps: 10 million by default.
LOG_LIMIT = "LOCALREG_LOG_LIMIT"

# Seconds that a server may be silent, or slower than 1 KiB/s; 60 by default.
HTTP_TIMEOUT = "LOCALREG_HTTP_TIMEOUT"
# Seconds for a whole download; no limit by default.
DOWNLOAD_DEADLINE = "LOCALREG_DOWNLOAD_DEADLINE"

# The most that an archive may unpack to: bytes, members, and times its own size.
UNPACK_BYTES = "LOCALREG_UNPACK_BYTES"
UNPACK_MEMBERS = "LOCALREG_UNPACK_MEMBERS"
UNPACK_RATIO = "LOCALREG_UNPACK_RATIO"

# The password of the private key that signs.
KEY_PASSWORD = "LOCALREG_KEY_PASSWORD"

# The id of the task that this process runs again; set by `localreg task run`.
TASK_ID = "LOCALREG_TASK_ID"
# The task of this process, and which process it is, for those that it starts; set by Task.init.
TASK_RUNNING = "LOCALREG_TASK_RUNNING"
# Set by localreg.run for its script and the processes that this starts: what it runs.
RUN = "LOCALREG_RUN"


def whole_number(variable: str, usual: int) -> int:
    """Return the whole number above 0 that a variable sets.

    Args:
        variable: its name.
        usual: the number if it is not set.

    Raises:
        InvalidValueError: it is something else.
    """
    text = os.environ.get(variable, "")
    if not text:
        return usual
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) > 0):
        raise InvalidValueError(
            f"{variable} must be a whole number above 0, not {text!r:.40}", argument=variable
        )
    return int(text)
