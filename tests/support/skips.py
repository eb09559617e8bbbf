"""The only reasons for which a test may be skipped in CI: what .ci/run cannot install."""

from __future__ import annotations

NO_VFAT = "this kernel has no vfat"  # no package brings FAT to a kernel
NO_TORCH = "torch is not installed"  # larger than everything else that it installs
NO_FRAMEWORK = "needs a library of .ci/long frameworks"  # all together they need gigabytes
NO_FIREFOX = "Firefox is looked at by .ci/long firefox"  # a second browser: the same pages again
ALLOWED = (NO_VFAT, NO_TORCH, NO_FRAMEWORK, NO_FIREFOX)
