"""Reported values to Plotly figures. Pure, but for the export of images."""
