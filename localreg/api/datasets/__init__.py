"""Data sets, with the names of ClearML's `Dataset`."""
