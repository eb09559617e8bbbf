"""`Logger`: where ClearML's documentation says that models are imported."""

from __future__ import annotations

from localreg.api.input_model import InputModel


class Logger:
    """Reporting, which this version does not have yet, and `import_model`, which it has.

    Source: the InputModel page, which names ``Logger.import_model`` where ClearML has
    ``InputModel.import_model``.
    """

    __slots__ = ()

    import_model = InputModel.import_model
