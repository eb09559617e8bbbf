"""Handles of models: `Model`, `InputModel`, `OutputModel`."""
