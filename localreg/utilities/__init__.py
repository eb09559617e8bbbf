"""Names that ClearML scripts import from `clearml.utilities`."""
