"""MegEngine: `megengine.save` and `megengine.load`."""

from __future__ import annotations

from localreg.integrations.files import loading, saving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from localreg.integrations.patches import Patches

LIBRARY, FRAMEWORK = "megengine", "MegEngine"


def patch(patches: Patches, megengine: ModuleType) -> None:
    """Report what is saved and loaded, if it has the name of a file."""
    inner = megengine.serialization
    save, load = saving(LIBRARY, FRAMEWORK, keyword="f"), loading(LIBRARY, FRAMEWORK, keyword="f")
    patches.after(megengine, "save", save, kind="model", also=[(inner, "save")], copies=True)
    patches.after(megengine, "load", load, kind="model", also=[(inner, "load")], copies=True)
