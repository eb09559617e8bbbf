"""What an importer finds in a source, as values; `bringing` records them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from localreg.values.frozen import Frozen
from localreg.values.records import MetadataValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from typing import Protocol

    from localreg.operations.importers.report_spool import ReportSpool
    from localreg.values.records import Json

    class Source(Protocol):
        """An open source. It is read once: tasks first, then models.

        Attributes:
            kind: its name among `kinds.KINDS`, such as "mlflow".
            place: where it is, for people.
            left: what does not come, counted by the reason, such as "metrics without a number".
        """

        kind: str
        place: str
        left: Counter[str]

        def tasks(self) -> Iterator[FoundTask]:
            """Yield the tasks; one that is a parent before its children."""

        def models(self) -> Iterator[FoundModel]:
            """Yield the versions of models, the older before the newer."""


class Given(Frozen, kw_only=True):
    """What the user said.

    Attributes:
        source: as it was typed: a path or a URL.
        path: the same as an absolute path; None for a URL.
        task: the name of the task that gets the values (`--task`), or None.
        folder: an empty folder for temporary files.
        dry_run: True if nothing may be downloaded.
    """

    source: str
    path: Path | None
    task: str | None
    folder: Path
    dry_run: bool = False


class FoundFile(Frozen):
    """A file whose bytes come.

    Attributes:
        name: its name; in a package its path, with slashes.
        path: where it is. The importer has checked that it is a file of the source
            (`source_files`), and follows a link only where the kind of source says so.
        digest: the sha256 that the source says it has; an error if it has another one.
        executable: True if its owner may run it.
    """

    name: str
    path: Path
    digest: str | None = None
    executable: bool = False


class FoundWeights(Frozen, kw_only=True):
    """Weights of a model: files, or where they are, or why they are missing.

    Attributes:
        files: one file, or the files of a package.
        package: True if they are a package.
        filename: how the file or the package is called.
        url: an address elsewhere, from which they can be fetched.
        missing: why their bytes do not come, such as "the file is gone: net.pt".
        size: the number of bytes of what is missing, if it is known.
    """

    files: tuple[FoundFile, ...] = ()
    package: bool = False
    filename: str | None = None
    url: str | None = None
    missing: str | None = None
    size: int | None = None


class FoundArtifact(Frozen, kw_only=True):
    """An artifact of a task: files, a text, or an address.

    Attributes:
        name: on the task.
        kind: what it is for `get`: "file", "text", "json", "pandas" (a CSV file), "npz", "image".
        files, package, url, missing, size: as in `FoundWeights`.
        text: the content, if it is no file.
        filename: for `text`.
        preview: what people see.
        metadata: more about it.
        at: when it was made, microseconds; 0 if that is not known.
    """

    name: str
    kind: str = "file"
    files: tuple[FoundFile, ...] = ()
    package: bool = False
    url: str | None = None
    text: str | None = None
    filename: str | None = None
    missing: str | None = None
    size: int | None = None
    preview: str | None = None
    metadata: Mapping[str, str] = {}
    at: int = 0


class FoundTask(Frozen, kw_only=True):
    """A run.

    Attributes:
        key: what names it in every source of this kind, and never changes. 32 hex digits become
            its id here; anything else is hashed.
        name: of the task.
        first_name: a name that the source never changes; None if `name` is one.
        project: name of the project; None for none.
        type: one of `TASK_TYPES`.
        status: "completed", "failed", "stopped", "aborted" or "in_progress".
        reason: why it ended so.
        comment: notes.
        parent: the key of another task.
        user: who ran it.
        tags: of the task.
        run: how it ran: script, repository, branch, commit, python, packages.
        parameters: by section and name.
        configurations: texts by name.
        inputs, outputs: keys of models by the names that they have on the task.
        artifacts: of the task.
        created, ended: microseconds since 1970; ended is None if it did not end.
        report: writes what was reported; called once, before the next task is asked for.
    """

    key: str
    name: str
    first_name: str | None = None
    project: str | None = None
    type: str = "training"
    status: str = "completed"
    reason: str | None = None
    comment: str | None = None
    parent: str | None = None
    user: str | None = None
    tags: tuple[str, ...] = ()
    run: Json = {}  # noqa: RUF012  (never changed)
    parameters: Mapping[tuple[str, str], MetadataValue] = {}
    configurations: Mapping[str, str] = {}
    inputs: Mapping[str, str] = {}
    outputs: Mapping[str, str] = {}
    artifacts: tuple[FoundArtifact, ...] = ()
    created: int = 0
    ended: int | None = None
    report: Callable[[ReportSpool], None] | None = None


class FoundModel(Frozen, kw_only=True):
    """A version of a model.

    Attributes:
        key: as for `FoundTask`. Project, name, version and `created` must follow from it: they
            are written once, and never change.
        name: of the models; all versions have the same.
        project: name of the project; None for none.
        version: its number; None if the source has no numbers: then it gets the next one.
        comment, framework, config, labels, tags, metadata: as in `ModelRecord`.
        archived: True if it is put away.
        task: the key of the task that made it.
        parent: the key of the model that it was made from.
        weights: its revisions, the oldest first; most sources have one.
        aliases: that point to it; of two models that say so the later counts.
        created: microseconds since 1970.
        changed: when it was changed last, microseconds; 0 if that is not known.
    """

    key: str
    name: str
    project: str | None = None
    version: int | None = None
    comment: str | None = None
    framework: str | None = None
    config: str = ""
    labels: Mapping[str, int] = {}
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, MetadataValue] = {}
    archived: bool = False
    user: str | None = None
    task: str | None = None
    parent: str | None = None
    weights: tuple[FoundWeights, ...] = ()
    aliases: tuple[str, ...] = ()
    created: int = 0
    changed: int = 0
