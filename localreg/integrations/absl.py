"""absl: flags, which `app.run` or a script parses.

Flags are ``TF_DEFINE/lr``, as in ClearML; those that absl defines itself are recorded if they were
given. When a task is run again, each flag gets the text of the task, as from the command line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from localreg.integrations.command_line import Stored, is_plain, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches

SECTION = "TF_DEFINE"
_LIBRARY = "tfdefines"  # in auto_connect_frameworks


def patch(patches: Patches, module: ModuleType) -> None:
    """Patch `absl.flags._flagvalues`; record flags that were parsed before."""
    watch = _Watch(patches, module)
    owner: Any = module
    patches.around(owner.FlagValues, "__call__", watch.parse)
    patches.quietly("the flags of absl", watch.record_parsed)


class _Watch:
    """What is called instead of ``FlagValues.__call__``."""

    def __init__(self, patches: Patches, module: ModuleType) -> None:
        self._patches = patches
        self._module: Any = module

    def parse(
        self,
        original: Callable[..., Any],
        flags: Any,  # noqa: ANN401
        argv: Sequence[str],
        *rest: Any,  # noqa: ANN401
        **named: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Do what it does, with the values of the task."""
        if flags is not self._module.FLAGS or list(argv)[1:] != sys.argv[1:]:
            return original(flags, argv, *rest, **named)
        found = original(flags, argv, *rest, **named)
        line = self._patches.command_line
        stored = line.stored(SECTION)
        if stored is not None:
            added = {each for word in line.added() for each in _names_of(word)}
            self._override(flags, stored, added)
        self._patches.quietly("the flags of absl", self._record, flags)
        return found

    def _override(self, flags: Any, stored: Mapping[str, Stored], added: set[str]) -> None:  # noqa: ANN401
        refusals = (self._module._exceptions.Error, ValueError, TypeError)
        changed = {
            name: each
            for name, each in stored.items()
            if name in flags and not added & {flags[name].name, flags[name].short_name}
            if self._differs(flags[name], each)
        }
        for name, each in changed.items():
            try:
                _set(flags[name], each)
            except refusals as error:
                # Without that error: its text may hold a secret.
                raise refused(SECTION, name, each.text, error) from None
        try:
            flags.validate_all_flags()
        except refusals as error:
            for name, each in changed.items():  # absl says which it refuses
                if f"--{name}=" in str(error) or len(changed) == 1:
                    raise refused(SECTION, name, each.text, error) from None
            raise

    def _differs(self, flag: Any, stored: Stored) -> bool:  # noqa: ANN401
        value = _value(flag)
        if stored.is_none() or not (stored.asked or is_plain(value)):
            return False  # an object need not come back from its text
        return not self._patches.command_line.is_stored_as(value, stored)

    def _record(self, flags: Any, *, used: bool = True) -> None:  # noqa: ANN401
        line = self._patches.command_line
        line.record(SECTION, SECTION, dict(_values(flags)), library=_LIBRARY, used=used)

    def record_parsed(self) -> None:
        """Record the flags that were parsed before absl was patched."""
        flags = self._module.FLAGS
        if flags.is_parsed():
            self._record(flags, used=False)


def _values(flags: Any) -> Iterator[tuple[str, object]]:  # noqa: ANN401
    """Yield the flags of the script by name, and those of absl that were given."""
    for module, some in flags.flags_by_module_dict().items():
        for flag in some:
            if flag.present or not str(module).startswith("absl"):
                yield flag.name, _value(flag)


def _value(flag: Any) -> object:  # noqa: ANN401
    """Return a value as it is recorded: an object as the text that makes it."""
    if is_plain(flag.value) or flag.value is None:
        return flag.value
    if isinstance(flag.value, list):
        return [_text(flag, each) for each in flag.value]
    return _text(flag, flag.value)


def _text(flag: Any, value: object) -> object:  # noqa: ANN401
    if is_plain(value) or flag.serializer is None:
        return value
    return flag.serializer.serialize(value)


def _set(flag: Any, stored: Stored) -> None:  # noqa: ANN401
    words = stored.words()
    if isinstance(flag.value, list) or words is not None:
        flag.present = 0  # else the values of a multi flag are added
        texts = [stored.text] if words is None else [str(each) for each in words]
        many = hasattr(flag, "_parse") and type(flag).__name__.startswith("Multi")
        flag.parse(texts if many else ",".join(texts))
    else:
        flag.parse(stored.text)


def _names_of(word: str) -> Iterator[str]:
    """Yield names of the flag that a word may set.

    >>> list(_names_of("--lr=1")), list(_names_of("-nodebug")), list(_names_of("lr"))
    (['lr'], ['nodebug', 'debug'], [])
    """
    if word.startswith("-"):
        name = word.lstrip("-").partition("=")[0]
        yield name
        if name.startswith("no"):
            yield name[2:]
