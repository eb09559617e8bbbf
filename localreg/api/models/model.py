"""`Model`: a handle on one model of a registry."""

from __future__ import annotations

from localreg import log, operations
from localreg.api import ambient
from localreg.api.models.changes import Changes
from localreg.api.models.found import RecordMethods
from localreg.api.models.local_copies import WeightsMethods
from localreg.api.models.metadata import MetadataMethods
from localreg.api.models.model_handle import ModelHandle
from localreg.api.reports.report_methods import ReportMethods
from localreg.api.reports.reported_methods import ReportedMethods
from localreg.errors import InvalidValueError, LocalregError
from localreg.values.checks import check_flag
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeVar

    from localreg.api.registry import Registry
    from localreg.operations.finding.upstream import Found
    from localreg.operations.models.lineage import Family
    from localreg.operations.weights.files import ModelFile
    from localreg.registry import Chain
    from localreg.values.summaries import ModelSummary

    AnyModel = TypeVar("AnyModel", bound="Model")


class Model(MetadataMethods, WeightsMethods, ModelHandle, ReportMethods, ReportedMethods):
    """One model of a registry.

    Args:
        model_id: its id.
        registry: the registry that has it; the current one if None.

    Raises:
        ModelNotFoundError: (also a ValueError) no model has this id.

    Source: ClearML's ``Model``, and the properties of the InputModel page.
    """

    __slots__ = ()

    def __init__(self, model_id: str, *, registry: Registry | None = None) -> None:
        self._chain = open_of(registry)
        self._subject = operations.finding.references.find_model(self._chain, model_id)

    def __repr__(self) -> str:
        subject = getattr(self, "_subject", None)  # unset if the constructor raised an error
        return f"{type(self).__name__}({'not found' if subject is None else repr(subject.id)})"

    def _repr_html_(self) -> str:
        from localreg.api.models.notebook import model_html, shown_or_why
        from localreg.values.units import amount_text

        def html() -> str:
            if self._chain is None:
                return "<em>an empty model, in no registry</em>"
            details = operations.models.details.model_details(*self._place())
            (summary,) = FoundModels([self]).records()
            size = amount_text(details.weights.bytes, details.files)
            return model_html(summary, size, details.inside[0] if details.inside else "")

        return shown_or_why(html)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self._subject == other._subject

    def __hash__(self) -> int:
        return hash((type(self._subject), self.id))

    @property
    def name(self) -> str:
        """The model's name. A model that is renamed becomes the next version of the new name."""
        return self._row().name

    @name.setter
    def name(self, name: str) -> None:
        found = self._found()
        operations.models.edits.rename(found.registry, found.id, name)

    @property
    def project(self) -> str | None:
        """Id of the model's project, None without one. It can be set to an id or a name."""
        project = self._row().project
        return None if project is None else project.id

    @project.setter
    def project(self, project: str | None) -> None:
        found = self._found()
        operations.models.edits.move(found.registry, found.id, project)

    @property
    def project_name(self) -> str | None:
        """Name of the model's project, None without one."""
        project = self._row().project
        return None if project is None else project.name

    @property
    def comment(self) -> str | None:
        """The comment, or description, of the model; None without one."""
        return self._row().comment

    @comment.setter
    def comment(self, comment: str | None) -> None:
        found = self._found()
        operations.models.edits.set_comment(found.registry, found.id, comment)

    @property
    def tags(self) -> list[str]:
        """The tags, sorted. Set it to replace them all; changing the list changes nothing."""
        return self._tags(system=False)

    @tags.setter
    def tags(self, tags: Sequence[str]) -> None:
        found = self._found()
        operations.models.edits.set_tags(found.registry, found.id, tags)

    @property
    def system_tags(self) -> list[str]:
        """The system tags, sorted. "archived" and "package" are states of the model."""
        return self._tags(system=True)

    @system_tags.setter
    def system_tags(self, tags: Sequence[str]) -> None:
        found = self._found()
        operations.models.edits.set_system_tags(found.registry, found.id, tags)

    @property
    def config_text(self) -> str:
        """The configuration as text, "" without one."""
        return self._config()

    @property
    def config_dict(self) -> dict[str, object]:
        """The configuration read as JSON, TOML, INI, prototxt, YAML or HOCON; ``{}`` without one.

        Raises:
            ConfigTextError: (a ValueError) it cannot be read as any of these.
        """
        from localreg.values.config_text import text_to_config

        return text_to_config(self._config())  # type: ignore[return-value]  # a list, when the text is one

    @property
    def labels(self) -> dict[str, int]:
        """The label enumeration, ``{label: integer}``."""
        return self._labels()

    @property
    def framework(self) -> str | None:
        """The framework of the weights, such as ``"PyTorch"``; None if unknown."""
        return self._row().framework

    @property
    def task(self) -> str | None:
        """Id of the task that last took the model as input, else of the task that made it."""
        return self._last_task()

    @property
    def original_task(self) -> str | None:
        """Id of the task that made the model; None for an imported one."""
        return self._row().task

    @property
    def url(self) -> str | None:
        """URL of the weights; for weights that only the registry has, that of its own copy.

        If the registry gives out signed weights only (the setting ``trust.mode``), a URL of this
        machine raises TrustError for others.
        """
        return self._url()

    @property
    def published(self) -> bool:
        """True if the model is published."""
        return self._row().published

    @property
    def archived(self) -> bool:
        """True if the model is archived."""
        return self._row().archived

    @property
    def archived_tag(self) -> str:
        """The system tag of archived models."""
        return "archived"

    def get_offline_mode_folder(self) -> None:
        """Return None: models are in the registry, also without a network."""

    @property
    def version(self) -> int:
        """Its number among the models of one project and name, from 1."""
        return self._stored_row().version

    @property
    def ref(self) -> str:
        """The reference to it, ``project/name:version``."""
        return self._stored_row().ref

    @property
    def aliases(self) -> list[str]:
        """The aliases that point to it, sorted; also those that are held by a gate."""
        return operations.models.reading.aliases(self._found())

    @property
    def digest(self) -> str | None:
        """sha256 of the weights, as 64 hex digits; None if it is not known yet.

        Of a package it is the digest of its manifest: the list of its files with their digests.
        """
        found = operations.weights.local_copies.current(self._found())
        return None if found is None else found.digest

    @property
    def size(self) -> int | None:
        """Size of the weights in bytes, of a package that of all files; None if not known yet."""
        found = operations.weights.local_copies.current(self._found())
        return None if found is None else found.bytes

    @property
    def files(self) -> tuple[ModelFile, ...]:
        """The files of the weights, by path: one, or those of a package; () if not known yet.

        Each has `path`, `size` in bytes, `digest` (sha256), `executable`, `facts` (what its
        headers say, as a dict) and `inside` (the same as lines of text).

        >>> with Registry(path / "files", durability="fast") as registry:
        ...     (path / "bert").mkdir()
        ...     _ = (path / "bert" / "config.json").write_text("{}")
        ...     model = registry.add(path / "bert")
        ...     [(each.path, each.size) for each in model.files]
        [('config.json', 2)]
        """
        found = operations.weights.files.model_files(*self._place())
        return () if found is None else found.files

    def add_tags(self, *tags: str) -> None:
        """Add tags; a tag that the model has is no error.

        Raises:
            InvalidValueError: (a ValueError) a tag cannot be used.
        """
        found = self._found()
        operations.models.edits.edit_tags(found.registry, found.id, add=tags)

    def remove_tags(self, *tags: str) -> None:
        """Remove tags; a tag that the model does not have is no error.

        Raises:
            InvalidValueError: (a ValueError) a tag cannot be used.
        """
        found = self._found()
        operations.models.edits.edit_tags(found.registry, found.id, drop=tags)

    @classmethod
    def query_models(
        cls,
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
        registry: Registry | None = None,
    ) -> FoundModels:
        """Return the models that match all filters, the one updated last first.

        Args:
            project_name: exact name; a project that does not exist has no models.
            model_name: exact name.
            tags: any of these, without those that a ``-`` precedes; or with operators, see
                `localreg guide tag-filters`.
            only_published: only published models.
            include_archived: also archived models.
            max_results: the most models to return, 1 or more.
            metadata: ``{key: value}``, compared as text; or ``{key: (">", 0.9)}`` with one of
                ``== != > >= < <=``, or a list of such pairs, which must all hold.
            order_by: "updated" or "created", newest first; "name", A to Z;
                ``"metrics.TITLE/SERIES"``, by the last value of a scalar series, or
                ``"metrics.NAME"``, by a single value: the best first. The best is the greatest,
                unless the name suggests that less is better ("loss", "error").
                ``"parameters.Section/name"`` and ``"metadata.KEY"``: the greatest number first,
                and texts last. "-" in front puts the greatest first, "+" the least. Models
                without such a value, or with NaN, are not returned. For a metric that a model
                lacks, that of the task that made it counts.
            metrics, parameters: as `metadata`, of the last values of metrics, which are numbers,
                and of the parameters of the task that made the model.
            registry: where to look; the current registry if None.

        Returns:
            A list, with ``.records()``, ``.to_records()`` and ``.to_pandas()``.

        Raises:
            TagFilterError: (a ValueError) the tags are malformed.
            InvalidValueError: (a ValueError) another filter cannot be used.

        >>> for name, value in (("a", 0.5), ("b", 0.9)):
        ...     model = InputModel.import_model(f"s3://bucket/{name}.pt", name=name)
        ...     model.report_scalar("val", "acc", value, 1)
        >>> [model.name for model in Model.query_models(order_by="metrics.val/acc")]
        ['b', 'a']

        Source: ``query_models`` of the InputModel page; `order_by` is localreg's own.
        """
        return found_models(
            open_of(registry),
            project=project_name,
            name=model_name,
            tags=tags,
            metadata=metadata,
            metrics=metrics,
            parameters=parameters,
            published=only_published,
            archived=include_archived,
            limit=max_results,
            order=order_by,
        )

    @classmethod
    def remove(
        cls,
        model: str | Model,
        delete_weights_file: bool = True,
        force: bool = False,
        raise_on_errors: bool = False,
        *,
        registry: Registry | None = None,
    ) -> bool:
        """Remove a model; `localreg restore` restores its record.

        Args:
            model: a model, or its id.
            delete_weights_file: also delete the bytes that the registry has for this model only.
                A file that the model only refers to is never deleted.
            force: remove it also if tasks need it.
            raise_on_errors: raise an error, instead of a warning and False.
            registry: the registry that has it; the current one if None.

        Returns:
            True if everything was deleted; False if not: a warning says why.

        Raises:
            ModelNotFoundError, ModelInUseError: (ValueErrors) with `raise_on_errors`.

        Source: ``remove`` of the InputModel page.
        """
        raising = check_flag("raise_on_errors", raise_on_errors)
        delete = check_flag("delete_weights_file", delete_weights_file)
        forced = check_flag("force", force)
        try:
            found = _found(model, registry)
            removed = operations.models.removal.remove_model(
                found.registry, found.id, delete_weights=delete, force=forced
            )
            gone = removed.complete
            page = Owner("model", found.id)
            operations.reports.page_links.delete_page(found.registry, page)
        except (LookupError, ValueError) as error:
            if raising or not isinstance(error, LocalregError):
                raise
            log.warning("the model was not removed: %s", error)
            return False
        if raising and not gone:
            raise InvalidValueError(
                f"model {found.id} was removed, but not all of its weights could be deleted; the "
                "log says why",
                argument="model",
            )
        return gone

    def publish(self) -> None:
        """Publish the model: weights, configuration and labels are fixed from here on.

        Raises:
            ModelNotFoundError: the model is gone.
        """
        found = self._found()
        operations.models.edits.publish(found.registry, found.id)

    def archive(self) -> None:
        """Archive the model: queries omit it unless they include archived models.

        Raises:
            ModelNotFoundError: the model is gone.
        """
        found = self._found()
        operations.models.edits.set_archived(found.registry, found.id, True)

    def unarchive(self) -> None:
        """Take the model out of the archive.

        Raises:
            ModelNotFoundError: the model is gone.
        """
        found = self._found()
        operations.models.edits.set_archived(found.registry, found.id, False)

    def history(self, limit: int | None = None) -> Changes:
        """Return every change of the model, newest first: a list of `HistoryEntry`.

        Args:
            limit: at most so many.
        """
        found = self._found()
        return Changes(operations.models.history.history(found.registry, found.id, limit))

    def lineage(self) -> Family:
        """Return the model's relatives; printed, they are a tree.

        They are its parent and children, the task that made it and what that took, the tasks that
        take it and what they made, and its other versions; at most a dozen of each kind.

        Raises:
            ModelNotFoundError: the model is gone.

        >>> base = InputModel.import_model("s3://bucket/base.pt", name="base")
        >>> task = Task.create(task_name="train")
        >>> base.connect(task, name="backbone")
        >>> base.lineage()
        base:1  ...
        └─ taken as 'backbone' by task train  ...
        """
        return operations.models.lineage.lineage(*self._place())


