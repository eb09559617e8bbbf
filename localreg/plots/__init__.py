"""Plots: the arguments of `report_*` methods, checked and stored, and their Plotly figures.

The decisions that bind this package:

- A plot is stored as it was reported: a kind, options, and arrays (`drawings.Drawing`). The
  figure is made when somebody looks at it, so a better way to draw reaches old plots too.
- Everything is checked in the `report_*` call, while the caller can still correct it: an
  InvalidValueError names the argument. Only other errors are named in the docstrings here.
- Figures are plain dicts with base64 arrays, the JSON of Plotly itself. Nothing here imports
  plotly: a page needs only its JavaScript.
- Texts are escaped in figures, because Plotly reads some HTML in them.
- Long series, large matrices and long tables are thinned for drawing, once, when they are
  reported. The page says so, and the stored data stays whole.

A new kind of plot is one function in `drawings`, which checks, and one in `figures`, which draws.
`thinning` needs one as well if a plot of the kind can be too large for a screen.

A module is loaded when it is first named, such as ``plots.drawings``: this keeps imports fast.
"""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.plots import arrays as arrays
    from localreg.plots import drawings as drawings
    from localreg.plots import figures as figures
    from localreg.plots import images as images
    from localreg.plots import line_series as line_series
    from localreg.plots import matplotlib_figures as matplotlib_figures
    from localreg.plots import options as options
    from localreg.plots import tables as tables
    from localreg.plots import thinning as thinning

__getattr__ = modules_of(__name__)
