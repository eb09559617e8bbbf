"""Matplotlib: figures that a script shows or saves become reports of the current task.

Decisions:

- A figure is reported by `plt.show`, ``Figure.show``, ``Figure.savefig`` to a path, and at the end
  of a notebook's cell. What is saved to an open file is not reported: libraries do that.
- A figure is interactive if that loses nothing, else a picture; see `plots.matplotlib_figures`.
- Titles and series are those of ClearML: the title of the figure or of its axes, or "untitled 00";
  the second figure of this title in one iteration is ``title/1``.
- The same figure is not reported twice in one iteration while it looks the same, nor after
  `Logger.report_matplotlib_figure`. Nor does `plt.show` in the next task of the process report the
  open figures of the last one, unless they were drawn on since.
- The iteration is the largest that the script has reported, 0 before that.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import weakref

from localreg.plots import matplotlib_figures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches
    from localreg.integrations.recorder import Recorder

UNTITLED = 100  # figures without a title that are kept, the last ones
_REPORTED: weakref.WeakSet[Any] = weakref.WeakSet()  # figures, to any task of this process


def patch(patches: Patches, module: ModuleType) -> None:
    """Report the figures that a module of matplotlib shows or saves."""
    if module.__name__ == "matplotlib.figure":
        patches.after(module.Figure, "savefig", _saved, kind="figure")
        patches.before(module.Figure, "show", _shown, kind="figure")
        return
    pylab = sys.modules.get("pylab") or sys.modules.get("matplotlib.pylab")
    also = [] if pylab is None else [(pylab, "show")]
    patches.before(module, "show", _all_shown, kind="figure", also=also)


def _saved(
    recorder: Recorder,
    _: object,
    figure: Any,  # noqa: ANN401
    fname: object = None,
    *args: object,
    **options: object,
) -> None:
    if isinstance(fname, str | os.PathLike):
        _report(recorder, figure)


def _shown(recorder: Recorder, figure: Any, *args: object, **options: object) -> None:  # noqa: ANN401
    _report(recorder, figure)


def _all_shown(recorder: Recorder, *args: object, **options: object) -> None:
    from matplotlib._pylab_helpers import Gcf

    for each in Gcf.get_all_fig_managers():
        _report(recorder, each.canvas.figure, only_changed=True)


def _report(recorder: Recorder, figure: Any, *, only_changed: bool = False) -> None:  # noqa: ANN401
    if recorder.wants("matplotlib"):
        recorder.kept(_Figures).report(recorder, figure, only_changed=only_changed)


class _Figures:
    """The figures that were reported to a task."""

    def __init__(self) -> None:
        self._looks: weakref.WeakKeyDictionary[Any, tuple[int, bytes]] = weakref.WeakKeyDictionary()
        self._untitled = 0
        self._titles: dict[str, tuple[int, int]] = {}  # the last iteration, and how many in it

    def report(self, recorder: Recorder, figure: Any, *, only_changed: bool) -> None:  # noqa: ANN401
        """Report a figure, if it looks different from what was reported of it.

        Args:
            only_changed: do not look if matplotlib says that nothing was drawn since.
        """
        known = self._looks.get(figure)
        if matplotlib_figures.is_reported(figure) or not figure.axes:
            return
        if only_changed and figure in _REPORTED and not figure.stale:
            return
        forced = recorder.setting("matplotlib_force_report_non_interactive")
        plotly = None if forced else matplotlib_figures.interactive(figure)
        data = None if plotly is not None else matplotlib_figures.picture(figure)
        if not getattr(figure.canvas, "required_interactive_framework", None):
            figure.stale = False  # no window draws it again
        iteration = recorder.last_iteration()
        content = data if data is not None else json.dumps(plotly, sort_keys=True).encode()
        look = (iteration, hashlib.blake2b(content).digest())
        if known == look:
            return
        self._looks[figure] = look
        _REPORTED.add(figure)
        title = self._title(figure, iteration)
        if data is None:
            recorder.plotly(title, "plot", iteration, plotly)
        else:
            recorder.image(title, "plot image", iteration, data)

    def _title(self, figure: Any, iteration: int) -> str:  # noqa: ANN401
        text = figure.texts[0].get_text() if figure.texts else figure.gca().get_title()
        text = " ".join(text.split())
        if not text:
            self._untitled += 1
            return f"untitled {(self._untitled - 1) % UNTITLED:02}"
        last, count = self._titles.get(text, (iteration, -1))
        count = count + 1 if last == iteration else 0
        self._titles[text] = (iteration, count)
        return f"{text}/{count}" if count else text