class FoundModels(list[Model], RecordMethods):
    """The models that a query found: a list, shown as a table in a notebook."""

    __slots__ = ()

    def records(self) -> list[ModelSummary]:
        """Return what lists show of the models, in a few statements for all of them.

        Each record has the attributes id, ref, project, name, version, tags, aliases, framework,
        published, archived, package, comment, task, parent, url, digest, size, created, updated,
        ``metrics`` (by name, each with last, low, high, points and single), ``parameters`` and
        ``metadata`` (dicts). A model has the parameters of the task that made it, and for each
        metric that it lacks that of this task. Secrets are hidden. Models that were removed since
        the query are missing.

        >>> model = InputModel.import_model("s3://bucket/r.pt", name="r")
        >>> model.report_single_value("f1", 0.5)
        >>> (record,) = Model.query_models(model_name="r").records()
        >>> record.ref, record.metrics["f1"].last
        ('r:1', 0.5)
        """
        if not self:
            return []
        chain = self[0]._place()[0]
        return operations.finding.summaries.model_summaries(chain, [each._found() for each in self])

    def _repr_html_(self) -> str:
        from localreg.api.models.notebook import SHOWN, models_html, shown_or_why

        shown = FoundModels(self[:SHOWN])
        return shown_or_why(lambda: models_html(shown.records(), len(self) - len(shown)))


