"""``clearml.utilities.dicts``: dicts that cannot be changed, and dicts that are merged."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


class ReadOnlyDict(dict[object, object]):
    """A dict that cannot be changed."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise ValueError("This dict is read-only: make a copy with dict()")

    __setitem__ = __delitem__ = __ior__ = pop = popitem = clear = update = setdefault = _refuse


class RequirementsDict(dict[str, object]):
    """Requirements of a script, by the program that installs them."""

    @property
    def pip(self) -> object:
        """The requirements for pip, or None."""
        return self.get("pip")

    @property
    def conda(self) -> object:
        """The requirements for conda, or None."""
        return self.get("conda")

    @property
    def orig_pip(self) -> object:
        """The requirements for pip as they were first, or None."""
        return self.get("orig_pip")


def merge_dicts(dict1: Any, dict2: Any) -> Any:  # noqa: ANN401  (dicts, or what is in them)
    """Merge the second dict into the first, nested ones too, and return it.

    >>> merge_dicts({"a": {"b": 1}}, {"a": {"c": 2}})
    {'a': {'b': 1, 'c': 2}}
    """
    if not isinstance(dict1, dict) or not isinstance(dict2, dict):
        return dict2
    for key, value in dict2.items():
        dict1[key] = merge_dicts(dict1[key], value) if key in dict1 else value
    return dict1


def hocon_quote_key(a_obj: Any) -> Any:  # noqa: ANN401  (of the type that was given)
    """Return nested values with quotes around each key that has a dot."""
    if isinstance(a_obj, list | tuple):
        return type(a_obj)([hocon_quote_key(each) for each in a_obj])
    if not isinstance(a_obj, dict):
        return a_obj
    return {
        f'"{key}"' if isinstance(key, str) and "." in key else key: hocon_quote_key(value)
        for key, value in a_obj.items()
    }


def hocon_unquote_key(a_obj: Any) -> Any:  # noqa: ANN401  (of the type that was given)
    """Undo `hocon_quote_key`."""
    if isinstance(a_obj, list | tuple):
        return type(a_obj)([hocon_unquote_key(each) for each in a_obj])
    if not isinstance(a_obj, dict):
        return a_obj
    return {
        key[1:-1] if _is_quoted(key) else key: hocon_unquote_key(value)
        for key, value in a_obj.items()
    }


def _is_quoted(key: object) -> bool:
    return isinstance(key, str) and len(key) > 2 and key[0] == key[-1] == '"' and "." in key


def cast_str_to_bool(value: object, strip: bool = True) -> bool | None:
    """Return the bool that a text says, None if it says none.

    >>> cast_str_to_bool(" True"), cast_str_to_bool("0"), cast_str_to_bool("perhaps")
    (True, False, None)
    """
    text = str(value).lower().strip() if strip else value
    if not text or text == "false":
        return False
    if text == "true":
        return True
    try:
        return bool(int(text))  # type: ignore[call-overload]  # it raises for others
    except (ValueError, TypeError):
        return None
