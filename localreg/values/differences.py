"""What differs between two models: their texts, and their files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from localreg.values.frozen import Frozen
from localreg.values.manifest import PackageFile


class TextChanges(Frozen):
    """How two sets of named texts differ.

    Attributes:
        added: those that only the second has.
        removed: those that only the first has.
        changed: those that both have: the text in the first, and in the second.
    """

    added: dict[str, str]
    removed: dict[str, str]
    changed: dict[str, tuple[str, str]]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class FileChanges(Frozen):
    """How the files of two models differ.

    Attributes:
        added: those whose path only the second has.
        removed: those whose path only the first has.
        changed: those with other bytes, or another right to execute: in the first, in the second.
        same: number of the files that are the same.
    """

    added: tuple[PackageFile, ...]
    removed: tuple[PackageFile, ...]
    changed: tuple[tuple[PackageFile, PackageFile], ...]
    same: int

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def text_changes(before: Mapping[str, str], after: Mapping[str, str]) -> TextChanges:
    """Return how two sets of named texts differ; a name keeps its place.

    >>> text_changes({"lr": "0.1", "old": "1"}, {"lr": "0.2", "new": "1"})
    TextChanges(added={'new': '1'}, removed={'old': '1'}, changed={'lr': ('0.1', '0.2')})
    """
    return TextChanges(
        added={name: text for name, text in after.items() if name not in before},
        removed={name: text for name, text in before.items() if name not in after},
        changed={
            name: (text, after[name])
            for name, text in before.items()
            if name in after and after[name] != text
        },
    )


def file_changes(before: Sequence[PackageFile], after: Sequence[PackageFile]) -> FileChanges:
    """Return how the files of two models differ, each kind by path.

    Two single files are one file, whatever their names are.
    """
    old, new = ({each.path: each for each in files} for files in (before, after))
    if len(old) == len(new) == 1 and old.keys() != new.keys():
        ((first,), (second,)) = old.values(), new.values()
        old, new = {second.path: first}, {second.path: second}
    both = [(old[path], new[path]) for path in sorted(old.keys() & new.keys())]
    changed = [pair for pair in both if _what(pair[0]) != _what(pair[1])]
    return FileChanges(
        added=tuple(new[path] for path in sorted(new.keys() - old.keys())),
        removed=tuple(old[path] for path in sorted(old.keys() - new.keys())),
        changed=tuple(changed),
        same=len(both) - len(changed),
    )


def _what(file: PackageFile) -> tuple[str, bool]:
    return file.digest, file.executable


def leaves(value: object, name: str = "") -> dict[str, object]:
    """Return the values in a configuration by their path; lists and empty dicts stay whole.

    >>> leaves({"model": {"layers": 3, "sizes": [1, 2]}, "seed": 1})
    {'model.layers': 3, 'model.sizes': [1, 2], 'seed': 1}
    """
    found: dict[str, object] = {}
    to_do = [(name, value)]
    while to_do:
        path, each = to_do.pop()
        if isinstance(each, Mapping) and each:
            below = [(f"{path}.{key}" if path else str(key), one) for key, one in each.items()]
            to_do += reversed(below)
        else:
            found[path] = each
    return found


def value_text(value: object) -> str:
    """Return a value of a configuration as text: itself if it is text, else JSON.

    >>> value_text("adam"), value_text([1, 2]), value_text(None)
    ('adam', '[1, 2]', 'null')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
