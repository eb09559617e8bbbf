"""Which kinds of sources there are, and which of them a path is."""

from __future__ import annotations

import os
from contextlib import ExitStack

from localreg.errors import InvalidValueError, SourceNotFoundError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import absolute, check_path
from localreg.operations import importers
from localreg.operations.carry.import_bundle import may_be_bundle
from localreg.operations.importers import clearml_session
from localreg.operations.importers.bringing import Brought, bring
from localreg.operations.importers.bringing import Wish as Wish
from localreg.operations.importers.clearml_session import Imported
from localreg.operations.importers.found import Given
from localreg.operations.importers.session_files import is_session
from localreg.operations.importers.unknown_sources import hint_for_path, hint_for_url
from localreg.registry import Chain
from localreg.values.checks import check_name, check_text, shown
from localreg.values.frozen import Frozen
from localreg.values.paths import printable_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Protocol

    from localreg.operations.importers.found import Source
    from localreg.progress import Progress

    class Importer(Protocol):
        """A module that reads one kind of source."""

        def is_one(self, path: Path) -> bool:
            """Return True if a path is such a source; it reads little, and waits for nothing.

            Raises:
                OSError: it may not be looked at.
            """

        def opened(self, given: Given) -> AbstractContextManager[Source]:
            """Open a source.

            Raises:
                SourceError: it is damaged.
                InvalidValueError: it is no such source.
                MissingPackageError: a package is needed to read it.
            """


class Kind(Frozen, kw_only=True):
    """A kind of source.

    Attributes:
        title: what people call one.
        module: the module of this package that reads it; "" if another operation does.
        schemes: what URLs of it begin with, such as "hf".
        names_task: True if `--task` may be given.
        links: True if `--link` may be given: its files never change.
    """

    title: str
    module: str = ""
    schemes: tuple[str, ...] = ()
    names_task: bool = False
    links: bool = False


BUNDLE, CLEARML, TENSORBOARD = "bundle", "clearml", "tensorboard"
KINDS: dict[str, Kind] = {
    BUNDLE: Kind(title="a bundle", schemes=("oci",)),
    CLEARML: Kind(title="an offline session of ClearML"),
    "mlflow": Kind(title="an MLflow store", module="mlflow_store", schemes=("sqlite",)),
    "wandb": Kind(title="runs of Weights & Biases", module="wandb_runs"),
    "tensorboard": Kind(title="event files of TensorBoard", module="tensorboard_events"),
    "huggingface": Kind(
        title="a model or cache of Hugging Face",
        module="hugging_face",
        schemes=("hf",),
        links=True,
    ),
    "ollama": Kind(title="a store of Ollama", module="ollama_store", links=True),
    "lmstudio": Kind(title="a folder of models of LM Studio", module="lm_studio", links=True),
    "trackio": Kind(title="a store of Trackio", module="trackio_store"),
    "aim": Kind(title="a repository of Aim", module="aim_store"),
    "metrics": Kind(title="metrics in CSV or JSON lines", module="metrics_table", names_task=True),
    "dvc": Kind(title="files that DVC tracks", module="dvc_files"),
    "bentoml": Kind(title="a store of BentoML", module="bentoml_store"),
    "modelstore": Kind(title="a store of modelstore", module="modelstore_folder"),
}


def _importer(kind: str) -> Importer:
    found: Importer = getattr(importers, KINDS[kind].module)
    return found


def check_source(source: object) -> str:
    """Return the text of a source: of a path, or a URL.

    Raises:
        InvalidValueError: it cannot be one.
    """
    text = os.fspath(source) if isinstance(source, os.PathLike) else source
    return check_text("source", text, nul=False, empty=False)


def check_kind(kind: object) -> str:
    """Return the name of a kind of source.

    Raises:
        InvalidValueError: there is no such kind.
    """
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidValueError(
            f"kind must be one of {', '.join(KINDS)}, not {shown(kind)}", argument="kind"
        )
    return kind


def kind_of(source: str) -> str:
    """Return what a source is, one of `KINDS`, by a short look at it.

    Args:
        source: a path or a URL.

    Raises:
        SourceNotFoundError: there is nothing.
        InvalidValueError: it may be several things, or nothing that can be imported.
    """
    scheme, colon, _ = source.partition("://")
    if colon:
        found = [each for each, kind in KINDS.items() if scheme.lower() in kind.schemes]
        if not found:
            raise _unknown(f"a URL that begins with {scheme[:20]}://", hint_for_url(scheme))
        return found[0]
    path = _existing(source)
    if may_be_bundle(path):
        return BUNDLE
    with disk_errors("reading what is imported", path):
        found = _kinds_of(path)
    if len(found) > 1:
        both = " or ".join(f"{KINDS[each].title} (--from {each})" for each in found)
        raise InvalidValueError(
            f"{printable_path(source)} may be {both}: say which by --from", argument="kind"
        )
    if not found:
        raise _unknown(printable_path(source), hint_for_path(path, _title_of))
    return found[0]


