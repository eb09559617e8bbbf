"""What every handle on a model is: a registry and an id, or an empty model in memory."""

from __future__ import annotations

from localreg import operations
from localreg.errors import EmptyModelError, NotAPackageError, NoWeightsError
from localreg.values.frozen import Frozen
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.finding.upstream import Found
    from localreg.operations.models.reading import ModelRow
    from localreg.registry import Chain, OpenRegistry
    from localreg.values.records import MetadataValue

EMPTY_ID = "empty"


class Empty(Frozen):
    """The model of `InputModel.empty()`: a configuration and labels, in memory only."""

    config: str
    labels: dict[str, int]

    id = EMPTY_ID


class ModelHandle:
    """A model of a registry, or an empty one; `Model` gives it its methods.

    Everything is read again each time, and raises ModelNotFoundError when the model is gone.
    """

    __slots__ = ("_chain", "_subject")

    _chain: Chain | None  # through which the model was found; None for an empty one
    _subject: Found | Empty

    @property
    def id(self) -> str:
        """The model's id, 32 hex digits; ``"empty"`` for `InputModel.empty()`."""
        return self._subject.id

    def _place(self) -> tuple[Chain, Found]:
        """Return the chain and the model's place in it; an empty model has none and raises."""
        chain, subject = self._chain, self._subject
        if chain is None or isinstance(subject, Empty):
            raise EmptyModelError(
                "the model of InputModel.empty() is not in a registry, so it cannot be changed or "
                "looked up there; import_model makes one that is",
                argument="model",
            )
        return chain, subject

    def _found(self) -> Found:
        """Return the registry and the id; an empty model has none and raises."""
        return self._place()[1]

    def _points_to(self) -> tuple[Chain, str, str]:
        chain, found = self._place()
        return chain.starting_at(found.registry), "model", found.id

    def _owned(self) -> tuple[Chain, OpenRegistry, Owner]:
        chain, found = self._place()
        return chain, found.registry, Owner("model", found.id)

    def _own_chain(self) -> Chain:
        """Return the chain to write through: see `Chain.starting_at`."""
        chain, found = self._place()
        return chain.starting_at(found.registry)

    def _row(self) -> ModelRow:
        return (
            operations.models.reading.unset_row(EMPTY_ID)
            if isinstance(self._subject, Empty)
            else operations.models.reading.row(self._subject)
        )

    def _stored_row(self) -> ModelRow:
        return operations.models.reading.row(self._found())

    def _tags(self, *, system: bool) -> list[str]:
        return (
            []
            if isinstance(self._subject, Empty)
            else operations.models.reading.tags(self._subject, system=system)
        )

    def _metadata(self) -> dict[str, MetadataValue]:
        return (
            {}
            if isinstance(self._subject, Empty)
            else operations.models.reading.metadata(self._subject)
        )

    def _metadata_value(self, key: object) -> MetadataValue | None:
        from localreg.values.metadata import check_metadata_key

        name = check_metadata_key(key)
        if isinstance(self._subject, Empty):
            return None
        return operations.models.reading.metadata_value(self._subject, name)

    def _config(self) -> str:
        if isinstance(self._subject, Empty):
            return self._subject.config
        return operations.models.reading.config(self._subject)

    def _labels(self) -> dict[str, int]:
        if isinstance(self._subject, Empty):
            return dict(self._subject.labels)
        return operations.models.reading.labels(self._subject)

    def _last_task(self) -> str | None:
        return (
            None
            if isinstance(self._subject, Empty)
            else operations.models.reading.task(*self._place())
        )

    def _url(self) -> str | None:
        if isinstance(self._subject, Empty):
            return None
        return operations.weights.local_copies.weights_url(*self._place())

    def _entry_name(self) -> str:
        """Return the name that the model gets on a task when none is given."""
        if isinstance(self._subject, Empty):
            return operations.tasks.inputs.UNNAMED_INPUT
        return operations.tasks.inputs.entry_name_of(self._subject)

    def _check_package(self) -> None:
        if isinstance(self._subject, Empty):
            raise NotAPackageError("the empty model is not a package", model=EMPTY_ID)
        operations.weights.local_copies.check_package(self._subject)

    def _weights_place(self) -> tuple[Chain, Found]:
        """Return where weights are read from; an empty model raises NoWeightsError."""
        if self._chain is None:
            raise NoWeightsError("the empty model has no weights", model=EMPTY_ID)
        return self._place()
