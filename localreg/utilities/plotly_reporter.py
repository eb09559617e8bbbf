"""`SeriesInfo`, where ClearML scripts import it from."""

from __future__ import annotations

from localreg.plots.line_series import SeriesInfo

__all__ = ["SeriesInfo"]
