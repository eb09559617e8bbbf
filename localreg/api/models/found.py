"""What lists of models and tasks have beside those of Python: their values, read at once."""

from __future__ import annotations

from localreg.errors import MissingPackageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from localreg.values.summaries import ModelSummary, TaskSummary


class RecordMethods:
    """The values of a list of models or tasks; mixed into `FoundModels` and `FoundTasks`."""

    __slots__ = ()

    def records(self) -> Sequence[ModelSummary | TaskSummary]:
        """Return what is listed as records that do not change; subclasses say of what."""
        raise NotImplementedError

    def to_records(self) -> list[dict[str, object]]:
        """Return a dict for each: all values by name, ready for JSON but for the times.

        Metrics are named as for `order_by`, such as ``"metrics.loss/train"`` (the last value),
        parameters ``"parameters.Args/lr"`` and metadata ``"metadata.accuracy"``. A dict has only
        what its model or task has.
        """
        from localreg.values.summaries import flat

        return [flat(each) for each in self.records()]

    def to_pandas(self) -> Any:  # noqa: ANN401  (pandas need not be installed)
        """Return a pandas.DataFrame with a row for each, and the columns of `to_records`.

        The index counts from 0, in the order of the list. Where one lacks a value, it is None, or
        NaN in a column of numbers.

        Raises:
            MissingPackageError: (an ImportError) pandas is not installed.
        """
        from localreg.values.summaries import columns

        try:
            import pandas
        except ImportError as error:
            raise MissingPackageError(
                "to_pandas needs the package pandas, which is not installed; "
                "`pip install pandas` installs it, and to_records needs no package",
                package="pandas",
            ) from error
        frame = pandas.DataFrame(columns(self.records()))
        # A metric that is NaN everywhere has no value from which pandas could see its type.
        numbers = [each for each in frame if each.startswith("metrics.")]
        return frame.astype(dict.fromkeys(numbers, float))
