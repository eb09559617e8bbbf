"""The methods of a model handle for its metadata."""

from __future__ import annotations

from localreg import operations
from localreg.api.models.model_handle import ModelHandle
from localreg.values.checks import check_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from localreg.values.records import MetadataValue


class MetadataMethods(ModelHandle):
    """Reads and sets metadata: keys, values as text, and the names of their types."""

    __slots__ = ()

    def get_metadata(self, key: str) -> str | None:
        """Return the text of a metadata entry, or None if the model has no such key.

        Source: ``get_metadata`` of the InputModel page.
        """
        found = self._metadata_value(key)
        return None if found is None else found.value

    def get_metadata_casted(self, key: str) -> object:
        """Return a metadata entry cast to its type, or as text if that is not possible.

        Returns:
            None if the model has no such key.

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
        """Set one metadata entry.

        Args:
            key: any text that is not empty.
            value: stored as text; lists, tuples, dicts and None as JSON.
            v_type: the type to cast to when it is read, or its name; if None, that of `value`.

        Returns:
            True; everything else raises.

        Raises:
            InvalidValueError: the key or the value cannot be stored.
            ModelNotFoundError: the model is gone.

        Source: ``set_metadata`` of the InputModel page.
        """
        found = self._found()
        operations.models.edits.set_metadata(found.registry, found.id, key, value, v_type)
        return True

    def set_all_metadata(self, metadata: Mapping[str, object], replace: bool = True) -> bool:
        """Set many metadata entries at once.

        Args:
            metadata: ``{key: {"value": …, "type": …}}`` or ``{key: value}``.
            replace: drop all other entries.

        Returns:
            True; everything else raises, and then nothing is set.

        Raises:
            InvalidValueError: a key or a value cannot be stored.
            ModelNotFoundError: the model is gone.

        Source: ``set_all_metadata`` of the InputModel page.
        """
        found = self._found()
        operations.models.edits.set_all_metadata(
            found.registry, found.id, metadata, replace=check_flag("replace", replace)
        )
        return True


def _casted(key: str, found: MetadataValue) -> dict[str, object]:
    from localreg.values.metadata import cast

    return {"key": key, "value": cast(found.value, found.type), "type": found.type}
