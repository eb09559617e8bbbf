"""Data sets: versions of collections of files, made in steps, finalized, and read.

A version is recorded as a model that is a package (`localreg.values.datasets`), so bundles, merges,
`verify`, `gc` and pages work for it. Until it is finalized its files are rows of their own
(`open_dataset_file`), which belong to this registry only: each change is one transaction, and the
bytes are kept at once. `upload` makes a package of them, `finalize` ends the changes.
"""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.datasets import changes as changes
    from localreg.operations.datasets import contents as contents
    from localreg.operations.datasets import copies as copies
    from localreg.operations.datasets import details as details
    from localreg.operations.datasets import edits as edits
    from localreg.operations.datasets import finishing as finishing
    from localreg.operations.datasets import kept_values as kept_values
    from localreg.operations.datasets import links as links
    from localreg.operations.datasets import looking as looking
    from localreg.operations.datasets import recording as recording

__getattr__ = modules_of(__name__)
