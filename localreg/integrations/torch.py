"""PyTorch: `torch.save`, `torch.load`, and TorchScript."""

from __future__ import annotations

from localreg.integrations.files import loading, saving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from localreg.integrations.patches import Patches

LIBRARY, FRAMEWORK = "pytorch", "PyTorch"


def patch(patches: Patches, torch: ModuleType) -> None:
    """Report what is saved and loaded, if it has the name of a file."""
    serialization = torch.serialization
    save = saving(LIBRARY, FRAMEWORK, keyword="f")
    load = loading(LIBRARY, FRAMEWORK, keyword="f")
    patches.after(torch, "save", save, kind="model", also=[(serialization, "save")], copies=True)
    patches.after(torch, "load", load, kind="model", also=[(serialization, "load")], copies=True)
    # The method of a scripted module, and of a traced one.
    script = saving(LIBRARY, "TorchScript", keyword="f")
    for module in (torch.jit.ScriptModule, torch.jit._script.RecursiveScriptModule):
        patches.after(module, "save", script, kind="model")
    patches.after(
        torch.jit, "save", script, kind="model", also=[(torch.jit._serialization, "save")],
        copies=True,
    )  # fmt: skip
    patches.after(
        torch.jit, "load", loading(LIBRARY, "TorchScript", keyword="f"), kind="model",
        also=[(torch.jit._serialization, "load")], copies=True,
    )  # fmt: skip
