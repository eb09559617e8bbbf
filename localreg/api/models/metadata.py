"""The part of a model handle that reads and sets its metadata."""

from __future__ import annotations

from collections.abc import Mapping

from localreg import operations
from localreg.api.models.model_handle import ModelHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.records import MetadataValue


class MetadataMethods(ModelHandle):
    """Metadata: keys, the text of their values, and the names of their types."""

    __slots__ = ()

    def get_metadata(self, key: str) -> str | None:
        """Return the text of one metadata entry, or None when the model has none under `key`.

        Source: ``get_metadata`` of the InputModel page.
        """
        found = self._metadata_value(key)
        return None if found is None else found.value

    def get_metadata_casted(self, key: str) -> object:
        """Return one metadata entry as its type, or as text where that cannot be.

        Returns:
            None when the model has none under `key`.

        Source: ``get_metadata_casted`` of the InputModel page.
        """
        from localreg.values.metadata import cast

        found = self._metadata_value(key)
        return None if found is None else cast(found.value, found.type)

    def get_all_metadata(self) -> dict[str, dict[str, str]]:
        """Return all metadata as ``{key: {"key": …, "value": …, "type": …}}``, values as text.

        Source: ``get_all_metadata`` of the InputModel page.
        """
        return {
            key: {"key": key, "value": found.value, "type": found.type}
            for key, found in self._metadata().items()
        }

    def get_all_metadata_casted(self) -> dict[str, dict[str, object]]:
        """Return all metadata as ``{key: {"key": …, "value": …, "type": …}}``, values cast.

        Source: ``get_all_metadata_casted`` of the InputModel page.
        """
        return {key: _casted(key, found) for key, found in self._metadata().items()}

    def set_metadata(self, key: str, value: object, v_type: object = None) -> bool:
        """Set one metadata entry; the others stay.

        Args:
            key: any text but an empty one.
            value: kept as text; lists, tuples, dicts and None as JSON.
            v_type: name of the type to cast to on reading, or a type; by the value when None.

        Returns:
            True; what cannot be set raises.

        Raises:
            InvalidValueError: key or value cannot be kept.
            ModelNotFoundError: the model is gone.

        Source: ``set_metadata`` of the InputModel page.
        """
        found = self._found()
        operations.models.edits.set_metadata(found.registry, found.id, key, value, v_type)
        return True

    def set_all_metadata(self, metadata: Mapping[str, object], replace: bool = True) -> bool:
        """Set many metadata entries at once.

        Args:
            metadata: ``{key: {"value": …, "type": …}}``; a bare value is taken too.
            replace: drop the entries that are not named; with False they stay.

        Returns:
            True; what cannot be set raises, and then nothing is set.

        Raises:
            InvalidValueError: a key or value cannot be kept.
            ModelNotFoundError: the model is gone.

        Source: ``set_all_metadata`` of the InputModel page.
        """
        found = self._found()
        operations.models.edits.set_all_metadata(
            found.registry, found.id, metadata, replace=replace
        )
        return True


def _casted(key: str, found: MetadataValue) -> dict[str, object]:
    from localreg.values.metadata import cast

    return {"key": key, "value": cast(found.value, found.type), "type": found.type}
