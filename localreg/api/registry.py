"""`Registry`: the public face of one registry, and what is current."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from localreg import operations
from localreg.api import ambient
from localreg.api.models.model import FoundModels, Model, handle
from localreg.errors import InvalidValueError
from localreg.operations.finding.upstream import Found
from localreg.progress import shown_progress
from localreg.registry import Chain, check_directory, open_registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from sqlite_utils import Database

    from localreg.operations.models.history import HistoryEntry
    from localreg.operations.upkeep.adopt import Adoption
    from localreg.operations.upkeep.du import Usage
    from localreg.operations.upkeep.gc import Collection
    from localreg.operations.upkeep.repair import Repair
    from localreg.operations.upkeep.verify import Verification
    from localreg.registry import Durability

_ANYTHING = object()


class Registry:
    """A registry in a directory, opened, and made when it is not there.

    As a context manager it is the current registry of the process inside the block, and is
    closed at the end of the outermost one.

    Args:
        path: the directory; None for the one that would be current anyway: ``LOCALREG_HOME``,
            else the nearest ``.localreg`` folder upwards, else the user's data directory.
        durability: "full" (what a call acknowledged survives a power loss) or "fast" (it
            survives the end of the process); ``LOCALREG_DURABILITY``, else "full", when None.
        readonly: never write. A directory that cannot be written to (a read-only mount, another
            user's) is opened so by itself.
        upstream: directories of registries behind it, which are only read: queries and local
            copies see what is there, and bytes that they have are not kept again. Of a registry
            that `path` does not name, what ``LOCALREG_UPSTREAM`` says, when None.

    Raises:
        RegistryError: (an OSError) it cannot be opened; nothing in it was changed.
        InvalidValueError: (a ValueError) an argument cannot be used.

    >>> with Registry(path / "experiments", durability="fast") as registry:
    ...     model = InputModel.import_model("s3://bucket/a.pt", name="a", project="vision")
    ...     registry.set_alias(model, "prod")
    ...     registry.model("vision/a@prod").version
    1
    """

    __slots__ = ("__weakref__", "_chain")

    _chain: Chain

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        durability: Durability | None = None,
        readonly: bool = False,
        upstream: Sequence[str | os.PathLike[str]] | None = None,
    ) -> None:
        if path is None and upstream is None:
            self._chain = ambient.open_located(durability=durability, readonly=readonly)
            return
        roots: tuple[Path, ...] = ()
        if upstream is not None:
            if isinstance(upstream, (str, bytes, os.PathLike)) or not isinstance(
                upstream, Iterable
            ):
                raise InvalidValueError(
                    f"upstream must be a list of directories, not {type(upstream).__name__}",
                    argument="upstream",
                )
            # Checked before anything is made.
            roots = tuple(check_directory("upstream", each) for each in upstream)
        first = open_registry(
            ambient.locate()[0] if path is None else path,
            durability=durability or ambient.default_durability(),
            readonly=readonly,
        )
        self._chain = ambient.open_chain(first, roots) if roots else Chain(first)

    def __enter__(self) -> Registry:
        ambient.enter(self._chain)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if ambient.leave(self._chain):
            self._end_task(error)
            self.close()

    def __repr__(self) -> str:
        return f"Registry({str(self.path)!r})"

    @property
    def readonly(self) -> bool:
        """Whether nothing can be changed: ``readonly=True`` asked for it, or the place does.

        Writes raise a ReadOnlyRegistryError, which says why.
        """
        return self._chain.first.store.readonly

    @property
    def path(self) -> Path:
        """The directory."""
        return self._chain.first.root

    @property
    def upstream(self) -> tuple[Path, ...]:
        """The directories of the registries behind it that are open, in the order of look-ups."""
        return tuple(each.root for each in self._chain.others)

    @property
    def db(self) -> Database:
        """The database, as a `sqlite_utils.Database` on a connection of its own, for reading.

        What is written through it is not in the history and is not checked. It is closed with
        the registry, and before the process forks.
        """
        return self._chain.first.user_database()

    def models(
        self,
        project: str | None = None,
        name: str | None = None,
        tags: Sequence[str | None] | None = None,
        *,
        published: bool = False,
        archived: bool = False,
        limit: int | None = None,
        metadata: dict[str, object] | None = None,
        order_by: str = "updated",
    ) -> list[Model]:
        """Return the models that match every filter, the one updated last first.

        Args:
            project, name: exact; None for any.
            tags: see `localreg guide tag-filters`.
            published: leave drafts out.
            archived: archived models too.
            limit: at most so many, 1 or more.
            metadata: ``{key: value}``, compared as text.
            order_by: as for `Model.query_models`.

        Raises:
            InvalidValueError: (a ValueError) a filter cannot be used.
        """
        query = operations.finding.queries.check_query(
            project=project,
            name=name,
            tags=tags,
            metadata=metadata,
            published=published,
            archived=archived,
            limit=operations.finding.queries.check_limit("limit", limit),
            order=order_by,
        )
        found = operations.finding.upstream.search(self._chain, query)
        return FoundModels(handle(Model, self._chain, each) for each in found)

    def model(self, reference: str) -> Model:
        """Return the model that a reference names.

        Args:
            reference: an id; ``[project/]name``, with ``:version`` or ``@alias`` behind it, the
                newest version without; or the first 6 or more digits of an id.

        Raises:
            ModelNotFoundError: (a LookupError) there is none.
            AmbiguousReferenceError: (a LookupError) there are several.
        """
        found = operations.finding.references.resolve_model(self._chain, reference)
        return handle(Model, self._chain, found)

    def set_alias(self, ref: str | Model, alias: str, expect: object = _ANYTHING) -> None:
        """Point an alias at a model; it moves if it points to another version of it.

        Args:
            ref: a model, or a reference to one.
            alias: a name without blanks and ``/ : @``, such as "prod".
            expect: the model, or a reference to it, that the alias must point to until now;
                None when it must not exist yet. Of several processes that move an alias away
                from the same model, one succeeds.

        Raises:
            AliasConflictError: (a ValueError) the alias is not where `expect` says.
            ModelNotFoundError: there is no such model.
        """
        if expect is _ANYTHING:
            wanted = operations.models.aliases.ANYTHING
        else:
            wanted = None if expect is None else self._found("expect", expect).id
        found = self._found("ref", ref)
        operations.models.aliases.set_alias(found.registry, found.id, alias, wanted)

    def remove_alias(self, ref: str | Model, alias: str) -> None:
        """Drop an alias of a model's project and name.

        Args:
            ref: any version of the model, or a reference to one.
            alias: the alias.

        Raises:
            AliasNotFoundError: (a LookupError) there is no such alias.
        """
        found = self._found("ref", ref)
        operations.models.aliases.remove_alias(found.registry, found.id, alias)

    def add(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        name: str | None = None,
        project: str | None = None,
        *,
        mode: str = "copy",
        filename: str | None = None,
        expected_sha256: str | None = None,
        alias: str | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, object] | None = None,
        comment: str | None = None,
        framework: str | None = None,
        config_text: str | None = None,
        config_dict: dict[str, object] | None = None,
        label_enumeration: Mapping[str, int] | None = None,
    ) -> Model:
        """Keep weights as the next version of a model, and return it.

        Args:
            source: a file, a folder (kept as one package), or an open binary file.
            name: the model's name; the file's without its ending when None.
            project: made when it is new.
            mode: "copy"; "move" deletes the source afterwards; "link" shares the bytes with it, by
                a clone where the file system can, else by a hard link, which makes the source
                read-only, and through which whoever writes to it damages the registry;
                "reference" only records where it is.
            filename: the name it is handed out under; the source's own when None.
            expected_sha256: 64 hex digits that the bytes must have.
            alias: points to the new version afterwards.
            tags, metadata, comment, framework, config_text, config_dict, label_enumeration: as in
                `InputModel.import_model`.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be used; nothing was recorded.
            SourceNotFoundError: (an OSError, too) there is no such file.
            DigestMismatchError: (a ValueError) other bytes were expected; nothing was kept.
            StorageError: (an OSError) the disk is full, or refused something.

        >>> import io
        >>> with Registry(path / "kept", durability="fast") as registry:
        ...     model = registry.add(io.BytesIO(b"weights"), "tiny", filename="tiny.bin")
        ...     model.ref, model.size
        ('tiny:1', 7)
        """
        description = operations.models.recording.describe(
            name=name,
            project=project,
            tags=tags,
            metadata=metadata,
            comment=comment,
            framework=framework,
            config_text=config_text,
            config_dict=config_dict,
            label_enumeration=label_enumeration,
        )
        with shown_progress("Keeping weights") as progress:
            made = operations.models.adding.add_model(
                self._chain,
                source,
                description,
                mode=mode,
                filename=filename,
                expected=expected_sha256,
                alias=alias,
                progress=progress,
            )
        return handle(Model, self._chain, Found(self._chain.first, made))

    def restore(self, reference: str) -> Model:
        """Bring a removed model back: record, tags, metadata, configuration, free aliases.

        Args:
            reference: its id, 6 or more digits of it, or ``[project/]name[:version]``.

        Raises:
            ModelNotFoundError: (a LookupError) no removed model answers to it.
        """
        restored = operations.models.removal.restore_model(self._chain, reference)
        return handle(Model, self._chain, Found(self._chain.first, restored.model))

    def history(self, limit: int | None = None) -> list[HistoryEntry]:
        """Return every change of the registry, newest first.

        Args:
            limit: at most so many.
        """
        return operations.models.history.history(self._chain.first, None, limit)

    def verify(self, full: bool = False) -> Verification:
        """Check the database, and that all weights are whole and unchanged.

        Args:
            full: hash every byte, those too whose file nobody touched since that was done last,
                and compare unpacked packages with their archives.

        Returns:
            What was found: ``.ok``, and ``.problems`` with digest, models and a text each.
        """
        with shown_progress("Verifying") as progress:
            return operations.upkeep.verify.verify(
                self._chain, self._chain.first, full=bool(full), progress=progress
            )

    def repair(self, full: bool = False) -> Repair:
        """Verify, and mend what is found from wherever the right bytes still are.

        Damaged files are moved to the folder ``quarantine``. The right ones come from a copy that
        was handed out, the file they were copied from, or their URL.

        Args:
            full: as in `verify`.

        Returns:
            ``.mended``, each with how, and what is ``.lost``.
        """
        with shown_progress("Verifying") as progress:
            return operations.upkeep.repair.repair(self._chain, full=bool(full), progress=progress)

    def adopt(self) -> Adoption:
        """Copy here what this registry's models, tasks and reports have only upstream.

        Then it needs none of the registries behind it any more.

        Returns:
            ``.adopted``, each with digest, models and where it was, and what ``.failed``.

        Raises:
            ReadOnlyRegistryError: the registry is open for reading only.
        """
        with shown_progress("Adopting") as progress:
            return operations.upkeep.adopt.adopt(self._chain, progress=progress)

    def gc(
        self,
        *,
        grace_seconds: float = 86_400.0,
        dry_run: bool = True,
    ) -> Collection:
        """Delete weights that nothing refers to, and leftovers of processes that are gone.

        Args:
            grace_seconds: spare what was needed or touched so recently.
            dry_run: only say what would be deleted.

        Returns:
            ``.garbage``, how many bytes were or would be ``.freed``, what ``.failed``.

        Raises:
            InvalidValueError: (a ValueError) `grace_seconds` is no number, or below 0.
            DamagedRegistryError: (an OSError) the database is not sound; nothing was deleted.
        """
        return operations.upkeep.gc.collect(
            self._chain, grace_seconds=grace_seconds, dry_run=dry_run
        )

    def du(self) -> Usage:
        """Return where the bytes are: by project, model and blob, what they share told apart."""
        return operations.upkeep.du.usage(self._chain.first)

    def render(self) -> Path:
        """Write the pages of all models and tasks, and return the overview, ``reports/index.html``.

        They open from disk, in any browser, without a network. Pages that show already what they
        would show now are left as they are; of models, and of tasks, the 2,000 that changed last
        get one each, others get theirs by `Model.report`.

        Raises:
            ReadOnlyRegistryError: the registry is open for reading only.
            StorageError: (an OSError) a page cannot be written.
        """
        return operations.reports.pages.write_site(self._chain)

    def compare(self, *models: str | Model, path: str | os.PathLike[str] | None = None) -> Path:
        """Write a page that shows models side by side, and return where it is.

        Args:
            models: 2 to 6 models, or references to them.
            path: where it goes, as one file with everything in it; by default below ``reports/``.

        Raises:
            InvalidValueError: (a ValueError) there are fewer, or more.
            ModelNotFoundError: (a LookupError) one of them is not there.
            StorageError: (an OSError) it cannot be written.
        """
        found = [self._found("models", each) for each in models]
        return operations.reports.pages.write_comparison(self._chain, found, path)

    def close(self) -> None:
        """Close the registry; handles of it raise ClosedRegistryError from here on.

        Its tasks that this process runs are completed, and the pages of what was reported written.
        """
        self._end_task(None)
        if self._chain.first.store.has_reported():
            operations.reports.pages.write_reported(self._chain)
        ambient.forget(self._chain)
        self._chain.close()

    def _end_task(self, error: BaseException | None) -> None:
        """End the current task of this registry; it failed of the error, if there is one."""
        for opened, task_id in ambient.tasks():
            if opened is self._chain:
                from localreg.api.tasks import exit_hooks

                reason = None if error is None else exit_hooks.reason_of(error)
                exit_hooks.end(opened, task_id, "failed" if error else "completed", reason)

    def _found(self, argument: str, model: object) -> Found:
        """Return a model of this registry, or of one upstream, by a handle or a reference."""
        if isinstance(model, Model):
            found = model._found()
            if found.registry not in self._chain.registries:
                raise InvalidValueError(
                    f"{argument} is a model of {found.registry.root}, not of {self.path}",
                    argument=argument,
                )
            return found
        return operations.finding.references.resolve_model(self._chain, model, argument)


def use_registry(
    path: str | os.PathLike[str],
    *,
    durability: Durability | None = None,
    readonly: bool = False,
) -> Registry:
    """Open a registry and make it the current one, until another one is chosen or it is closed.

    Args:
        path, durability, readonly: as for `Registry`.

    Raises:
        RegistryError: it cannot be opened.
    """
    registry = Registry(path, durability=durability, readonly=readonly)
    ambient.choose(registry._chain)
    return registry


def current_registry() -> Registry:
    """Return the current registry; `Registry` says which one that is.

    Raises:
        RegistryError: it cannot be opened.
    """
    registry = Registry.__new__(Registry)
    registry._chain = ambient.current()
    return registry
