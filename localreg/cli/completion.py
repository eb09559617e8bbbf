"""What the shell offers when somebody types a command: values from the registry.

`BY_NAME` says what is offered for a parameter, by its name, which is the same in all commands; only
where a name means something else, the command stands before it. All of them read the registry that
the command would use, and write nothing. Whatever is wrong (no registry, a damaged one, a place
that cannot be read) means that there is nothing to offer: an error in the middle of a line that is
typed is of no use. The modules of operations are imported when they are needed: a key press waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO

import click
from click.shell_completion import CompletionItem

from localreg.errors import LocalregError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from localreg.registry import Chain

    Look: TypeAlias = Callable[[Chain, str], Iterable[str]]
    Complete: TypeAlias = Callable[[click.Context, str], list[CompletionItem]]

SORTS = ("updated", "created", "name")
VALUES = ("metric:", "min:", "max:", "param:", "meta:")


def models(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer references to models."""
    from localreg.operations.finding import completion

    return _offer(context, text, completion.references)


def models_or_tasks(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer references to models; for the first digits of an id also tasks."""
    found = models(context, text)
    return [*found, *tasks(context, text)] if text else found


def removed(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer references to models that were removed."""
    from localreg.operations.finding import completion

    return _offer(context, text, completion.removed)


def datasets(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer names of data sets with their projects."""
    from localreg.operations.finding import completion

    return _offer(context, text, completion.datasets)


def targets(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer names of models with their projects, without versions."""
    from localreg.operations.finding import completion

    return _offer(context, text, completion.targets)


def names(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer names of models without their projects."""
    from localreg.operations.finding import completion

    return _offer(context, text, completion.model_names)


def projects(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer projects."""
    from localreg.operations.finding import completion

    return _offer(context, text, completion.projects)


def tags(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer tags of models."""
    from localreg.operations.finding import completion

    return _offer(context, text, lambda chain, text: completion.tags(chain, text, "model"))


def tags_of_model(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer tags of the model that the line names."""
    from localreg.operations.finding import completion

    model = str(context.params.get("model"))
    return _offer(context, text, lambda chain, text: completion.tags_of(chain, text, model))


def task_tags(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer tags of tasks."""
    from localreg.operations.finding import completion

    return _offer(context, text, lambda chain, text: completion.tags(chain, text, "task"))


def aliases(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer aliases."""
    from localreg.operations.finding import completion

    return _offer(context, text, completion.aliases)


def tasks(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer ids of tasks, with their names."""
    from localreg.operations.finding import completion

    with _registry(context) as chain:
        return _explained(completion.tasks(chain, text)) if chain else []
    return []


def events(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer ids of the last changes, with what they were."""
    from localreg.operations.finding import completion

    with _registry(context) as chain:
        return _explained(completion.events(chain, text)) if chain else []
    return []


def metrics(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer metrics."""
    from localreg.operations.finding import completion

    return _offer(context, text, completion.metrics)


def metadata(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer the keys of metadata, with what follows them: KEY=."""
    from localreg.operations.finding import completion

    return _offer(
        context,
        text,
        lambda chain, text: [f"{key}=" for key in completion.metadata_keys(chain, text)],
    )


def metadata_keys(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer the keys of metadata."""
    from localreg.operations.finding import completion

    return _offer(context, text, completion.metadata_keys)


def parameters(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer the parameters of tasks, with what follows them: NAME=."""
    from localreg.operations.finding import completion

    return _offer(
        context,
        text,
        lambda chain, text: [f"{name}=" for name in completion.parameters(chain, text)],
    )


def sort_keys(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer what ``--sort`` takes."""
    sign = text[:1] if text[:1] in ("-", "+") else ""
    found = _valued(context, text[len(sign) :], (*SORTS, "metric:", "param:", "meta:"))
    return [CompletionItem(f"{sign}{each}") for each in found]


def columns(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer what ``--columns`` of `ls` takes: names that are separated by commas."""
    from localreg.cli.commands.ls import FIXED

    return _columns(context, text, FIXED)


def _columns(context: click.Context, text: str, fixed: Iterable[str]) -> list[CompletionItem]:
    before, comma, last = text.rpartition(",")
    plus = "+" if last.startswith("+") else ""
    found = _valued(context, last.removeprefix("+"), (*fixed, "metrics", "params", *VALUES))
    return [CompletionItem(f"{before}{comma}{plus}{each}") for each in found]


def remotes(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer the names of remotes, with where they are."""
    from localreg.operations.remotes import names as remote_names

    with _registry(context) as chain:
        found = remote_names.ls(chain) if chain else []
        return _explained({each.name: each.url for each in found if each.name.startswith(text)})
    return []


def keys(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer the names of trusted keys, with the first digits of their ids."""
    from localreg.operations.trust.keys import trusted_keys

    with _registry(context) as chain:
        found = trusted_keys(chain.first) if chain else []
        return _explained({each.name: each.id[:12] for each in found if each.name.startswith(text)})
    return []


def topics(_: click.Context, text: str) -> list[CompletionItem]:
    """Offer the topics of the guide."""
    from localreg.cli.commands.guide import TOPICS

    return [CompletionItem(each) for each in TOPICS if each.startswith(text)]


def schemas(context: click.Context, text: str) -> list[CompletionItem]:
    """Offer the words of the commands that have a schema."""
    from localreg.cli.schemas import names as schema_names

    before = tuple(context.params.get("command") or ())
    found = (tuple(each.split()) for each in schema_names())
    next_words = {each[len(before)] for each in found
                  if len(each) > len(before) and each[: len(before)] == before}  # fmt: skip
    return [CompletionItem(each) for each in sorted(next_words) if each.startswith(text)]


def settings(_: click.Context, text: str) -> list[CompletionItem]:
    """Offer the settings of a registry."""
    from localreg.values.registry_settings import SETTINGS

    return [CompletionItem(each) for each in SETTINGS if each.startswith(text)]


def files(_: click.Context, text: str) -> list[CompletionItem]:
    """Let the shell offer files."""
    return [CompletionItem(text, type="file")]


def folders(_: click.Context, text: str) -> list[CompletionItem]:
    """Let the shell offer folders."""
    return [CompletionItem(text, type="dir")]


def _valued(context: click.Context, text: str, known: Iterable[str]) -> list[str]:
    """Return names that begin with a text: known ones, or those of metrics and other values."""
    from localreg.operations.finding import completion

    kind, colon, name = text.partition(":")
    if not colon:
        return [each for each in known if each.startswith(text)]
    look = {
        "param": completion.parameters,
        "meta": completion.metadata_keys,
    }.get(kind, completion.metrics)
    with _registry(context) as chain:
        return [f"{kind}:{each}" for each in look(chain, name)] if chain else []
    return []


def _offer(context: click.Context, text: str, look: Look) -> list[CompletionItem]:
    with _registry(context) as chain:
        return [CompletionItem(each) for each in look(chain, text)] if chain else []
    return []


def _explained(found: dict[str, str]) -> list[CompletionItem]:
    return [
        CompletionItem(each, help=about if about.isprintable() else None)
        for each, about in found.items()
    ]


@contextmanager
def _registry(context: click.Context) -> Iterator[Chain | None]:
    """Yield the registry that the command would use, to be read; None if there is none.

    An error of the registry ends the block: nothing is offered. Warnings are lost, since they would
    be printed into the line that is typed.
    """
    with redirect_stderr(StringIO()):
        try:
            chain = _opened(_directory(context))
        except LocalregError:
            yield None
            return
        try:
            yield chain
        except LocalregError:
            return
        finally:
            chain.close()


def _opened(directory: str | None) -> Chain:
    from localreg.api import ambient
    from localreg.registry import Chain, open_registry

    if directory is None:
        return ambient.open_located(readonly=True, make=False)
    return Chain(open_registry(directory, readonly=True, make=False))


def _directory(context: click.Context) -> str | None:
    """Return what -R names, after the command or before it."""
    found = context.params.get("directory") or context.find_root().params.get("directory")
    return None if found is None else str(found)


BY_NAME: dict[str, Complete] = {
    "alias": aliases,
    "as_of": events,
    "certificate": files,
    "chain": files,
    "columns": columns,
    "config": files,
    "configs": files,
    "dataset": datasets,
    "directory": folders,
    "drop": metadata_keys,
    "event": events,
    "expect": models,
    "files": files,
    "first": models,
    "home": folders,
    "keep_best": metrics,
    "key": settings,
    "labels": files,
    "meta": metadata,
    "model": models,
    "models": models,
    "name": names,
    "output": files,
    "pattern": targets,
    "project": projects,
    "python": files,
    "reference": models_or_tasks,
    "references": models_or_tasks,
    "remote": remotes,
    "second": models,
    "since": files,
    "sort": sort_keys,
    "source": files,
    "tags": tags,
    "target": files,
    "task": tasks,
    "task_id": tasks,
    "tasks": tasks,
    "topic": topics,
    "values": metadata,
    "add name": targets,
    "dataset ls name": datasets,
    "key add file": files,
    "key rm name": keys,
    "report model": models_or_tasks,
    "restore models": removed,
    "scalars names": metrics,
    "schema command": schemas,
    "sign key": files,
    "sign signature": files,
    "task clone values": parameters,
    "task ls tags": task_tags,
    "untag tags": tags_of_model,
    "verify key": files,
}
# Texts, numbers and times that only the user knows; and what is rarely typed.
FREE = frozenset(
    "arguments comment exclude expected file filename framework grace images inputs keep_last "
    "limit max_size names older_than override part query require shared split timeout url v_type "
    "value words".split()
) | {"clone name", "key add name", "remote add remote", "task clone name", "task ls name"}


def attach(command: click.Command, words: str) -> None:
    """Let the parameters of a command be completed, and those of its subcommands.

    Args:
        command: the command.
        words: what calls it, such as "task ls".
    """
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            attach(each, f"{words} {name}")
    for parameter in command.params:
        complete = offered(words, parameter)
        if complete is not None:
            parameter.shell_complete = complete  # type: ignore[assignment]  # of this object only


def offered(words: str, parameter: click.Parameter) -> Complete | None:
    """Return what offers values for a parameter of a command, or None."""
    own = f"{words} {parameter.name}"
    if own in FREE:
        return None
    return BY_NAME.get(own) or BY_NAME.get(str(parameter.name))
