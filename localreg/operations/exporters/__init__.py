"""Models and runs of a registry, written as other programs keep them: one module a format.

- A folder appears when all of it is on disk, or not at all; what exists is never replaced.
- Names of models, tasks and files are strangers'. They become names of files by `file_names` only.
- Bytes of models go out: `given_files` asks the trust check before, and hashes all on the way.
- Secrets are hidden, as on pages: other programs show what they are given to everybody.
- What a format has no place for is counted, and said.
- Each registry is read in one transaction, and memory does not grow with what is reported.
"""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.exporters import formats as formats

__getattr__ = modules_of(__name__)
