"""`Registry`: the public API of one registry, and of the current one."""

from __future__ import annotations

import os

from localreg import log, operations
from localreg.api import ambient
from localreg.api.models.changes import Changes
from localreg.api.models.model import FoundModels, Model, found_models, handle
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError, NoRegistryError
from localreg.progress import shown_progress
from localreg.values.checks import check_flag, one_of
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO

    from sqlite_utils import Database

    from localreg.api.tasks.found_tasks import FoundTasks
    from localreg.operations.carry.arrival import Arrived
    from localreg.operations.carry.backup import Backup
    from localreg.operations.carry.export import Exported
    from localreg.operations.carry.undo import Undone
    from localreg.operations.exporters.written import Written
    from localreg.operations.finding.search import Hit
    from localreg.operations.finding.upstream import Found
    from localreg.operations.importers.bringing import Brought
    from localreg.operations.importers.clearml_session import Imported
    from localreg.operations.remotes.names import Remote
    from localreg.operations.remotes.pulling import Pulled
    from localreg.operations.remotes.pushing import Pushed
    from localreg.operations.reports.comparison import Run
    from localreg.operations.trust.gates import Gate
    from localreg.operations.trust.signing import SignatureFile
    from localreg.operations.upkeep.adopt import Adoption
    from localreg.operations.upkeep.du import Usage
    from localreg.operations.upkeep.gc import Collection
    from localreg.operations.upkeep.repair import Repair
    from localreg.operations.upkeep.verify import Verification
    from localreg.operations.weights.signatures import Signed
    from localreg.registry import Chain, Durability
    from localreg.values.signatures import Trusted

_ANYTHING = object()


