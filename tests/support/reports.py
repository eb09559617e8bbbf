"""What is stored of reports, and the figures made of it."""

from __future__ import annotations

import base64
import json

import numpy as np
import plotly.graph_objects as go

from localreg.operations.reports import charts


def drawings(subject):
    """Return ``{(title, series, iteration): drawing}`` of everything that is stored."""
    _, registry, owner = subject._owned()
    with registry.store.read() as connection:
        return {
            (group.title, row.series, group.iteration): charts.drawing_of(connection, row)
            for group in charts.figure_rows(connection, owner)
            for row in group.rows
            if row.kind != "media"
        }


def figures(subject):
    """Return the figures as dicts, each of which plotly's own classes accept as it is."""
    _, registry, owner = subject._owned()
    found = [each.figure for each in charts.named_figures(registry, owner)]
    for figure in found:
        go.Figure(figure)  # raises for what is no figure
        json.dumps(figure, allow_nan=False)
    return found


def numbers(array):
    """Return the numbers of one of Plotly's typed arrays."""
    if not isinstance(array, dict):
        return list(array)
    found = np.frombuffer(base64.b64decode(array["bdata"]), array["dtype"])
    if "shape" in array:
        found = found.reshape([int(side) for side in array["shape"].split(", ")])
    return found.tolist()
