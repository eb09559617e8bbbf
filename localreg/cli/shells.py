"""The completion scripts of shells, and what they exchange with `localreg`.

Those of zsh and fish are click's. That of bash is ours: bash splits words at ":", "@" and "=",
which references have, and inserts texts as they are, so that a name such as ``$(reboot)`` must be
escaped.
"""

from __future__ import annotations

import os
import re

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    split_arg_string,
)
from click.shell_completion import get_completion_class as get_completion_class

VARIABLE = "_LOCALREG_COMPLETE"
SHELLS = ("bash", "zsh", "fish")

_BASH = """\
%(complete_func)s() {
    local type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case "$type" in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(env COMP_WORDS="${COMP_LINE:0:$COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *[/:=] ]] || compopt -o nospace
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
# What a shell takes for nothing but itself, within a word.
_PLAIN = re.compile(r"[\w./:@%+=,-]", re.ASCII)


class BashCompletion(BashComplete):
    """The completion of bash."""

    source_template = _BASH

    def source(self) -> str:
        """Return the script; without starting a bash to ask for its version, as click does."""
        return self.source_template % self.source_vars()

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one that is typed, and that one."""
        # A letter at the end shows if the last word has ended: after a blank that is not escaped.
        *words, last = split_arg_string(os.environ.get("COMP_WORDS", "") + "x")[1:] or ["x"]
        return words, last[:-1]

    def format_completion(self, item: CompletionItem) -> str:
        """Return a line of the answer: what replaces the last part of the word, escaped."""
        value = str(item.value)
        if item.type == "plain":
            _, typed = self.get_completion_args()
            value = escaped(value[_start(typed, os.environ.get("COMP_WORDBREAKS", "")) :])
        return f"{item.type},{value}"


def _start(typed: str, breaks: str) -> int:
    """Return where the part of a word begins that bash replaces.

    It is after the last sign that breaks words, but "@" is a part of what follows it.
    """
    after = (typed.rfind(each) + 1 for each in ":=" if each in breaks)
    return max(0, typed.rfind("@") if "@" in breaks else 0, *after)


def escaped(text: str) -> str:
    r"""Return a text as bash takes it for itself.

    >>> escaped("vision/resnet:2"), escaped("a b;$(x)")
    ('vision/resnet:2', 'a\\ b\\;\\$\\(x\\)')
    """
    return "".join(
        each if _PLAIN.match(each) or not each.isascii() else f"\\{each}" for each in text
    )


def register() -> None:
    """Let click find the completion of bash here."""
    add_completion_class(BashCompletion, "bash")


def script(shell: str, program: click.Command) -> str:
    """Return the completion script of a shell."""
    register()
    found = get_completion_class(shell)
    assert found is not None
    return found(program, {}, "localreg", VARIABLE).source()
