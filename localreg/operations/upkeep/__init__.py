"""Keep a registry sound and small: verify, repair, gc, cache, du, adopt, doctor, sharing.

Each module is one operation, named as its command. `gc`, `cache` and `repair` decide first and
act then. They go on with the rest when one thing fails, and report what failed.
"""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.upkeep import adopt as adopt
    from localreg.operations.upkeep import cache as cache
    from localreg.operations.upkeep import config as config
    from localreg.operations.upkeep import doctor as doctor
    from localreg.operations.upkeep import du as du
    from localreg.operations.upkeep import gc as gc
    from localreg.operations.upkeep import repair as repair
    from localreg.operations.upkeep import retention as retention
    from localreg.operations.upkeep import sharing as sharing
    from localreg.operations.upkeep import verify as verify

__getattr__ = modules_of(__name__)
