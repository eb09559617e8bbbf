"""`SeriesInfo`, under the module name from which ClearML scripts import it."""

from __future__ import annotations

from localreg.plots.line_series import SeriesInfo

__all__ = ["SeriesInfo"]