def _kinds_of(path: Path) -> list[str]:
    """Return what a path may be, other than a bundle."""
    found = [each for each, kind in KINDS.items() if kind.module and _importer(each).is_one(path)]
    if is_session(str(path)):
        found.append(CLEARML)
    if len(found) > 1 and TENSORBOARD in found:
        found.remove(TENSORBOARD)  # its files are in the folders of many other programs
    return found


def _title_of(path: Path) -> str | None:
    """Return what people call a path near a source that is nothing known; None for nothing."""
    try:
        found = [each for each in _kinds_of(path) if each != TENSORBOARD]  # it looks far below
    except OSError:  # it cannot be read
        return None
    return KINDS[found[0]].title if len(found) == 1 else None


def _unknown(what: str, hint: str) -> InvalidValueError:
    return InvalidValueError(
        f"{what} is no bundle, and nothing else that localreg knows. {hint and f'{hint}. '}"
        f"It imports: {', '.join(KINDS)}; `localreg guide migrating` says of each which file or "
        "folder to name, and --from KIND says what it is",
        argument="source",
    )


def check_options(kind: str, wish: Wish, task: str | None) -> None:
    """Raise unless what was given can be done for a kind of source.

    Args:
        kind: one of `KINDS`, but not a bundle.

    Raises:
        InvalidValueError: its argument is the one that cannot be.
    """
    known = KINDS[kind]
    if kind == BUNDLE:
        raise InvalidValueError(
            "the source is a bundle: it is for import_bundle", argument="source"
        )
    if task is not None:
        check_name("task", task)
    if task is not None and not known.names_task:
        raise InvalidValueError(
            f"--task is for metrics in CSV or JSON lines, not for {known.title}", argument="task"
        )
    if not task and known.names_task:
        raise InvalidValueError(
            f"{known.title} need the name of the task that gets them: --task NAME", argument="task"
        )
    if wish.link and not known.links:
        raise InvalidValueError(
            f"--link is for files that never change, and those of {known.title} may; "
            "leave it out, or use --reference",
            argument="link",
        )
    if wish.link and wish.reference:
        raise InvalidValueError(
            "--link and --reference exclude each other: links are in the registry, and what is "
            "only referred to is not",
            argument="link",
        )
    if kind == CLEARML and (wish.project is not None or wish.reference):
        raise InvalidValueError(
            f"--project and --reference are not for {known.title}", argument="project"
        )


def _path_of(source: str, kind: str) -> Path | None:
    """Return the absolute path of a source that exists; None for a URL."""
    scheme, colon, _ = source.partition("://")
    if colon:
        known = KINDS[kind]
        if scheme.lower() not in known.schemes:
            hint = hint_for_url(scheme) or "Give a path"
            raise InvalidValueError(
                f"{printable_path(source)} cannot be {known.title}. {hint}", argument="source"
            )
        return None
    return _existing(source)


def _existing(source: str) -> Path:
    """Return the absolute path of a source that exists."""
    path = absolute("source", check_path("source", source))
    if not path.exists():
        raise SourceNotFoundError(
            f"there is no file or folder {path}; check the path", reference=str(path)
        )
    return path


def import_from(
    chain: Chain,
    source: str,
    kind: str,
    wish: Wish,
    *,
    task: str | None = None,
    progress: Progress | None = None,
) -> Brought | Imported:
    """Bring what another program recorded into the first registry of a chain.

    Args:
        source: a path or a URL.
        kind: what it is, one of `KINDS`, but not a bundle.
        task: the name of the task that gets the values, for kinds that need one.
        progress: called with the bytes taken so far, and with all bytes.

    Raises:
        SourceError: a part of it is damaged; nothing was recorded.
        InvalidValueError: it is no such source, or something given is not for this kind.
        MissingPackageError: a package is needed to read it.
    """
    check_options(kind, wish, task)
    if kind == CLEARML:
        return clearml_session.import_session(
            chain, source, renumber=wish.renumber, dry_run=wish.dry_run, progress=progress
        )
    path = _path_of(source, kind)
    chain.first.store.check_writable()
    with chain.first.blobs.temporary_folder() as folder, ExitStack() as stack:
        given = Given(source=source, path=path, task=task, folder=folder, dry_run=wish.dry_run)
        with disk_errors("reading what is imported", path or folder):
            found = stack.enter_context(_importer(kind).opened(given))
        return bring(chain, found, wish, progress)
