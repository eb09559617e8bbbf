"""What commands print that change models: sentences on stderr, or JSON.

A sentence for each model says what changed, or begins with "Nothing changed" and says why. With
``-q`` there are none. ``--json`` gives an object for each model: its id and reference, `changed`,
and what the command is about.
"""

from __future__ import annotations

from localreg.cli.output import one_line, remark
from localreg.operations.finding.upstream import Found
from localreg.operations.models import reading
from localreg.values.records import Json


def change_json(found: Found, changed: bool, **about: object) -> Json:
    """Return what a command did to a model.

    Args:
        found: the model.
        changed: False if all was so already.
        **about: what the command is about.
    """
    row = reading.row(found)
    return {"id": row.id, "ref": row.ref, "changed": changed, **about}


def say_change(changed: bool, done: str, already: str) -> None:
    """Say what was done, or that nothing changed.

    Args:
        changed: if something did.
        done: a sentence, without its end.
        already: what was so already, as a sentence without its end.
    """
    remark(one_line(f"{done if changed else f'Nothing changed: {already}'}."))
