"""The modules that ClearML scripts import from `clearml.utilities`."""
