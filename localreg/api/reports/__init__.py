"""The methods of models, tasks and loggers that report, and those that read reports back.

Every method raises ModelNotFoundError or TaskNotFoundError if its model or task no longer
exists, InvalidValueError (a ValueError) if an argument cannot be stored, and StorageError (an
OSError) if the disk refuses something. The docstrings below name only other errors.
"""
