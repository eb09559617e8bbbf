"""`Dataset`: versions of collections of files, with the methods of ClearML's `Dataset`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from localreg import log, operations
from localreg.api import ambient
from localreg.api.datasets.entries import FileEntry, LinkEntry
from localreg.api.models.model import open_of
from localreg.api.models.model_handle import ModelHandle
from localreg.api.not_supported import refusing
from localreg.errors import ConflictError, InvalidValueError, LocalregError, NotSupportedError
from localreg.operations.finding.upstream import Found
from localreg.progress import shown_progress
from localreg.values import dataset_names, datasets
from localreg.values.checks import check_flag, check_name, is_empty
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from localreg.api.datasets.dataset_logger import DatasetLogger
    from localreg.api.registry import Registry
    from localreg.operations.datasets.changes import Changed
    from localreg.operations.datasets.contents import Files
    from localreg.operations.datasets.looking import DatasetRow
    from localreg.registry import Chain


@refusing
class Dataset(ModelHandle):
    """A version of a data set, from `Dataset.create` or `Dataset.get`.

    Its files are kept in the registry: equal bytes once, however many versions have them. Until it
    is finalized its files may be changed, from several processes too; afterwards they never change.

    >>> _ = (path / "labels.csv").write_text("cat,dog")
    >>> dataset = Dataset.create(dataset_name="pets", dataset_project="vision")
    >>> dataset.add_files(path / "labels.csv")
    1
    >>> dataset.upload()
    >>> dataset.finalize()
    True
    >>> same = Dataset.get(dataset_project="vision", dataset_name="pets")
    >>> same.version, same.list_files()
    ('1.0.0', ['labels.csv'])

    Source: ClearML's ``Dataset``.
    """

    __slots__ = ("_destination",)

    _destination: str | None  # where this object uploads to, besides the registry

    def __init__(self) -> None:
        raise InvalidValueError(
            "Dataset() cannot be called; use Dataset.create or Dataset.get", argument="Dataset"
        )

    @classmethod
    def _of(cls, chain: Chain, found: Found) -> Dataset:
        """Return a handle on a data set that exists."""
        made = cls.__new__(cls)
        made._chain, made._subject, made._destination = chain, found, None
        return made

    def __repr__(self) -> str:
        subject = getattr(self, "_subject", None)  # unset if the constructor raised an error
        return f"Dataset({'not found' if subject is None else repr(subject.id)})"

    def _repr_html_(self) -> str:
        from localreg.api.models.notebook import facts_html, shown_or_why
        from localreg.values.units import amount_text

        def html() -> str:
            row, files = self._dataset_row(), self.file_entries
            return facts_html(
                [
                    ("data set", row.ref),
                    ("id", self.id),
                    ("status", row.status),
                    ("tags", " ".join(self.tags)),
                    ("files", amount_text(sum(each.size or 0 for each in files), len(files))),
                    ("description", self.description or ""),
                ]
            )

        return shown_or_why(html)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dataset) and self._subject == other._subject

    def __hash__(self) -> int:
        return hash(self.id)

    def _dataset_row(self) -> DatasetRow:
        return operations.datasets.looking.row(self._found())

    def _files(self) -> Files:
        return operations.datasets.contents.contents(*self._place())

    # Make and find

    @classmethod
    def create(
        cls,
        dataset_name: str | None = None,
        dataset_project: str | None = None,
        dataset_tags: Sequence[str] | None = None,
        parent_datasets: Sequence[str | Dataset] | None = None,
        use_current_task: bool = False,
        dataset_version: str | None = None,
        output_uri: str | os.PathLike[str] | None = None,
        description: str | None = None,
        *,
        registry: Registry | None = None,
    ) -> Dataset:
        """Return a new version of a data set, which has the files of its parents.

        Args:
            dataset_name: its name; if None, that of the current task.
            dataset_project: its project; if None, that of the current task, else that of the last
                parent.
            dataset_tags: its tags.
            parent_datasets: ids or data sets that are finalized. Of two files of one path, that of
                the later parent counts.
            use_current_task: the current task is one of data processing.
            dataset_version: its version; if None, the one after the highest of this name, or
                "1.0.0".
            output_uri: where `upload` uploads to, besides the registry.
            description: a text.
            registry: the registry to make it in; the current one if None.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be used, there is no name or
                project, or a parent is not finalized.
            ModelNotFoundError: (a ValueError) there is no such parent.

        Source: ``Dataset.create`` of the ClearML SDK. There each data set is a task; here it is a
        record of its own, and the task that makes it is known.
        """
        chain = open_of(registry, make=True)
        destination = operations.datasets.recording.check_storage("output_uri", output_uri)
        parents = _found_all(chain, "parent_datasets", parent_datasets)
        task = _current_task(chain)
        of_task = check_flag("use_current_task", use_current_task) or (
            dataset_name is None and dataset_project is None
        )
        made = operations.datasets.recording.create_dataset(
            chain,
            name=dataset_name,
            project=dataset_project,
            tags=dataset_tags,
            parents=parents,
            version=dataset_version,
            description=description,
            task=task,
            of_task=of_task,
        )
        dataset = cls._of(chain, Found(chain.first, made))
        dataset._destination = destination
        return dataset

    @classmethod
    def get(
        cls,
        dataset_id: str | None = None,
        dataset_project: str | None = None,
        dataset_name: str | None = None,
        dataset_tags: Sequence[str] | None = None,
        only_completed: bool = False,
        only_published: bool = False,
        include_archived: bool = False,
        auto_create: bool = False,
        writable_copy: bool = False,
        dataset_version: str | None = None,
        alias: str | None = None,
        overridable: bool = False,
        shallow_search: bool = False,
        silence_alias_warnings: bool = False,
        *,
        registry: Registry | None = None,
    ) -> Dataset:
        """Return a data set: of several versions the highest.

        The current task gets it as an input. With an alias, it also gets the parameter
        ``Datasets/ALIAS``, whose value is the id.

        Args:
            dataset_id: its id; then no project and name may be given.
            dataset_project, dataset_name, dataset_version: exact.
            dataset_tags: it must have all of them.
            only_completed: only one that is finalized.
            only_published: only one that is published.
            include_archived: also archived ones.
            auto_create: make it if there is none.
            writable_copy: return a new version that has it as its parent.
            alias: what the current task calls it.
            overridable: when the task is run again, the value of its parameter ``Datasets/ALIAS``
                says which data set is used.
            shallow_search, silence_alias_warnings: ignored.
            registry: where to look; the current one if None.

        Raises:
            ModelNotFoundError: (a ValueError) there is none.
            InvalidValueError: (a ValueError) nothing is given to look for, or too much.

        Source: ``Dataset.get`` of the ClearML SDK.
        """
        chain = open_of(registry, make=check_flag("auto_create", auto_create))
        called = None if alias is None or is_empty(alias) else check_name("alias", alias)
        wanted = operations.datasets.looking.check_wanted(
            project=dataset_project,
            name=dataset_name,
            version=dataset_version,
            tags=dataset_tags,
            completed=check_flag("only_completed", only_completed),
            published=check_flag("only_published", only_published),
            archived=check_flag("include_archived", include_archived),
        )
        given = not (dataset_id is None or is_empty(dataset_id))
        if given and (wanted.project is not None or wanted.name is not None):
            raise InvalidValueError(
                "give either dataset_id, or dataset_project and dataset_name; not both",
                argument="dataset_id",
            )
        if not given and (wanted.project, wanted.name, wanted.tags) == (None, None, ()):
            raise InvalidValueError(
                "give a dataset_id, or dataset_project, dataset_name or dataset_tags",
                argument="dataset_id",
            )
        task = _current_task(chain)
        found: Found | None = None
        may_be_other = check_flag("overridable", overridable)
        if called and task and may_be_other and ambient.task_to_run_again() == task:
            other = operations.datasets.recording.overridden(chain, task, called)
            if other is not None:
                found = operations.datasets.looking.by_id(chain, other)
        if found is None and given:
            found = operations.datasets.looking.by_id(chain, dataset_id)
        if found is None:
            best = operations.datasets.looking.best(chain, wanted)
            found = None if best is None else best[0]
        if found is None:
            if not auto_create:
                raise operations.datasets.looking.missing(chain, wanted)
            dataset = cls.create(
                dataset_name, dataset_project, dataset_tags, dataset_version=dataset_version,
                registry=registry,
            )  # fmt: skip
        else:
            dataset = cls._of(chain, found)
        if found is not None and check_flag("writable_copy", writable_copy):
            dataset = cls.create(
                dataset.name, dataset.project, dataset.tags, [dataset], registry=registry
            )
        if task is not None and not chain.first.store.readonly:
            operations.datasets.recording.note_use(chain, task, dataset.id, called, dataset.name)
        return dataset

    @classmethod
    def list_datasets(
        cls,
        dataset_project: str | None = None,
        partial_name: str | None = None,
        tags: Sequence[str] | None = None,
        ids: Sequence[str] | None = None,
        only_completed: bool = True,
        recursive_project_search: bool = True,
        include_archived: bool = True,
        *,
        registry: Registry | None = None,
    ) -> list[dict[str, object]]:
        """Return the versions of data sets that match, the last changed first.

        Args:
            dataset_project: of this project.
            partial_name: a regular expression that a part of the name matches.
            tags: with at least one of them.
            ids: only these.
            only_completed: only finalized ones.
            recursive_project_search: also those of projects below the project.
            include_archived: also archived ones.
            registry: where to look; the current one if None.

        Returns:
            Dicts with "name", "created" (in UTC), "project", "id", "tags", "version" and "status".

        Source: ``Dataset.list_datasets`` of the ClearML SDK.
        """
        from datetime import UTC, datetime

        rows = operations.datasets.looking.listed(
            open_of(registry),
            project=dataset_project,
            partial_name=partial_name,
            tags=tags,
            ids=ids,
            completed=check_flag("only_completed", only_completed),
            recursive=check_flag("recursive_project_search", recursive_project_search),
            archived=check_flag("include_archived", include_archived),
        )
        return [
            {
                "name": each.name,
                "created": datetime.fromtimestamp(each.created / 1_000_000, UTC),
                "project": each.shown_project,
                "id": each.id,
                "tags": list(each.tags),
                "version": each.version,
                "status": each.status,
            }
            for each in rows
        ]

    @classmethod
    def squash(
        cls,
        dataset_name: str,
        dataset_ids: Sequence[str | Dataset] | None = None,
        dataset_project_name_pairs: Sequence[tuple[str, str]] | None = None,
        output_url: str | None = None,
        close_squashed_dataset: bool | None = True,
        *,
        registry: Registry | None = None,
    ) -> Dataset:
        """Return a new data set that has the files of others; no bytes are copied.

        Of one data set it has all files, and no parent. Of several it has what each of them added,
        of which later ones replace earlier ones, and the parents that they all have.

        Args:
            dataset_name: its name; its project is that of the first.
            dataset_ids: ids or data sets.
            dataset_project_name_pairs: (project, name) of each instead.
            output_url: as in `upload`.
            close_squashed_dataset: upload and finalize it.
            registry: the registry; the current one if None.

        Source: ``Dataset.squash`` of the ClearML SDK.
        """
        chain = open_of(registry, make=True)
        if (dataset_ids is None) == (dataset_project_name_pairs is None):
            raise InvalidValueError(
                "give either dataset_ids or dataset_project_name_pairs", argument="dataset_ids"
            )
        if dataset_ids is not None:
            found = _found_all(chain, "dataset_ids", dataset_ids)
        else:
            found = [
                _best(chain, project=project, name=name)
                for project, name in _pairs(dataset_project_name_pairs)
            ]
        destination = operations.datasets.recording.check_storage("output_url", output_url)
        made = operations.datasets.edits.squashed(
            chain, dataset_name, found, task=_current_task(chain)
        )
        dataset = cls._of(chain, Found(chain.first, made))
        dataset._destination = destination
        if check_flag("close_squashed_dataset", close_squashed_dataset):
            dataset.upload()
            dataset.finalize()
        return dataset

    @classmethod
    def delete(
        cls,
        dataset_id: str | None = None,
        dataset_project: str | None = None,
        dataset_name: str | None = None,
        force: bool = False,
        dataset_version: str | None = None,
        entire_dataset: bool = False,
        shallow_search: bool = False,
        delete_files: bool = True,
        delete_external_files: bool = False,
        *,
        registry: Registry | None = None,
    ) -> None:
        """Remove a version of a data set, or all of them; their history stays.

        Args:
            dataset_id: its id; else project, name and version say it.
            dataset_project, dataset_name, dataset_version: exact.
            force: also if tasks or other data sets use it.
            entire_dataset: all versions of the name; needs `force`.
            shallow_search: ignored.
            delete_files: also delete bytes that nothing else needs.
            delete_external_files: not supported: files that links lead to are not the registry's.
            registry: the registry; the current one if None.

        Raises:
            ModelNotFoundError: (a ValueError) there is none.
            ModelInUseError: (a ValueError) a task or data set uses it; nothing was changed.
            InvalidValueError: (a ValueError) several match.

        Source: ``Dataset.delete`` of the ClearML SDK, which logs errors instead.
        """
        if check_flag("delete_external_files", delete_external_files):
            raise NotSupportedError(
                "Dataset.delete(delete_external_files=True) is not supported: localreg never "
                "deletes files that it did not make; delete what link_entries name yourself",
                name="Dataset.delete(delete_external_files=True)",
            )
        given = not (dataset_id is None or is_empty(dataset_id))
        wanted = operations.datasets.looking.check_wanted(
            project=dataset_project, name=dataset_name, version=dataset_version
        )
        if given == (wanted.project is not None or wanted.name is not None):
            raise InvalidValueError(
                "give either dataset_id, or dataset_project and dataset_name",
                argument="dataset_id",
            )
        operations.datasets.edits.remove_datasets(
            open_of(registry),
            dataset_id=dataset_id if given else None,
            wanted=wanted,
            entire=check_flag("entire_dataset", entire_dataset),
            force=check_flag("force", force),
            delete_files=check_flag("delete_files", delete_files),
        )

    @classmethod
    def rename(
        cls,
        new_dataset_name: str,
        dataset_project: str,
        dataset_name: str,
        *,
        registry: Registry | None = None,
    ) -> None:
        """Rename a data set with all its versions.

        Raises:
            ModelNotFoundError: (a ValueError) there is none.
            ConflictError: (a ValueError) another one has this name.

        Source: ``Dataset.rename`` of the ClearML SDK.
        """
        operations.datasets.edits.move_datasets(
            open_of(registry),
            dataset_project,
            dataset_name,
            to_name=check_name("new_dataset_name", new_dataset_name),
        )

    @classmethod
    def move_to_project(
        cls,
        new_dataset_project: str,
        dataset_project: str,
        dataset_name: str,
        *,
        registry: Registry | None = None,
    ) -> None:
        """Move a data set with all its versions to another project.

        Raises:
            ModelNotFoundError: (a ValueError) there is none.
            ConflictError: (a ValueError) one of this name is there already.

        Source: ``Dataset.move_to_project`` of the ClearML SDK.
        """
        operations.datasets.edits.move_datasets(
            open_of(registry), dataset_project, dataset_name, to_project=new_dataset_project
        )

    # What it is

    @property
    def name(self) -> str:
        """Its name."""
        return self._dataset_row().name

    @property
    def project(self) -> str:
        """The name of its project; "" without one."""
        return self._dataset_row().shown_project

    @property
    def version(self) -> str | None:
        """Its version, such as "1.0.0". It can be set until the data set is finalized."""
        return self._dataset_row().version

    @version.setter
    def version(self, version: str) -> None:
        found = self._found()
        operations.datasets.recording.set_version(found.registry, found.id, version)

    @property
    def tags(self) -> list[str]:
        """Its tags, sorted. Set it to replace them all."""
        return self._tags(system=False)

    @tags.setter
    def tags(self, values: Sequence[str] | None) -> None:
        found = self._found()
        operations.models.edits.set_tags(found.registry, found.id, values or [])

    def add_tags(self, tags: Sequence[str] | str) -> None:
        """Add a tag or tags."""
        found = self._found()
        added = [tags] if isinstance(tags, str) else tags
        operations.models.edits.edit_tags(found.registry, found.id, add=added)

    def set_description(self, description: str) -> None:
        """Set its description."""
        found = self._found()
        checked = operations.datasets.recording.check_description(description)
        operations.models.edits.set_comment(found.registry, found.id, checked)

    @property
    def description(self) -> str | None:
        """Its description; None without one. ClearML has no property for it."""
        return self._dataset_row().comment

    @property
    def file_entries(self) -> list[FileEntry]:
        """Its files that are no links, by path."""
        return list(self.file_entries_dict.values())

    @property
    def link_entries(self) -> list[LinkEntry]:
        """Its files that are outside the registry, by path."""
        return list(self.link_entries_dict.values())

    @property
    def file_entries_dict(self) -> Mapping[str, FileEntry]:
        """Its files that are no links, by path. Changing the dict changes nothing."""
        files = {path: each for path, each in self._files().items() if each.link is None}
        made = operations.datasets.contents.makers(*self._place(), files)
        return {
            path: FileEntry(
                relative_path=path, hash=each.digest, parent_dataset_id=made[path], size=each.size
            )
            for path, each in files.items()
        }

    @property
    def link_entries_dict(self) -> Mapping[str, LinkEntry]:
        """Its files that are outside the registry, by path. Changing the dict changes nothing."""
        files = {path: each for path, each in self._files().items() if each.link is not None}
        made = operations.datasets.contents.makers(*self._place(), files)
        return {
            path: LinkEntry(
                link=each.link or "",
                relative_path=path,
                parent_dataset_id=made[path],
                size=each.size,
                hash=each.digest,
            )
            for path, each in files.items()
        }

    @property
    def changed_files(self) -> dict[str, int]:
        """How many files were changed: "files added", "files removed" and "files modified".

        Of a finalized data set, since its parents.
        """
        found = operations.datasets.contents.sums(*self._place())
        return dict(zip(("files added", "files removed", "files modified"), found, strict=True))

    def list_files(
        self,
        dataset_path: str | None = None,
        recursive: bool = True,
        dataset_id: str | None = None,
    ) -> list[str]:
        """Return the paths of its files, sorted.

        Args:
            dataset_path: a pattern, such as ``folder/*.json``; None for all.
            recursive: the last part of the pattern may be at any depth.
            dataset_id: only those that this version added as they are.

        Source: ``Dataset.list_files`` of the ClearML SDK.
        """
        files = self._files()
        paths = list(files)
        if dataset_id is not None:
            wanted = check_name("dataset_id", dataset_id)
            made = operations.datasets.contents.makers(*self._place(), files)
            paths = [path for path in paths if made[path] == wanted]
        patterns = operations.datasets.changes.check_patterns("dataset_path", dataset_path)
        if patterns is None:
            return sorted(paths)
        cut = tuple(each.removeprefix("/") for each in patterns)
        deep = check_flag("recursive", recursive)
        return sorted(path for path in paths if datasets.matches(path, cut, recursive=deep))

    def list_added_files(self, dataset_id: str | None = None) -> list[str]:
        """Return the paths of files that another data set does not have.

        Args:
            dataset_id: the id of the other one; if None, the parents.
        """
        compared = operations.datasets.contents.compared(*self._place(), dataset_id)
        return list(compared.added)

    def list_modified_files(self, dataset_id: str | None = None) -> list[str]:
        """Return the paths of files that are different in another data set.

        Args:
            dataset_id: the id of the other one; if None, the parents.
        """
        compared = operations.datasets.contents.compared(*self._place(), dataset_id)
        return list(compared.modified)

    def list_removed_files(self, dataset_id: str | None = None) -> list[str]:
        """Return the paths of files that only another data set has.

        Args:
            dataset_id: the id of the other one; if None, the parents.
        """
        compared = operations.datasets.contents.compared(*self._place(), dataset_id)
        return list(compared.removed)

    def get_dependency_graph(self) -> dict[str, list[str]]:
        """Return the ids of the parents of this data set and of all it comes from, by id."""
        found = operations.datasets.contents.graph(*self._place())
        return {each: list(parents) for each, parents in found.items()}

    def get_num_chunks(self, include_parents: bool = True) -> int:
        """Return how many zips of 512 MB ClearML would store; here each file is kept by itself.

        Args:
            include_parents: also count those of its parents.
        """
        return operations.datasets.copies.chunks(
            *self._place(), parents=check_flag("include_parents", include_parents)
        )

    def is_final(self) -> bool:
        """Return True if it is finalized: its files never change again."""
        return self._dataset_row().status != dataset_names.OPEN

    def is_dirty(self) -> bool:
        """Return True if files were changed since the last `upload`."""
        return operations.datasets.finishing.is_dirty(self._found())

    # Change its files

    def add_files(
        self,
        path: str | os.PathLike[str],
        wildcard: str | Sequence[str] | None = None,
        local_base_folder: str | os.PathLike[str] | None = None,
        dataset_path: str | None = None,
        recursive: bool = True,
        verbose: bool = False,
        max_workers: int | None = None,
    ) -> int:
        """Add a file, or the files of a folder; return how many are new, without modified ones.

        The bytes are kept at once, so that later changes of the files do not matter. Links are
        followed; empty folders are left out.

        Args:
            path: of the file or folder.
            wildcard: a pattern, or several, of the names that are added.
            local_base_folder: the folder that paths in the data set begin at; `path` if None.
            dataset_path: the folder in the data set to put them in.
            recursive: also add what is in folders below.
            verbose: print what was added and modified.
            max_workers: ignored.

        Raises:
            SourceNotFoundError: (a ValueError) there is no such file or folder.
            InvalidValueError: (a ValueError) a file cannot be kept; nothing was changed.
            ConflictError: (a ValueError) the data set is finalized.

        Source: ``Dataset.add_files`` of the ClearML SDK.
        """
        found = self._found()
        with shown_progress("Adding files") as progress:
            changed = operations.datasets.changes.add_files(
                self._own_chain(),
                found.id,
                path,
                patterns=wildcard,
                base_folder=local_base_folder,
                folder=dataset_path,
                recursive=check_flag("recursive", recursive),
                progress=progress,
            )
        _print(changed, verbose)
        return len(changed.added)

    def add_external_files(
        self,
        source_url: str | Sequence[str],
        wildcard: str | Sequence[str] | None = None,
        dataset_path: str | Sequence[str] | None = None,
        recursive: bool = True,
        verbose: bool = False,
        max_workers: int | None = None,
        read_hash: bool = False,
    ) -> int:
        """Add files by their URLs; return how many are new.

        Their bytes stay where they are: `get_local_copy` fetches them, and compares their size,
        and their sha256 if it is known.

        Args:
            source_url: a URL or several: ``s3://``, ``gs://``, ``azure://``, ``http(s)://``,
                ``file://`` or a path. A folder, except of HTTP, means all files in it. A URL of
                a server may end with ``#sha256=…``.
            wildcard: a pattern, or several, of the names of a folder that are added.
            dataset_path: the folder in the data set to put them in, or one for each URL.
            recursive: also add what is in folders below.
            verbose: print what was added and modified.
            max_workers: ignored.
            read_hash: fetch each file now to know its sha256.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be used.
            DownloadError: (an OSError) a URL cannot be reached; nothing was changed.
            ConflictError: (a ValueError) the data set is finalized.

        Source: ``Dataset.add_external_files`` of the ClearML SDK, which leaves out what cannot be
        reached.
        """
        found = self._found()
        changed = operations.datasets.links.add_links(
            self._own_chain(),
            found.id,
            source_url,
            patterns=wildcard,
            folder=dataset_path,
            recursive=check_flag("recursive", recursive),
            hashed=check_flag("read_hash", read_hash),
        )
        operations.models.edits.edit_tags(found.registry, found.id, add=["external files"])
        _print(changed, verbose)
        return len(changed.added)

    def remove_files(
        self, dataset_path: str | None = None, recursive: bool = True, verbose: bool = False
    ) -> int:
        """Remove files; return how many.

        Args:
            dataset_path: a pattern of their paths, or of the URLs of links; None for all.
            recursive: the last part of the pattern may be at any depth.
            verbose: print what was removed.

        Raises:
            ConflictError: (a ValueError) the data set is finalized.

        Source: ``Dataset.remove_files`` of the ClearML SDK.
        """
        gone = operations.datasets.changes.remove_files(
            self._own_chain(),
            self._found().id,
            dataset_path,
            recursive=check_flag("recursive", recursive),
        )
        if check_flag("verbose", verbose):
            for path in gone:
                print(f"Remove {path}")  # noqa: T201  (as asked for)
        return len(gone)

    def sync_folder(
        self,
        local_path: str | os.PathLike[str],
        dataset_path: str | os.PathLike[str] | None = None,
        verbose: bool = False,
    ) -> tuple[int, int, int]:
        """Make the data set the same as a folder; return how many were removed, added, modified.

        Args:
            local_path: the folder, with all that is in it.
            dataset_path: the folder in the data set that becomes the same; None for its top.
            verbose: print what was changed.

        Raises:
            SourceNotFoundError: (a ValueError) there is no such folder.
            ConflictError: (a ValueError) the data set is finalized.

        Source: ``Dataset.sync_folder`` of the ClearML SDK.
        """
        found = self._found()
        with shown_progress("Adding files") as progress:
            changed = operations.datasets.changes.sync_folder(
                self._own_chain(), found.id, local_path, folder=dataset_path, progress=progress
            )
        _print(changed, verbose)
        return len(changed.removed), len(changed.added), len(changed.modified)

    def update_changed_files(
        self,
        num_files_added: int | None = None,
        num_files_modified: int | None = None,
        num_files_removed: int | None = None,
    ) -> None:
        """Add to the sums of changed files; the methods that change files do so themselves."""
        numbers = {
            "num_files_added": num_files_added,
            "num_files_modified": num_files_modified,
            "num_files_removed": num_files_removed,
        }
        added, modified, removed = (
            operations.finding.queries.check_limit(name, value) or 0 if value else 0
            for name, value in numbers.items()
        )
        operations.datasets.changes.count_changes(
            self._own_chain(), self._found().id, added=added, modified=modified, removed=removed
        )

    def upload(
        self,
        show_progress: bool = True,
        verbose: bool = False,
        output_url: str | None = None,
        compression: str | None = None,
        chunk_size: int | None = None,
        max_workers: int | None = None,
        retries: int = 3,
        preview: bool = True,
        upload_as_external_links: bool = False,
    ) -> None:
        """Make a package of the files, which others see; and upload it, if a place is set.

        The bytes are in the registry since they were added. A process that is killed here leaves
        the data set as it was.

        Args:
            output_url: a folder (path or ``file://``), or one in an object store (``s3://…``), to
                upload the files to as one zip, too. If None, that of `create`.
            show_progress, verbose, compression, chunk_size, max_workers, retries, preview: ignored.
            upload_as_external_links: not supported: use `add_external_files`.

        Raises:
            ConflictError: (a ValueError) the data set is finalized.
            UploadError: (an OSError) the upload failed; the registry keeps the files.

        Source: ``Dataset.upload`` of the ClearML SDK.
        """
        if check_flag("upload_as_external_links", upload_as_external_links):
            raise NotSupportedError(
                "Dataset.upload(upload_as_external_links=True) is not supported: the registry "
                "keeps the files; copy them yourself and use add_external_files for links",
                name="Dataset.upload(upload_as_external_links=True)",
            )
        own = operations.datasets.recording.check_storage("output_url", output_url)
        self._destination = own or self._destination
        operations.datasets.finishing.upload(self._own_chain(), self._found().id, self._destination)

    def finalize(
        self, verbose: bool = False, raise_on_error: bool = True, auto_upload: bool = False
    ) -> bool:
        """End the changes of the data set; return True.

        Args:
            verbose: ignored.
            raise_on_error: raise an error if files were changed since the last `upload`; if False,
                return False.
            auto_upload: call `upload` first.

        Raises:
            ConflictError: (a ValueError) files were changed since the last upload, or it is
                finalized already.

        Source: ``Dataset.finalize`` of the ClearML SDK.
        """
        found = self._found()
        upload_first = check_flag("auto_upload", auto_upload)
        if upload_first and self.is_dirty():
            self.upload()
        may_raise = check_flag("raise_on_error", raise_on_error)
        if not upload_first and not may_raise and self.is_dirty():
            return False
        operations.datasets.finishing.finalize(
            self._own_chain(), found.id, upload_first=upload_first
        )
        return True

    def publish(self, raise_on_error: bool = True) -> bool:
        """Publish the data set; return True.

        Args:
            raise_on_error: ignored: an error is always raised.

        Raises:
            ConflictError: (a ValueError) it is not finalized.

        Source: ``Dataset.publish`` of the ClearML SDK.
        """
        found = self._found()
        if not self.is_final():
            raise ConflictError(
                f"data set {self._dataset_row().ref} is not finalized, so it cannot be published; "
                "call finalize() first"
            )
        operations.models.edits.publish(found.registry, found.id)
        return True

    # Get its files

    def get_local_copy(
        self,
        use_soft_links: bool | None = None,
        part: int | None = None,
        num_parts: int | None = None,
        raise_on_error: bool = True,
        max_workers: int | None = None,
        files: Sequence[str] | None = None,
    ) -> str:
        """Return the path of a read-only folder with all files of the data set.

        Where the file system can, its files take no space of their own. Links are fetched.

        Args:
            use_soft_links, max_workers: ignored.
            part: only a part of the files: of `num_parts` parts, the one with this number, from 0.
                The parts are about equally many files, and each file is in one of them.
            num_parts: how many parts there are; `get_num_chunks()` if None.
            raise_on_error: ignored: an error is always raised.
            files: only the files of these paths.

        Raises:
            ConflictError: (a ValueError) the data set is not finalized.
            NotFoundError: (a ValueError) it has no such file.
            CorruptBlobError, DownloadError: (OSErrors) bytes are damaged, or a link cannot be
                fetched.
            DigestMismatchError: (a ValueError) what a link leads to has changed.
            TrustError: (a ValueError) the registry gives out signed files only, and no trusted key
                signed these, or some are links.

        Source: ``Dataset.get_local_copy`` of the ClearML SDK.
        """
        return str(self._folder(part, num_parts, files))

    def _folder(self, part: object, num_parts: object, files: object = None) -> Path:
        chain, found = self._place()
        chunks = self.get_num_chunks() if part is not None and num_parts is None else 1
        wanted = operations.datasets.copies.check_part(part, num_parts, chunks)
        with shown_progress("Fetching files") as progress:
            return operations.datasets.copies.local_folder(
                chain, found, part=wanted, files=files, progress=progress
            )

    def get_mutable_local_copy(
        self,
        target_folder: str | os.PathLike[str],
        overwrite: bool = False,
        part: int | None = None,
        num_parts: int | None = None,
        raise_on_error: bool = True,
        max_workers: int | None = None,
    ) -> str | None:
        """Copy the files of the data set to a folder, where they may be changed; return its path.

        Args:
            target_folder: a new folder, or an empty one.
            overwrite: replace what is in it, when the copy is complete.
            part, num_parts: as in `get_local_copy`.
            raise_on_error: raise an error if the folder has files; if False, return None.
            max_workers: ignored.

        Raises:
            PathExistsError: (a ValueError) the folder has files; nothing was changed.
            InvalidValueError: (a ValueError) the folder is inside a registry, or around it.
            Others as in `get_local_copy`.

        Source: ``Dataset.get_mutable_local_copy`` of the ClearML SDK.
        """
        from localreg.errors import PathExistsError

        folder = self._folder(part, num_parts)
        chain, _ = self._place()
        try:
            place = operations.datasets.copies.copy_out(
                chain, folder, target_folder, overwrite=check_flag("overwrite", overwrite)
            )
        except PathExistsError as error:
            if check_flag("raise_on_error", raise_on_error):
                raise
            log.warning("%s", error)
            return None
        return str(place)

    def verify_dataset_hash(
        self,
        local_copy_path: str | os.PathLike[str] | None = None,
        skip_hash: bool = False,
        verbose: bool = False,
    ) -> list[str]:
        """Return the paths of the files that are not the same in a local copy.

        Args:
            local_copy_path: a folder; if None, that of `get_local_copy`.
            skip_hash: compare the sizes only.
            verbose: print the paths.

        Source: ``Dataset.verify_dataset_hash`` of the ClearML SDK.
        """
        folder = self.get_local_copy() if local_copy_path is None else local_copy_path
        wrong = operations.datasets.copies.differing(
            self._files(), folder, sizes_only=check_flag("skip_hash", skip_hash)
        )
        if check_flag("verbose", verbose):
            for path in wrong:
                print(f"Error: {path} differs")  # noqa: T201  (as asked for)
        return wrong

    def get_default_storage(self) -> str | None:
        """Return the URL that `upload` uploads to, besides the registry; None without one."""
        return self._destination or ambient.upload_uri()

    # What belongs to it

    def set_metadata(
        self, metadata: object, metadata_name: str = "metadata", ui_visible: bool = True
    ) -> None:
        """Keep a value with the data set, under a name.

        Args:
            metadata: a dict, list, text, number, numpy array, pandas or polars DataFrame, …: what
                `Task.upload_artifact` stores as a value.
            metadata_name: its name; a value of the same name is replaced.
            ui_visible: show a DataFrame as a table on the page of the data set.

        Raises:
            InvalidValueError: (a ValueError) it cannot be stored.

        Source: ``Dataset.set_metadata`` of the ClearML SDK.
        """
        from localreg.api.datasets.kept_values import keep

        keep(self._own_chain(), self._found(), metadata, metadata_name)
        if check_flag("ui_visible", ui_visible) and hasattr(metadata, "to_csv"):
            self.get_logger().report_table(
                "Dataset Metadata", metadata_name, iteration=0, table_plot=metadata
            )

    def get_metadata(self, metadata_name: str = "metadata") -> object:
        """Return a value that was kept by `set_metadata`; None and a warning without one.

        Source: ``Dataset.get_metadata`` of the ClearML SDK.
        """
        from localreg.api.datasets.kept_values import load

        return load(*self._place(), metadata_name)

    def get_logger(self) -> DatasetLogger:
        """Return a logger that reports to the data set."""
        from localreg.api.datasets.dataset_logger import DatasetLogger

        return DatasetLogger(self._own_chain(), self._found())

    def _owner(self) -> Owner:
        return Owner("model", self.id)

    # Offline mode of ClearML

    @classmethod
    def is_offline(cls) -> bool:
        """Return what `Task.is_offline` returns."""
        from localreg.api.tasks.task import Task

        return Task.is_offline()

    @classmethod
    def set_offline(cls, offline_mode: bool = False) -> None:
        """Call `Task.set_offline`; data sets are kept in the registry either way."""
        from localreg.api.tasks.task import Task

        Task.set_offline(offline_mode)

    def get_offline_mode_folder(self) -> Path | None:
        """Return None: a data set is in the registry, and has no folder of a session."""
        return None


def _current_task(chain: Chain) -> str | None:
    return ambient.current_task(chain) if ambient.may_have_task() else None


def _best(chain: Chain, *, project: object, name: object) -> Found:
    wanted = operations.datasets.looking.check_wanted(project=project, name=name)
    best = operations.datasets.looking.best(chain, wanted)
    if best is None:
        raise operations.datasets.looking.missing(chain, wanted)
    return best[0]


def _pairs(pairs: object) -> list[tuple[object, object]]:
    if isinstance(pairs, str) or not isinstance(pairs, Sequence):
        raise _not_pairs(pairs)
    listed = []
    for each in pairs:
        if isinstance(each, str) or not isinstance(each, Sequence) or len(each) != 2:
            raise _not_pairs(each)
        listed.append((each[0], each[1]))
    return listed


def _not_pairs(given: object) -> LocalregError:
    return InvalidValueError(
        f"dataset_project_name_pairs must be a list of (project, name), not {type(given).__name__}",
        argument="dataset_project_name_pairs",
    )


def _found_all(chain: Chain, argument: str, given: object) -> list[Found]:
    """Return the data sets that ids or handles name."""
    if given is None:
        return []
    if isinstance(given, str | Dataset):
        given = [given]
    if not isinstance(given, Sequence):
        raise InvalidValueError(
            f"{argument} must be a list of ids or data sets, not {type(given).__name__}",
            argument=argument,
        )
    return [
        each._found()
        if isinstance(each, Dataset)
        else operations.datasets.looking.by_id(chain, each)
        for each in given
    ]


def _print(changed: Changed, verbose: object) -> None:
    if check_flag("verbose", verbose):
        for word, paths in (
            ("Remove", changed.removed), ("Add", changed.added), ("Modified", changed.modified),
        ):  # fmt: skip
            for path in paths:
                print(f"{word} {path}")  # noqa: T201  (as asked for)
