"""Weights: keep their bytes, give local copies of them, download and upload them.

The modules raise StorageError for errors of the disk, and ModelNotFoundError for a model that
does not exist (any more).
"""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.weights import elsewhere as elsewhere
    from localreg.operations.weights import fetching as fetching
    from localreg.operations.weights import files as files
    from localreg.operations.weights import ingest as ingest
    from localreg.operations.weights import known_digests as known_digests
    from localreg.operations.weights import local_copies as local_copies
    from localreg.operations.weights import locations as locations
    from localreg.operations.weights import origin as origin
    from localreg.operations.weights import source_files as source_files
    from localreg.operations.weights import uploading as uploading

__getattr__ = modules_of(__name__)
