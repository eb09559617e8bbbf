"""Write models into container registries, and take them in from there.

A model version is one tag: its manifest is that of our bundles, and its record and its signatures
are manifests that refer to it. Other tools find the files, and another localreg finds all.
"""

from __future__ import annotations

import os
import re

from localreg.errors import InvalidValueError
from localreg.operations.carry.arrival import Arrived
from localreg.operations.carry.copies import sign_copy
from localreg.operations.carry.export import Exported, drafted, export
from localreg.operations.carry.import_bundle import import_bundle, take_bundle
from localreg.operations.carry.selection import Selection
from localreg.operations.finding.references import check_project_name
from localreg.registry import Chain
from localreg.store.rows import logged_rows, model_rows
from localreg.values.checks import shown
from localreg.values.frozen import replace
from localreg.values.oci import OciPlace, is_oci, parse_oci, place_of_version, tag_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from localreg.blobs.transfer.pace import Pace
    from localreg.operations.finding.upstream import Found
    from localreg.progress import Progress
    from localreg.store.events.change import Change


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # docker://, https://, oci:/; no drive C:/


def export_models(
    chain: Chain,
    chosen: Selection,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    plain_http: bool = False,
    since: str | os.PathLike[str] | None = None,
    reports: bool = True,
    history: bool = True,
    image: bool = False,
    split: int | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write the chosen models into a bundle, or into a container registry.

    Args:
        target: as for `export`, or for `export_to` if it begins with ``oci://``.
        plain_http: as for `export_to`.

    Other arguments and errors are those of both.
    """
    if isinstance(target, str) and is_oci(target):
        return export_to(
            chain,
            chosen,
            target,
            plain_http=plain_http,
            since=since,
            reports=reports,
            history=history,
            image=image,
            split=split,
            dry_run=dry_run,
            progress=progress,
        )
    _check_file(target, "path", plain_http=plain_http)
    return export(
        chain,
        chosen,
        target,
        since=since,
        reports=reports,
        history=history,
        image=image,
        split=split,
        dry_run=dry_run,
        progress=progress,
    )


def import_models(
    chain: Chain,
    source: str | os.PathLike[str] | BinaryIO,
    *,
    plain_http: bool = False,
    project: object = None,
    renumber: bool = False,
    aliases: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Arrived:
    """Take in a bundle, or a model version from a container registry.

    Args:
        source: as for `import_bundle`, or for `import_from` if it begins with ``oci://``.
        plain_http: as for `import_from`.

    Other arguments and errors are those of both.
    """
    if isinstance(source, str) and is_oci(source):
        return import_from(
            chain,
            source,
            plain_http=plain_http,
            project=project,
            renumber=renumber,
            aliases=aliases,
            dry_run=dry_run,
            progress=progress,
        )
    _check_file(source, "source", plain_http=plain_http)
    return import_bundle(
        chain,
        source,
        project=project,
        renumber=renumber,
        aliases=aliases,
        dry_run=dry_run,
        progress=progress,
    )


def export_to(
    chain: Chain,
    chosen: Selection,
    target: str,
    *,
    plain_http: bool = False,
    since: str | os.PathLike[str] | None = None,
    reports: bool = True,
    history: bool = True,
    image: bool = False,
    split: int | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    pace: Pace | None = None,
) -> Exported:
    """Write the chosen models into a container registry, each version as one tag.

    Args:
        target: ``oci://host/repository:tag``. Without a tag, the number of the version is the tag.
            Of several versions each goes to ``repository/NAME`` with its number as the tag.
        plain_http: speak http, without encryption.
        since, split: must be None; they are for files.
        reports, history, image: as for `export`. An image gets the tag of the version and "-image".
        dry_run: write nothing, and ask no server.
        progress: called with the number of bytes of a version that are there, and with all.
        pace: how slow the registry may be; by default as the environment says.

    Raises:
        InvalidURLError: the target cannot be used.
        PathExistsError: the tag names something else.
        CorruptBlobError: stored bytes are damaged; the tag was not written.
        UploadError, DownloadError: the registry does not take it.
        MissingPackageError: oras is not installed.
    """
    place = parse_oci(target, "path")
    if since is not None or split is not None or chosen.everything:
        raise InvalidValueError(
            "a container registry takes models, not a whole registry, parts or what is new since "
            "then; leave out --since, --split and --all, or export into a file",
            argument="path",
        )
    places = _places(place, chosen)
    from localreg.blobs.bundles.container_registry import ContainerRegistry
    from localreg.blobs.bundles.pushing import push

    with chain.first.store.read() as connection:
        origin = logged_rows.own_origin(connection)
    done: list[Exported] = []
    with ContainerRegistry(place.host, plain=plain_http, pace=pace) as registry:
        written: dict[str, None] = {}
        for found, where in places:
            one = Selection((found,))
            if dry_run:
                with drafted(chain, one, reports=reports, history=history) as draft:
                    done.append(draft.result((str(where),), dry_run=True))
                continue
            with drafted(chain, one, reports=reports, history=history, image=image) as draft:
                pushed = push(
                    draft.contents,
                    draft.find,
                    registry,
                    where,
                    origin=origin,
                    others=written,
                    progress=progress,
                )
                done.append(draft.result((str(pushed.place),), dry_run=False))
            written[where.repository] = None
    return _together(done, dry_run=dry_run)


def import_from(
    chain: Chain,
    source: str,
    *,
    plain_http: bool = False,
    project: object = None,
    renumber: bool = False,
    aliases: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
    pace: Pace | None = None,
) -> Arrived:
    """Take in a model version from a container registry.

    With a record of ours, which `export_to` wrote, it is taken in like a bundle. Without one it
    becomes a new model with the name that its configuration or the repository gives.

    Args:
        source: ``oci://host/repository:tag``, or with ``@sha256:…``; without both, the only tag.
        plain_http: speak http, without encryption.
        project, renumber, aliases, dry_run: as for `import_bundle`.
        progress: called with the bytes taken so far, and with all bytes.
        pace: how slow the registry may be; by default as the environment says.

    Raises:
        InvalidURLError: the source cannot be used.
        SourceNotFoundError: nothing is there.
        BundleError: it is not a model, or not a sound one; nothing was recorded.
        DigestMismatchError: the registry serves other bytes; nothing was recorded.
        DownloadError: it does not give them.
        MissingPackageError: oras is not installed.
    """
    place = parse_oci(source, "source")
    if not place.repository:
        raise InvalidValueError(
            f"source: {place} names no repository: {place}/REPOSITORY:TAG", argument="source"
        )
    chain.first.store.check_writable()
    into = check_project_name(project)
    from localreg.blobs.bundles.container_registry import ContainerRegistry
    from localreg.blobs.bundles.pulling import open_pulled

    with (
        ContainerRegistry(place.host, plain=plain_http, pace=pace) as registry,
        open_pulled(registry, place, chain.first.blobs) as pulled,
    ):
        added = 0

        def sign(change: Change) -> None:
            nonlocal added
            if into is None and pulled.model is not None and not dry_run:
                added = sign_copy(change, pulled.model, pulled.model, pulled.signatures)

        arrived = take_bundle(
            chain,
            pulled.bundle,
            str(pulled.place),
            project=into,
            renumber=renumber,
            aliases=aliases,
            dry_run=dry_run,
            progress=progress,
            then=sign,
        )
        return replace(arrived, events=arrived.events + added)


def _check_file(place: object, argument: str, *, plain_http: bool) -> None:
    """Check that a place that is in no container registry can be meant as a file or a folder."""
    if isinstance(place, str) and _URL.match(place) and not os.path.lexists(place):
        raise InvalidValueError(
            f"{argument}: {shown(place)} is no file, and no place in a container "
            "registry: that is oci://HOST/REPOSITORY:TAG",
            argument=argument,
        )
    if plain_http:
        raise InvalidValueError(
            "--plain-http (plain_http) is for container registries only: oci://HOST/REPOSITORY:TAG",
            argument="plain_http",
        )


def _places(place: OciPlace, chosen: Selection) -> list[tuple[Found, OciPlace]]:
    """Return where each of the chosen versions goes.

    Raises:
        InvalidValueError: several would go to one tag.
    """
    if place.digest is not None:
        raise InvalidValueError(
            f"{place}: a digest is what the bytes have; give a tag, or nothing", argument="path"
        )
    named = [(found, *_named(found)) for found in chosen.found]
    if len(named) == 1 and place.repository:
        found, _, number = named[0]
        tag = tag_of(number) if place.tag is None else place.tag
        return [(found, OciPlace(place.host, place.repository, tag))]
    if place.tag is not None:
        raise InvalidValueError(
            f"{place} has one tag, and there are {len(named):,} versions: leave out the tag, and "
            f"each goes to {place.host}/{place.repository}/NAME:NUMBER",
            argument="path",
        )
    return [(found, place_of_version(place, ref, found.id)) for found, ref, _ in named]


def _named(found: Found) -> tuple[str, str]:
    """Return the reference of a version, and its number."""
    with found.registry.store.read() as connection:
        row = model_rows.model_row(connection, found.id)
    ref = found.id if row is None else row.ref
    line, _, number = ref.rpartition(":")
    return (ref, number) if line else (f"{ref}:1", "1")


def _together(done: list[Exported], *, dry_run: bool) -> Exported:
    """Return several exports as one."""
    return Exported(
        paths=tuple(path for each in done for path in each.paths),
        models=tuple(model for each in done for model in each.models),
        tasks=sum(each.tasks for each in done),
        events=sum(each.events for each in done),
        blobs=sum(each.blobs for each in done),
        size=sum(each.size for each in done),
        missing=tuple(missing for each in done for missing in each.missing),
        dry_run=dry_run,
    )
