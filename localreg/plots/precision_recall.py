"""The curve of precision and recall over thresholds, as TensorBoard counts them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.values.records import Json

_COUNTS = ("TP", "FP", "TN", "FN")


def curve_figure(series: str, rows: Any) -> Json:  # noqa: ANN401  (an array)
    """Return the Plotly figure of a curve.

    Args:
        rows: TP, FP, TN, FN, precision and recall, of each threshold from 0 to 1.
    """
    thresholds = [place / max(1, rows.shape[1] - 1) for place in range(rows.shape[1])]
    curve = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": series,
        "x": rows[-1].tolist(),
        "y": rows[-2].tolist(),
        "text": [
            f"threshold {threshold:.3f}<br>"
            + ", ".join(f"{name} {number:g}" for name, number in zip(_COUNTS, column, strict=False))
            for threshold, column in zip(thresholds, rows.T.tolist(), strict=True)
        ],
    }
    layout = {
        "xaxis": {"title": {"text": "recall"}},
        "yaxis": {"title": {"text": "precision"}},
    }
    return {"data": [curve], "layout": layout}