def found_models(chain: Chain, **filters: object) -> FoundModels:
    """Return the models that match some filters, see `operations.finding.queries.check_query`."""
    query = operations.finding.queries.check_query(**filters)
    found = operations.finding.upstream.search(chain, query)
    if not found:
        operations.finding.unknown_values.warn_of_unknown(chain, "model", query.order)
    return FoundModels(handle(Model, chain, each) for each in found)


def open_of(registry: Registry | None, *, make: bool = False) -> Chain:
    """Return the chain of a `Registry`, or of the current one for None.

    Args:
        registry: what was given.
        make: True for a call that writes: it makes the registry if there is none.

    Raises:
        InvalidValueError: it is no registry.
        NoRegistryError: there is none.
    """
    if registry is None:
        return ambient.current(make=make)
    opened = getattr(registry, "_opened", None)
    chain: Chain | None = None if opened is None else opened(make=make)
    if chain is None:
        raise InvalidValueError(
            f"registry must be a Registry, not {type(registry).__name__}", argument="registry"
        )
    return chain


def handle(kind: type[AnyModel], chain: Chain, found: Found) -> AnyModel:
    """Return a handle of a kind on a model that is known to exist."""
    model = kind.__new__(kind)
    model._chain, model._subject = chain, found
    return model


def _found(model: str | Model, registry: Registry | None) -> Found:
    if not isinstance(model, Model):
        return operations.finding.references.find_model(open_of(registry), model)
    found = model._found()
    if registry is not None and found.registry not in open_of(registry).registries:
        raise InvalidValueError(
            f"the model belongs to {found.registry.root}, and the registry is "
            f"{open_of(registry).first.root}",
            argument="registry",
        )
    return found