class Registry:
    """An open registry in a directory.

    With a `path`, and in a ``with`` block, a registry that does not exist is made. Without them,
    the first call that writes makes it, and reading raises a NoRegistryError.

    In a ``with`` block it is the current registry of the thread or coroutine, and of those that are
    started in it (see ``localreg guide tasks``). It is closed at the end of the outermost block.

    Args:
        path: the directory. If None, the default one: ``LOCALREG_HOME``, else the nearest
            ``.localreg`` folder in the working directory or above it, else the user's data
            directory.
        durability: "full" (a finished call survives a power loss) or "fast" (it survives the end
            of the process). If None, ``LOCALREG_DURABILITY``, else "full".
        readonly: never write. A directory that cannot be written to (a read-only mount, another
            user's) is always opened like that.
        upstream: directories of upstream registries, which are only read: queries and local
            copies use what they have, and bytes that they have are not stored again. If None and
            without a `path`, those of ``LOCALREG_UPSTREAM``.

    Raises:
        NoRegistryError: (a LookupError, an OSError) with `readonly`, if there is none.
        RegistryError: (an OSError) it cannot be opened; nothing in it was changed.
        InvalidValueError: (a ValueError) an argument cannot be used.

    >>> with Registry(path / "experiments", durability="fast") as registry:
    ...     model = InputModel.import_model("s3://bucket/a.pt", name="a", project="vision")
    ...     registry.set_alias(model, "prod")
    ...     registry.model("vision/a@prod").version
    1
    """

    __slots__ = ("__weakref__", "_found_chain", "_open")

    _found_chain: Chain | None  # None while there is no registry
    _open: Callable[..., Chain]

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        durability: Durability | None = None,
        readonly: bool = False,
        upstream: Sequence[str | os.PathLike[str]] | None = None,
    ) -> None:
        # Here, since a program that only names the class does not wait for SQLite.
        from localreg.registry import Chain, check_directory, open_registry

        roots = None
        if upstream is not None:
            from collections.abc import Iterable

            if isinstance(upstream, (str, bytes, os.PathLike)) or not isinstance(
                upstream, Iterable
            ):
                raise InvalidValueError(
                    f"upstream must be a list of directories, not {type(upstream).__name__}",
                    argument="upstream",
                )
            # Before a registry is made.
            roots = tuple(check_directory("upstream", each) for each in upstream)
        readonly = check_flag("readonly", readonly)
        if path is None:
            self._open = lambda *, make: ambient.open_located(
                durability=durability, readonly=readonly, roots=roots, make=make
            )
            self._found_chain = self._open(make=False) if readonly else _if_any(self._open)
            return
        first = open_registry(
            path,
            durability=ambient.default_durability() if durability is None else durability,
            readonly=readonly,
        )
        self._found_chain = ambient.open_chain(first, roots) if roots else Chain(first)

    def _opened(self, *, make: bool) -> Chain:
        """Return the open registry.

        Raises:
            NoRegistryError: there is none, and `make` is False.
        """
        if self._found_chain is None:
            self._found_chain = self._open(make=make)
        return self._found_chain

    @property
    def _chain(self) -> Chain:
        return self._opened(make=False)

    def __enter__(self) -> Registry:
        ambient.enter(self._opened(make=True))
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
        if not hasattr(self, "_found_chain"):  # the constructor raised an error
            return "Registry(not open)"
        return f"Registry({str(self.path)!r})"

    def _repr_html_(self) -> str:
        from localreg.api.models.notebook import NEWEST, facts_html, models_html, shown_or_why

        def html() -> str:
            if self._found_chain is None:
                return facts_html([("registry", str(self.path)), ("state", "not made yet")])
            models, tasks, projects = operations.finding.summaries.counts(self._chain.first)
            facts = [
                ("registry", str(self.path)),
                ("state", "read-only" if self.readonly else ""),
                ("upstream", ", ".join(map(str, self.upstream))),
                ("models", f"{models:,}"),
                ("tasks", f"{tasks:,}"),
                ("projects", f"{projects:,}"),
            ]
            newest = self.models(limit=NEWEST)
            return facts_html(facts) + models_html(FoundModels(newest).records())

        return shown_or_why(html)

    @property
    def readonly(self) -> bool:
        """True if nothing can be changed, because of ``readonly=True`` or of the directory.

        Then writes raise a ReadOnlyRegistryError, which says why.
        """
        return self._found_chain is not None and self._chain.first.store.readonly

    @property
    def path(self) -> Path:
        """The directory."""
        if self._found_chain:
            return self._chain.first.root
        from pathlib import Path

        return Path(ambient.locate()[0])

    @property
    def upstream(self) -> tuple[Path, ...]:
        """The directories of the open upstream registries, in the order of look-ups."""
        return tuple(each.root for each in self._chain.others)

    @property
    def db(self) -> Database:
        """The database, for reading, as a `sqlite_utils.Database` with its own connection.

        Changes that you make through it are not checked and are missing from the history. It is
        closed with the registry, and before the process forks.
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
        metrics: dict[str, object] | None = None,
        parameters: dict[str, object] | None = None,
        order_by: str = "updated",
        project_name: str | None = None,
        model_name: str | None = None,
        max_results: int | None = None,
    ) -> FoundModels:
        """Return the models that match every filter, the one updated last first.

        Args:
            project, name: the exact name; None for any.
            tags: see `localreg guide tag-filters`.
            published: only published models.
            archived: include archived models.
            limit: the most models, 1 or more; None for all.
            metadata: ``{key: value}``; all must be equal, compared as text; or
                ``{key: (">", 0.9)}``, as for `Model.query_models`.
            metrics, parameters: as for `Model.query_models`.
            order_by: as for `Model.query_models`.
            project_name, model_name, max_results: ClearML's names of project, name and limit.

        Returns:
            A list, with ``.records()``, ``.to_records()`` and ``.to_pandas()``.

        Raises:
            InvalidValueError: (a ValueError) a filter cannot be used.
        """
        most = one_of(limit=limit, max_results=max_results)
        return found_models(
            self._chain,
            project=one_of(project=project, project_name=project_name),
            name=one_of(name=name, model_name=model_name),
            tags=tags,
            metadata=metadata,
            metrics=metrics,
            parameters=parameters,
            published=published,
            archived=archived,
            limit=operations.finding.queries.check_limit("limit", most),
            order=order_by,
        )

    def query_models(
        self,
        project_name: str | None = None,
        model_name: str | None = None,
        tags: Sequence[str | None] | None = None,
        only_published: bool = False,
        include_archived: bool = False,
        max_results: int | None = None,
        metadata: dict[str, object] | None = None,
        *,
        order_by: str = "updated",
        metrics: dict[str, object] | None = None,
        parameters: dict[str, object] | None = None,
        project: str | None = None,
        name: str | None = None,
        limit: int | None = None,
    ) -> FoundModels:
        """Return the models of this registry that match all filters; see `Model.query_models`.

        Args:
            project_name, model_name, tags, only_published, include_archived, max_results,
                metadata, order_by, metrics, parameters: as for `Model.query_models`.
            project, name, limit: other names of project_name, model_name and max_results.

        Raises:
            InvalidValueError: (a ValueError) a filter cannot be used.
        """
        return found_models(
            self._chain,
            project=one_of(project_name=project_name, project=project),
            name=one_of(model_name=model_name, name=name),
            tags=tags,
            metadata=metadata,
            metrics=metrics,
            parameters=parameters,
            published=only_published,
            archived=include_archived,
            limit=one_of(max_results=max_results, limit=limit),
            order=order_by,
        )

    def tasks(
        self,
        project: str | Sequence[str] | None = None,
        name: str | None = None,
        tags: Sequence[str | None] | None = None,
        *,
        status: str | Sequence[str] | None = None,
        archived: bool = False,
        limit: int | None = None,
        metrics: dict[str, object] | None = None,
        parameters: dict[str, object] | None = None,
        order_by: str = "updated",
        project_name: str | Sequence[str] | None = None,
        task_name: str | None = None,
        max_results: int | None = None,
    ) -> FoundTasks:
        """Return the tasks that match every filter, the one that changed last first.

        Args:
            project: the exact name, or a list of names; None for any.
            name: the exact name; None for any. `Task.get_tasks` takes regular expressions.
            tags: see `localreg guide tag-filters`.
            status: "created", "in_progress", "completed", "failed", "stopped", "aborted" or
                "published", or a list of these.
            archived: include archived tasks.
            limit: the most tasks, 1 or more; None for all.
            metrics, parameters: what values must be, ``{"loss/train": ("<", 0.1)}``, as for
                `Model.query_models`.
            order_by: "updated", "created", "name", ``"metrics.TITLE/SERIES"`` or
                ``"parameters.Section/name"``, as for `Model.query_models`.
            project_name, task_name, max_results: ClearML's names of project, name and limit.

        Returns:
            A list, with ``.records()``, ``.to_records()`` and ``.to_pandas()``.

        Raises:
            InvalidValueError: (a ValueError) a filter cannot be used.

        >>> with Registry(path / "runs", durability="fast") as registry:
        ...     for lr in (0.1, 0.2):
        ...         task = Task.create("vision", f"lr {lr}")
        ...         _ = task.set_parameters({"Args/lr": lr})
        ...         task.report_scalar("loss", "train", lr * 2, 1)
        ...     best = registry.tasks("vision", order_by="metrics.loss/train", limit=1)
        ...     [(each.name, each.parameters) for each in best.records()]
        [('lr 0.1', {'Args/lr': 0.1})]
        """
        from localreg.api.tasks.found_tasks import found_tasks

        return found_tasks(
            self._chain,
            project=one_of(project=project, project_name=project_name),
            name=one_of(name=name, task_name=task_name),
            tags=tags,
            status=status,
            archived=check_flag("archived", archived),
            limit=one_of(limit=limit, max_results=max_results),
            metrics=metrics,
            parameters=parameters,
            order=order_by,
        )

    def model(self, reference: str) -> Model:
        """Return the model that a reference names.

        Args:
            reference: an id, or its first 6 or more digits; or ``[project/]name``, alone for the
                newest version, or with ``:version`` or ``@alias`` at its end.

        Raises:
            ModelNotFoundError: (a LookupError) no model matches.
            AmbiguousReferenceError: (a LookupError) several models match.
        """
        found = operations.finding.references.resolve_model(self._chain, reference)
        return handle(Model, self._chain, found)

    def search(
        self,
        words: str | Sequence[str],
        *,
        project: str | None = None,
        name: str | None = None,
        tags: Sequence[str | None] | None = None,
        archived: bool = False,
        limit: int | None = 20,
    ) -> list[Hit]:
        """Return the models, data sets and tasks that have all of some words, the best first.

        Names, projects, tags, aliases, comments, metadata, configurations and parameters are
        searched; see ``localreg guide search``. Secrets are not.

        Args:
            words: a text, whose words are split at blanks; or a list, in which a text with blanks
                is a phrase. "resn" finds "resnet50", too.
            project, name: the exact name; None for any.
            tags: see `localreg guide tag-filters`.
            archived: include archived ones.
            limit: the most hits, 1 or more; None for all.

        Returns:
            hits with ``.kind`` ("model", "dataset" or "task"), ``.id``, ``.ref``, ``.fields``
            (where the words are) and ``.text`` (the line around the first of them).

        Raises:
            InvalidValueError: (a ValueError) there is no word, or a filter cannot be used.

        >>> with Registry(path / "searched", durability="fast") as registry:
        ...     model = InputModel.import_model("s3://b/a.pt", name="resnet50", comment="cosine lr")
        ...     [(hit.ref, hit.fields) for hit in registry.search("resn cosine")]
        [('resnet50:1', ('name', 'comment'))]
        """
        return operations.finding.search.search(
            self._chain,
            words,
            project=project,
            name=name,
            tags=tags,
            archived=archived,
            limit=limit,
        )

    def set_alias(
        self,
        ref: str | Model,
        alias: str,
        expect: object = _ANYTHING,
        *,
        override: str | None = None,
    ) -> None:
        """Point an alias at a model; an alias that points to another version moves.

        Args:
            ref: a model, or a reference to one.
            alias: a name without blanks and ``/ : @``, such as "prod".
            expect: the model that the alias must point to before, or a reference to it; None if
                the alias must not exist. If several processes move an alias away from the same
                model, only one of them succeeds.
            override: a reason for which the alias is set although the model does not pass the gate
                of the alias (see `protect`). The history keeps it.

        Raises:
            AliasConflictError: (a ValueError) the alias does not point to `expect`.
            GateError: (a ValueError) the model lacks what the gate of the alias asks for, which the
                error names; nothing was changed.
            ModelNotFoundError: (a LookupError) the model does not exist.
        """
        if expect is _ANYTHING:
            wanted = operations.models.aliases.ANYTHING
        else:
            wanted = None if expect is None else self._found("expect", expect).id
        found = self._found("ref", ref)
        operations.models.aliases.set_alias(
            self._chain.starting_at(found.registry), found.id, alias, wanted, override=override
        )

    def protect(
        self, name: str, require: str | Sequence[str], *, override: str | None = None
    ) -> None:
        """Give an alias a gate: what a model must have before the alias may point to it.

        `set_alias` refuses other models. An alias that was set in another registry, without the
        gate, is held here: it leads to no model until `set_alias` sets it again.

        Args:
            name: ``[project/]name@alias``; the alias need not exist.
            require: conditions: "signed" (by a key that this registry trusts), "scanned" (a scanner
                looked at all its pickles, and flagged none), "published", and comparisons of
                metadata, metrics and parameters, such as ``"accuracy>=0.9"``,
                ``"metric:val/acc>=0.9"`` and ``"param:lr<0.1"``. As one text, commas separate them.
            override: a reason for which the alias stays where it points to, although that model
                does not pass. The history keeps it.

        Raises:
            GateError: (a ValueError) the model that the alias points to does not pass; nothing was
                changed.
            InvalidValueError: (a ValueError) a condition cannot be one.

        >>> with Registry(path / "gated", durability="fast") as registry:
        ...     model = InputModel.import_model("s3://b/a.pt", name="resnet")
        ...     registry.protect("resnet@prod", ["published"])
        ...     registry.set_alias(model, "prod")
        Traceback (most recent call last):
        localreg.errors.GateError: resnet:1 does not pass the gate of resnet@prod: ...
        """
        from localreg.values.conditions import check_conditions

        place = operations.finding.gates.find_alias(self._chain, name)
        operations.trust.gates.protect(
            self._chain.starting_at(place.registry),
            place.line,
            place.alias,
            check_conditions(require),
            override=operations.trust.gates.check_override(override),
        )

    def unprotect(self, name: str) -> bool:
        """Drop the gate of an alias; return False if it has none.

        Args:
            name: ``[project/]name@alias``.
        """
        place = operations.finding.gates.find_alias(self._chain, name)
        chain = self._chain.starting_at(place.registry)
        return operations.trust.gates.unprotect(chain, place.line, place.alias).changed

    def gate(self, name: str) -> Gate:
        """Return the gate of an alias.

        Args:
            name: ``[project/]name@alias``.

        Returns:
            A record with ``name``; ``conditions`` (a tuple, empty for no gate); ``target``, the
            reference of the model that the alias points to, or None; ``held``, True if it leads to
            no model since it was set without passing the gate; ``missing``, what that model lacks
            now; and ``override``, the reason for which it was set nevertheless, or None.
        """
        place = operations.finding.gates.find_alias(self._chain, name)
        chain = self._chain.starting_at(place.registry)
        return operations.trust.gates.look(chain, place.line, place.alias)

    def remove_alias(self, ref: str | Model, alias: str) -> None:
        """Drop an alias of a model's project and name.

        Args:
            ref: any version of the model, or a reference to one.
            alias: the alias.

        Raises:
            AliasNotFoundError: (a LookupError) the alias does not exist.
        """
        found = self._found("ref", ref)
        operations.models.aliases.remove_alias(found.registry, found.id, alias)

    def add(
        self,
        source: str | os.PathLike[str] | BinaryIO | Sequence[str | os.PathLike[str]],
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
        exclude: Sequence[str] = (),
    ) -> Model:
        """Store weights as the next version of a model, and return that version.

        Args:
            source: a file, a folder (a package of its files), a list or tuple of files (a package,
                too), or an open binary file.
            name: the model's name; if None, the file's name without its ending. A list of files
                needs one.
            project: name of a project, created if it is new.
            mode: "copy"; "move" deletes the source afterwards; "link" shares the bytes with the
                source, by a clone where the file system can, else by a hard link: this makes the
                source read-only, and a write to it would damage the registry; "reference" only
                records the path.
            filename: the name of local copies; if None, the source's own.
            expected_sha256: the digest that the bytes must have, 64 hex digits.
            alias: points to the new version afterwards.
            tags, metadata, comment, framework, config_text, config_dict, label_enumeration: as in
                `InputModel.import_model`.
            exclude: patterns of what is left out of a folder, beside those in its file
                ``.localregignore``; see ``localreg guide packages``. ``.git``, ``__pycache__`` and
                ``.cache/huggingface`` are always left out.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be used; nothing was recorded.
            SourceNotFoundError: (also an OSError) the file does not exist.
            DigestMismatchError: (a ValueError) the bytes have another digest; nothing was stored.
            StorageError: (an OSError) the disk is full, or another disk error.

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
        chain = self._opened(make=True)
        with shown_progress("Keeping weights") as progress:
            made = operations.models.adding.add_model(
                chain,
                source,
                description,
                mode=mode,
                filename=filename,
                expected=expected_sha256,
                alias=alias,
                exclude=exclude,
                progress=progress,
            )
        return handle(Model, chain, operations.finding.upstream.Found(chain.first, made))

    def restore(self, reference: str) -> Model:
        """Restore the record of a removed model, and its aliases that no other version has now.

        Args:
            reference: its id, the first 6 or more digits of its id, or
                ``[project/]name[:version]``.

        Raises:
            ModelNotFoundError: (a LookupError) no removed model matches.
            AmbiguousReferenceError: (a LookupError) several removed models match.
        """
        restored = operations.models.removal.restore_model(self._chain, reference)
        if restored.missing:
            log.warning(
                "model %s is restored, but its weights were deleted, and are still missing: %s",
                restored.model,
                ", ".join(dict.fromkeys(restored.missing)),
            )
        for line in restored.held:
            log.warning("%s", line)
        return handle(
            Model, self._chain, operations.finding.upstream.Found(self._chain.first, restored.model)
        )

    def history(self, limit: int | None = None) -> Changes:
        """Return every change of the registry, newest first: a list of `HistoryEntry`.

        Args:
            limit: the most changes, 1 or more; None for all.
        """
        return Changes(operations.models.history.history(self._chain.first, None, limit))

    def undo(self, event: str | None = None, *, dry_run: bool = False) -> Undone:
        """Undo one change: tags, aliases, metadata, names, weights, and what tasks recorded.

        An undo is a change of its own, which can be undone too. What was created is removed with
        `remove`, and what was removed comes back with `restore`.

        Args:
            event: the ``event_id`` of a change in the history, or its first 6 or more digits; None
                for the last change that was made in this registry.
            dry_run: only look if it can be undone.

        Returns:
            ``.text`` of the change, ``.inverse``, what was done instead, and ``.others``, the
            further changes of the same call.

        Raises:
            UndoError: (a ValueError) the change cannot be undone, or was replaced since.
            NotFoundError: (a LookupError) there is no such change.
            AmbiguousReferenceError: (a LookupError) several changes begin with these digits.

        >>> with Registry(path / "undo", durability="fast") as registry:
        ...     model = InputModel.import_model("s3://bucket/b.pt", name="b")
        ...     model.tags = ["good"]
        ...     registry.undo().text, model.tags
        ('tagged good', [])
        """
        return operations.carry.undo.undo(
            self._chain.first, event, dry_run=check_flag("dry_run", dry_run)
        )

    def verify(self, full: bool = False) -> Verification:
        """Check the database, and that all weights are complete and unchanged.

        Args:
            full: hash all bytes, also of files that did not change since they were hashed last,
                and compare unpacked packages with their archives.

        Returns:
            ``.ok``, and ``.problems``, each with digest, models and a text.
        """
        with shown_progress("Verifying") as progress:
            return operations.upkeep.verify.verify(
                self._chain, self._chain.first, full=check_flag("full", full), progress=progress
            )

    def sign(
        self,
        ref: str | Model,
        key: str | os.PathLike[str],
        *,
        password: str | None = None,
        certificate: str | os.PathLike[str] | None = None,
        certificate_chain: Sequence[str | os.PathLike[str]] = (),
    ) -> SignatureFile:
        """Sign the weights that a model has now, in the format of OpenSSF Model Signing.

        The registry knows the sha256 of all files, so that nothing is hashed. Weights that the key
        signed already are not signed again. Needs ``pip install 'localreg[sign]'``.

        Args:
            ref: a model, or a reference to one.
            key: a private key in a PEM file: ECDSA with P-256, P-384 or P-521, or Ed25519.
            password: of the key; by default that in ``LOCALREG_KEY_PASSWORD``.
            certificate: the certificate of the key, for those who trust its authority.
            certificate_chain: the certificates of authorities above it.

        Returns:
            ``.data``, the signature file; ``.digest``, ``.signer``, ``.files``, and ``.new``.

        Raises:
            SignatureError: (a ValueError) the key or a certificate cannot be used, or the files of
                the model are not known.
            MissingPackageError: (an ImportError) cryptography is not installed.
        """
        found = self._found("ref", ref)
        signs = operations.trust.keys.signing_key(
            key,
            password=password,
            certificate=certificate,
            certificate_chain=_paths("certificate_chain", certificate_chain),
        )
        return operations.trust.signing.sign(self._chain, found, signs)

    def attach_signature(
        self, ref: str | Model, signature: str | os.PathLike[str]
    ) -> SignatureFile:
        """Keep a signature of the weights that a model has now, made by another program.

        It must list exactly their files. Whether its key is trusted is asked when it matters.

        Args:
            ref: a model, or a reference to one.
            signature: a file in the format of OpenSSF Model Signing.

        Returns:
            As `sign`.

        Raises:
            SignatureError: (a ValueError) it is of other files, or no such signature.
        """
        found = self._found("ref", ref)
        return operations.trust.signing.attach(self._chain, found, signature)

    def verify_signature(
        self,
        ref: str | Model,
        *,
        key: str | os.PathLike[str] | None = None,
        certificate_chain: Sequence[str | os.PathLike[str]] = (),
    ) -> list[Signed]:
        """Check that the weights that a model has now are signed; their bytes are not read.

        Args:
            ref: a model, or a reference to one.
            key: the public key that must have signed them, in a PEM file.
            certificate_chain: or the certificates of authorities, of which the signer must have
                one. Without either, the keys count that the registry trusts.

        Returns:
            All signatures, each with ``.valid``, ``.signer``, ``.reason`` and ``.at``.

        Raises:
            SignatureError: (a ValueError) none counts; ``.reason`` says why.
            MissingPackageError: (an ImportError) cryptography is not installed.
        """
        found = self._found("ref", ref)
        keys = operations.trust.keys
        trusted = [] if key is None else keys.trusted_file("key", key)
        chain = _paths("certificate_chain", certificate_chain)
        for path in chain:
            trusted += keys.trusted_file("certificate_chain", path)
        if key is None and not chain:
            trusted = keys.trusted_keys_of(self._chain)
        return operations.trust.signing.verify(self._chain, found, trusted)

    def signature(self, ref: str | Model) -> bytes:
        """Return the signature file of the weights that a model has now, for other programs.

        Of several it is one whose key is trusted, if there is one; else the first that was made in
        the model's registry, or came to it.

        Raises:
            SignatureError: (a ValueError) the model is not signed.
        """
        found = self._found("ref", ref)
        trusted = operations.trust.keys.trusted_keys_of(self._chain)
        return operations.trust.signing.signature_file(self._chain, found, trusted)

    def add_key(self, key: str | os.PathLike[str], name: str | None = None) -> list[Trusted]:
        """Let the signatures of a key count from now on, or those of an authority's certificates.

        Args:
            key: a PEM file with a public key, or with certificates of authorities.
            name: what to call it; by default as the file, or as in the certificate.

        Returns:
            Those that are new.

        Raises:
            SignatureError: (a ValueError) it is no such file.
            ConflictError: (a ValueError) another key has the name.
        """
        return operations.trust.keys.add_key(self._chain.first, key, name)

    def trusted_keys(self) -> list[Trusted]:
        """Return the keys and certificates whose signatures count, by name.

        Each has ``.id``, ``.kind`` ("key" or "certificate"), ``.name``, ``.pem`` and ``.added``.
        """
        return operations.trust.keys.trusted_keys(self._chain.first)

    def remove_key(self, name: str) -> Trusted:
        """Let the signatures of a key or an authority count no more, and return it.

        Args:
            name: its name, or the first 6 or more digits of its id.

        Raises:
            NotFoundError: (a LookupError) no such key is trusted.
        """
        return operations.trust.keys.remove_key(self._chain.first, name)

    def repair(self, full: bool = False) -> Repair:
        """Verify, and replace damaged or missing weights from a place that still has the bytes.

        Damaged files are moved to the folder ``quarantine``. The right bytes come from a local
        copy, from the file that was copied, or from the URL.

        Args:
            full: as for `verify`.

        Returns:
            ``.mended``, each with how, and ``.lost``.
        """
        with shown_progress("Verifying") as progress:
            return operations.upkeep.repair.repair(
                self._chain, full=check_flag("full", full), progress=progress
            )

    def adopt(self) -> Adoption:
        """Copy the bytes that only upstream registries have, and that this registry refers to.

        Afterwards its models, tasks and reports need no upstream registry.

        Returns:
            ``.adopted``, each with digest, models and where it was, and ``.failed``.

        Raises:
            ReadOnlyRegistryError: the registry is read-only.
        """
        with shown_progress("Adopting") as progress:
            return operations.upkeep.adopt.adopt(self._chain, progress=progress)

    def as_of(self, when: datetime | date | str) -> Registry:
        """Return the registry as it was at some time, for reading; close it at the end.

        It has the models, tasks, aliases and history that this registry had then, and what had been
        reported by then. Weights that were deleted since are an error that says when.

        Args:
            when: a `datetime` or a `date`; or text: an ISO time, a date (the end of that day), a
                span before now such as ``"7d"``, or the first 6 or more digits of an ``event_id``.
                A time without a zone is one of this computer's zone.

        Raises:
            InvalidValueError: (a ValueError) `when` is none of these.
            NotFoundError: (a LookupError) there is no event with these digits.

        >>> with Registry(path / "past", durability="fast") as registry:
        ...     model = InputModel.import_model("s3://bucket/c.pt", name="c")
        ...     before = registry.history(limit=1)[0].event_id
        ...     model.tags = ["late"]
        ...     with registry.as_of(before) as past:
        ...         past.model("c").tags
        []
        """
        past = operations.carry.as_of.open_past(self._chain.first, when)
        view = Registry.__new__(Registry)
        view._found_chain = self._chain.alone(past)
        return view

    def backup(self, target: str | os.PathLike[str]) -> Backup:
        """Copy the whole registry to a directory or tar file, while others write to it.

        All that was done before the call is in it. To restore it, copy it back. An earlier backup
        of this registry is brought up to date; if that is killed, it stays as it was.

        Args:
            target: a new path or an empty directory, or an earlier backup. With a name that ends
                in ``.tar`` it is one uncompressed file.

        Returns:
            ``.path``, the numbers of ``.blobs`` and of ``.new`` ones, how many of these are
            ``.linked`` (hard links, on the same disk), and ``.failed``, what the registry lacks.

        Raises:
            PathExistsError: (a ValueError, an OSError) something else is there.
            ConflictError: (a ValueError) the earlier backup has changes that this registry lacks.
            DamagedRegistryError: (an OSError) the database is damaged; nothing was written.
            StorageError: (an OSError) the disk is full, or another disk error.
        """
        with shown_progress("Backing up") as progress:
            return operations.carry.backup.back_up(self._chain, target, progress=progress)

    def gc(
        self,
        *,
        grace_seconds: float = 86_400.0,
        keep_last: int | None = None,
        keep_best: Mapping[str, int] | str | None = None,
        max_size: int | str | None = None,
        retention: bool = True,
        dry_run: bool = True,
    ) -> Collection:
        """Delete weights that nothing refers to, and files that ended processes left.

        With `keep_last`, `keep_best` or `max_size`, here or in the settings of the registry, it
        first removes models; see ``localreg guide recovery``. They can be restored until their
        weights are deleted, which is after the grace period.

        Args:
            grace_seconds: spare what was used or changed in the last so many seconds.
            keep_last: of each project and name, keep the newest so many versions.
            keep_best: ``{metric: count}``, or ``"metric:count"``: keep the best so many versions,
                too. The name says if the least value is the best ("loss"), or "+" before it.
            max_size: bytes, or text such as "20GB": remove only from projects with more, and only
                as many models as needed, the oldest first.
            retention: False to remove no models, whatever the settings are.
            dry_run: only return what would be removed and deleted.

        Returns:
            ``.garbage``, the number of bytes that were or would be ``.freed``, ``.failed``, and
            ``.models``, each with ``.ref``, ``.goes`` and ``.why``.

        Raises:
            InvalidValueError: (a ValueError) `grace_seconds` is not a number, or is below 0; or a
                rule cannot be used, or no model has a metric of `keep_best`.
            DamagedRegistryError: (an OSError) the database is damaged; nothing was deleted.
        """
        return operations.upkeep.gc.collect(
            self._chain,
            grace_seconds=grace_seconds,
            keep_last=keep_last,
            keep_best=keep_best,
            max_size=max_size,
            retention=check_flag("retention", retention),
            dry_run=check_flag("dry_run", dry_run),
        )

    def du(self) -> Usage:
        """Return how many bytes projects, models and blobs use; shared bytes are counted apart."""
        return operations.upkeep.du.usage(self._chain.first)

    def render(self, everything: bool = False) -> Path:
        """Write the pages of models and tasks, and return the overview, ``reports/index.html``.

        Any browser opens them from disk, without a network. Only pages that changed are written.
        The 2,000 models and the 2,000 tasks that changed last get a page; `Model.report` writes
        the page of any other model.

        Args:
            everything: write the pages of all models and tasks.

        Raises:
            ReadOnlyRegistryError: the registry is read-only.
            StorageError: (an OSError) a page cannot be written.
        """
        pages = operations.reports.pages
        return pages.write_site(
            self._chain, None if check_flag("everything", everything) else pages.PAGES
        )

    def compare(
        self, *runs: str | Model | TaskHandle, path: str | os.PathLike[str] | None = None
    ) -> Path:
        """Write a page that shows models and tasks side by side, and return its path.

        For every value that a model lacks, the page shows that of the task that made it.

        Args:
            runs: 2 to 50 models and tasks, references to models, and ids or names of tasks.
            path: write the page here, as one file that needs no other; by default below
                ``reports/``.

        Raises:
            InvalidValueError: (a ValueError) there are fewer than 2 of them, or more than 50.
            ModelNotFoundError: (a LookupError) one of them does not exist.
            AmbiguousReferenceError: (a LookupError) a name means several of them.
            StorageError: (an OSError) the page cannot be written.
        """
        found = [self._run(each) for each in runs]
        return operations.reports.pages.write_comparison(self._chain, found, path)

    def _run(self, given: object) -> Run:
        """Return a model or a task of this or an upstream registry."""
        from localreg.operations.reports.comparison import Run, find_run

        if isinstance(given, Model):
            model = self._found("runs", given)
            return Run(model.registry, Owner("model", model.id))
        if isinstance(given, TaskHandle):
            if given._registry not in self._chain.registries:
                raise InvalidValueError(
                    f"runs has a task of {given._registry.root}, not of {self.path}",
                    argument="runs",
                )
            return Run(given._registry, Owner("task", given._id))
        return find_run(self._chain, given, "runs")

    def export(
        self,
        *models: str | Model,
        path: str | os.PathLike[str] | BinaryIO,
        format: str = "bundle",  # noqa: A002  (as on the command line)
        project: str | None = None,
        name: str | None = None,
        tags: Sequence[str | None] | None = None,
        metadata: dict[str, object] | None = None,
        everything: bool = False,
        versions: bool = False,
        since: str | os.PathLike[str] | None = None,
        reports: bool = True,
        history: bool = True,
        image: bool = False,
        split: int | None = None,
        dry_run: bool = False,
        plain_http: bool = False,
        project_name: str | None = None,
        model_name: str | None = None,
    ) -> Exported | Written:
        """Write models into a bundle, which `import_bundle` of another registry takes in.

        With each model go its weights, its history and reports, and the task that made it. The
        same models give the same bytes. Other formats are for other programs: see
        `localreg guide migrating`.

        Args:
            models: models, or references to them; each is one version.
            path: a new file whose name ends with ``.tar``, a new folder, or a file that is open
                for writing bytes, such as a pipe; or ``oci://host/repository:tag``, a place in a
                container registry. Other formats need a new folder.
            format: "bundle", "mlflow" (a folder that MLflow opens), "hf" (one to upload to the
                Hugging Face Hub) or "parquet" (tables).
            project, name, tags, metadata: export all models that match, as for `models`.
            everything: export the whole registry: also aliases, tasks without a model, and what
                was removed.
            versions: export all versions of the names of the models.
            since: a bundle, or the digits of an event's id: leave out what the bundle holds, or
                what this registry had when the event came to it.
            reports: with scalars, plots and log lines.
            history: with all events; without them others can import copies only.
            image: add a plain OCI image with the files below ``/models``.
            split: write ``PATH.001``, ``PATH.002`` and so on, of at most so many bytes.
            dry_run: write nothing.
            plain_http: speak http with a container registry, without encryption.
            project_name, model_name: ClearML's names of project and name.

        Returns:
            ``.models``, ``.size`` in bytes, and ``.missing``: what is not in the bundle. In other
            formats also ``.left`` and ``.changed``: what they have no place for.

        Raises:
            InvalidValueError: (a ValueError) not exactly one of models, filters and everything; or
                an argument is for bundles only.
            ModelNotFoundError: (a LookupError) no model matches.
            PathExistsError: (an OSError) something is at `path` already.
            CorruptBlobError: (an OSError) stored bytes are damaged; nothing was written.
            UploadError: (an OSError) a container registry does not take it.
            TrustError: (a PermissionError) only signed weights are given to other programs, and no
                trusted key signed some of these.
            MissingPackageError: (an ImportError) tables need polars.
        """
        exporting = operations.exporters.formats
        chosen_format = exporting.check_format(format)
        exporting.check_options(
            chosen_format,
            {
                "since": since is not None,
                "reports": not check_flag("reports", reports),
                "history": not check_flag("history", history),
                "image": check_flag("image", image),
                "split": split is not None,
                "plain_http": check_flag("plain_http", plain_http),
            },
        )
        filters = {
            "project": one_of(project=project, project_name=project_name),
            "name": one_of(name=name, model_name=model_name),
            "tags": tags,
            "metadata": metadata,
        }
        query = None
        if any(each is not None for each in filters.values()):
            query = operations.finding.queries.check_query(**filters)
        chosen = operations.carry.selection.select(
            self._chain,
            [each.id if isinstance(each, Model) else each for each in models],
            query=query,
            everything=check_flag("everything", everything),
            versions=check_flag("versions", versions),
        )
        with shown_progress("Exporting") as progress:
            if chosen_format != exporting.BUNDLE:
                return exporting.export_as(
                    self._chain,
                    chosen,
                    chosen_format,
                    path,
                    dry_run=check_flag("dry_run", dry_run),
                    progress=progress,
                )
            return operations.carry.container_registries.export_models(
                self._chain,
                chosen,
                path,
                plain_http=plain_http,
                since=since,
                reports=reports,
                history=history,
                image=image,
                split=split,
                dry_run=check_flag("dry_run", dry_run),
                progress=progress,
            )

    def import_bundle(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        *,
        project: str | None = None,
        renumber: bool = False,
        aliases: bool = False,
        dry_run: bool = False,
        plain_http: bool = False,
    ) -> Arrived:
        """Take in a bundle that `export` wrote; what is here already is not taken twice.

        Args:
            source: its file, the first of its files, its folder, or a file that is open for reading
                bytes, such as a pipe; or ``oci://host/repository:tag``, a model in a container
                registry.
            project: make copies in this project: new models with new ids and numbers.
            renumber: where two models have one number, give new ones to the later.
            aliases: set the aliases that the models had, except those that point elsewhere here.
            dry_run: change nothing.
            plain_http: speak http with a container registry, without encryption.

        Returns:
            ``.models``, ``.events`` and ``.differences``, as text; ``.conflict`` is True if a
            change that was made here has lost, or a model was published twice with different
            weights.

        Raises:
            BundleError: (a ValueError) it is not a sound bundle; nothing was recorded.
            SourceNotFoundError: (an OSError) there is no such file.
            DownloadError: (an OSError) a container registry does not give it.
        """
        chain = self._opened(make=not check_flag("dry_run", dry_run))
        with shown_progress("Importing") as progress:
            return operations.carry.container_registries.import_models(
                chain,
                source,
                plain_http=check_flag("plain_http", plain_http),
                project=project,
                renumber=check_flag("renumber", renumber),
                aliases=check_flag("aliases", aliases),
                dry_run=dry_run,
                progress=progress,
            )

    def import_from(
        self,
        source: str | os.PathLike[str],
        kind: str | None = None,
        *,
        project: str | None = None,
        task: str | None = None,
        reference: bool = False,
        link: bool = False,
        renumber: bool = False,
        dry_run: bool = False,
    ) -> Brought | Imported:
        """Bring the runs and models that another program recorded; a second call brings the rest.

        Args:
            source: what it left: a path, or a URL such as ``hf://org/repo``. It is only read.
            kind: what it is, such as "mlflow" or "wandb"; None to find out.
            project: put models into this project, and tasks into projects below it.
            task: the name of the task that gets the metrics of a table.
            reference: leave the bytes of models where they are.
            link: make hard links instead of copies: the files of the source become read-only.
            renumber: where two models have one number, give new ones to the later.
            dry_run: change nothing.

        Returns:
            ``.tasks``: names of the new tasks by their ids; ``.left``: what did not come, counted
            by the reason; ``.arrived``: models and differences, as `import_bundle` returns them.
            Of an offline session of ClearML ``.task`` is the id of its task.

        Raises:
            SourceError: (a ValueError) it is damaged or forged, or cannot be kept; nothing was
                recorded.
            SourceNotFoundError: (an OSError) nothing is there.
            InvalidValueError: (a ValueError) it is nothing that can be imported, or several kinds
                of things, or an option is not for its kind; or it is a bundle, for `import_bundle`.
            MissingPackageError: (an ImportError) a package is needed to read it.
        """
        kinds = operations.importers.kinds
        text = kinds.check_source(source)
        chosen = kinds.kind_of(text) if kind is None else kinds.check_kind(kind)
        wish = kinds.Wish(
            project=project,
            reference=check_flag("reference", reference),
            link=check_flag("link", link),
            renumber=check_flag("renumber", renumber),
            dry_run=check_flag("dry_run", dry_run),
        )
        kinds.check_options(chosen, wish, task)
        chain = self._opened(make=not dry_run)
        with shown_progress("Importing") as progress:
            return kinds.import_from(chain, text, chosen, wish, task=task, progress=progress)

    def merge(
        self, directory: str | os.PathLike[str], *, renumber: bool = False, dry_run: bool = False
    ) -> Arrived:
        """Take in what the registry in a directory has and this one lacks.

        The other registry is only read. When each has merged the other, both hold the same.

        Args:
            directory: of the other registry; it may be on a read-only mount.
            renumber, dry_run: as for `import_bundle`.

        Raises:
            NoRegistryError: (a LookupError, an OSError) there is no registry.
            RegistryError: (an OSError) it cannot be read, or has another format.
        """
        chain = self._opened(make=False)
        with shown_progress("Merging") as progress:
            return operations.carry.merge.merge(
                chain,
                directory,
                renumber=check_flag("renumber", renumber),
                dry_run=dry_run,
                progress=progress,
            )

    def push(
        self, remote: str | None = None, *, force: bool = False, dry_run: bool = False
    ) -> Pushed:
        """Send what a remote lacks: bytes, changes and reports. What it has is pulled first.

        All registries of a remote have one order of changes: that in which they came there. Who
        pushes first holds; a change that lost is sent too, and is named in the result.

        Args:
            remote: its name, as `add_remote` gave it; by default the one that gives the
                order, else the only one.
            force: where a change that was made here has lost, set its value again, and send that.
            dry_run: only say what would be sent, and what would lose.

        Raises:
            NotFoundError: (a LookupError) there is no such remote.
            RemoteChangedError: (an OSError) it was replaced, or restored from an older copy;
                nothing was changed.
            RemoteError: (an OSError) it cannot be read or written.
            MissingPackageError: (an ImportError) ``pip install 'localreg[remote]'`` is needed.

        >>> with Registry(path / "laptop", durability="fast") as registry:
        ...     [each.name for each in registry.remotes()]
        []
        """
        chain = self._opened(make=False)
        with shown_progress("Pushing") as progress:
            return operations.remotes.pushing.push(
                chain,
                remote,
                force=check_flag("force", force),
                dry_run=check_flag("dry_run", dry_run),
                progress=progress,
            )

    def pull(
        self, remote: str | None = None, *, blobs: bool = False, dry_run: bool = False
    ) -> Pulled:
        """Take in what a remote has and this registry lacks: changes and reports.

        The bytes of a model come when they are needed, for example by `get_local_copy`.

        Args:
            remote: as for `push`.
            blobs: download the bytes of all models now.
            dry_run: only say what would come, and what would be different.

        Raises:
            NotFoundError, RemoteChangedError, RemoteError, MissingPackageError: as for `push`.
        """
        chain = self._opened(make=False)
        with shown_progress("Pulling") as progress:
            return operations.remotes.pulling.pull(
                chain,
                remote,
                blobs=check_flag("blobs", blobs),
                dry_run=check_flag("dry_run", dry_run),
                progress=progress,
            )

    def add_remote(self, name: str, url: str | os.PathLike[str]) -> Remote:
        """Add a remote, and make it where nothing is yet; `push` and `pull` use it then.

        The first remote of a registry gives changes their order; further ones are mirrors.

        Args:
            name: such as ``origin``: letters, digits, dots, dashes and underscores.
            url: ``s3://``, ``gs://``, ``az://``, ``file://``, or the path of a shared directory.

        Returns:
            What was added; ``made`` is True if nothing was there before.

        Raises:
            ConflictError: (a ValueError) there is a remote of this name, or at this place.
            RemoteError, MissingPackageError: as for `push`.
        """
        return operations.remotes.names.add(self._opened(make=True), name, url)

    def remove_remote(self, name: str) -> Remote:
        """Forget a remote, and return what was known of it. What is there stays.

        Raises:
            NotFoundError: (a LookupError) there is no such remote.
        """
        return operations.remotes.names.rm(self._opened(make=False), name)

    def remotes(self) -> list[Remote]:
        """Return the remotes of this registry, the one that gives the order first.

        Each has a name, a URL, and says how many changes it lacks (``waiting``), as far as that is
        known here: nothing is asked of it.
        """
        return operations.remotes.names.ls(self._opened(make=False))

    @classmethod
    def clone(
        cls,
        url: str | os.PathLike[str],
        directory: str | os.PathLike[str],
        *,
        blobs: bool = False,
        durability: Durability | None = None,
    ) -> Registry:
        """Make a registry in a directory that has all that a remote has, and open it.

        The remote is called ``origin`` there. A clone that was interrupted goes on when it is
        called again.

        Args:
            url: of the remote: ``s3://``, ``gs://``, ``az://``, ``file://``, or a path.
            directory: a new one, or an empty one.
            blobs: download the bytes of all models now; else they come when they are needed.
            durability: as for the constructor.

        Raises:
            NotFoundError: (a LookupError) there is no remote.
            PathExistsError: (an OSError) something is in the directory.
            RemoteError, MissingPackageError: as for `push`.
        """
        kept = ambient.default_durability() if durability is None else durability
        with shown_progress("Cloning") as progress:
            done = operations.remotes.cloning.clone(
                url,
                directory,
                blobs=check_flag("blobs", blobs),
                durability=kept,
                progress=progress,
            )
        return cls(done.path, durability=kept)

    def close(self) -> None:
        """Close the registry; from then on its models and tasks raise ClosedRegistryError.

        Tasks that this process runs in it are completed, and the pages of new reports written.
        """
        if self._found_chain is None:
            return
        self._end_task(None)
        if self._chain.first.store.has_reported():
            operations.reports.pages.write_reported(self._chain)
        ambient.forget(self._chain)
        self._chain.close()

    def _end_task(self, error: BaseException | None) -> None:
        """End the tasks that this process runs in this registry: failed if there is an error."""
        for chain, task_id in ambient.tasks():
            if chain is self._chain:
                from localreg.api.tasks import exit_hooks

                reason = None if error is None else exit_hooks.reason_of(error)
                exit_hooks.end(chain, task_id, "failed" if error else "completed", reason)

    def _found(self, argument: str, model: object) -> Found:
        """Return a model of this or an upstream registry, given as a model or a reference."""
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
    """Open a registry, and make it current until it is closed or another one becomes current.

    Args:
        path, durability, readonly: as for `Registry`.

    Raises:
        RegistryError: (an OSError) it cannot be opened.
    """
    registry = Registry(path, durability=durability, readonly=readonly)
    ambient.choose(registry._chain)
    return registry


def current_registry() -> Registry:
    """Return the current registry; see `Registry`. The first call that writes makes it.

    Raises:
        RegistryError: (an OSError) it cannot be opened.
    """
    registry = Registry.__new__(Registry)
    registry._open = ambient.current
    registry._found_chain = _if_any(ambient.current)
    return registry


def _if_any(open_it: Callable[..., Chain]) -> Chain | None:
    try:
        return open_it(make=False)
    except NoRegistryError:
        return None


def _paths(argument: str, paths: object) -> Sequence[object]:
    """Return a list of paths."""
    from collections.abc import Sequence

    if isinstance(paths, (str, bytes, os.PathLike)) or not isinstance(paths, Sequence):
        raise InvalidValueError(
            f"{argument} must be a list of paths, not {type(paths).__name__}", argument=argument
        )
    return paths
