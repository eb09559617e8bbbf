"""Uploads of weights to a destination of the user: at once, or in the background."""

from __future__ import annotations

import os
import re
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from localreg import log
from localreg.blobs.blob_files import damaged
from localreg.blobs.transfer import uploading
from localreg.blobs.transfer.transferred import Uploaded, UploadMark
from localreg.errors import (
    CorruptBlobError,
    InvalidURLError,
    InvalidValueError,
    RegistryError,
    SourceNotFoundError,
    StorageError,
    UploadError,
    WeightsError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.portable_files import kept_name
from localreg.filesystem.temporary_owners import owner_mark
from localreg.operations.finding.references import require_task
from localreg.operations.weights.locations import check_upstream, holder
from localreg.operations.weights.origin import note_url
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import blob_rows, model_rows, tree_rows, upload_rows
from localreg.store.rows.upload_rows import UploadRow
from localreg.values.checks import is_empty, shown
from localreg.values.frozen import Frozen, replace
from localreg.values.ids import new_id, now
from localreg.values.records import TaskRecord, WeightsRecord
from localreg.values.urls import (
    below,
    is_cloud,
    local_path,
    parse_named_url,
    public_url,
    safe_filename,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import ThreadPoolExecutor

    from localreg.blobs.staging.staging import StagedBlob
    from localreg.progress import Progress

_TASK_FOLDER = re.compile(r"[^/]\.[0-9a-f]{32}/models\Z")
_CLOUD_FOLDER = re.compile(r"[0-9a-f]{12}")  # each upload to a cloud has one of its own
WORKERS = 4
TRIES = 3


def check_destination(argument: str, uri: object) -> str | None:
    """Return the URL of a folder to upload weights to; None for None and "".

    Raises:
        InvalidURLError: it is not a URL, or localreg cannot upload to it.
    """
    if uri is None or is_empty(uri):
        return None
    parsed = parse_named_url(argument, uri)
    if parsed.path is None:
        try:
            _check_cloud(parsed.text)
        except InvalidURLError as error:
            raise InvalidURLError(f"{argument}: {error}", argument=argument) from None
    return parsed.text


def check_output_uri(uri: object) -> str | None:
    """Return the URL of the folder to upload a task's weights to; None keeps them in the registry.

    Scripts name servers here that only ClearML has, and may never upload anything. Such a URL is
    logged as a warning, and is an error once something is uploaded.

    Args:
        uri: a path or URL; None, "" and a bool mean the registry.

    Raises:
        InvalidURLError: it is not a URL, or names an object store that cannot be used.
    """
    if uri is None or is_empty(uri) or isinstance(uri, bool):
        return None
    parsed = parse_named_url("output_uri", uri)
    if parsed.path is None and not is_cloud(parsed.text):
        log.warning(
            "output_uri is %s, and weights cannot be uploaded to it: give a path, file:///…, "
            "s3://bucket/…, gs://bucket/… or az://container/…, or leave it out",
            parsed.public,
        )
        return parsed.text
    return check_destination("output_uri", uri)


def _check_cloud(url: str) -> None:
    if not is_cloud(url):
        raise InvalidURLError(
            f"weights cannot be uploaded to {public_url(url)}: give a path, file:///…, "
            "s3://bucket/…, gs://bucket/… or az://container/…",
            argument="weights_url",
        )
    from localreg.blobs.transfer.cloud.place import place_of
    from localreg.blobs.transfer.cloud.stores import check_extra

    check_extra(url)
    if place_of(url).version is not None:
        raise InvalidURLError(
            f"{public_url(url)} names a version; give a folder", argument="weights_url"
        )


def folder_of(registry: OpenRegistry, destination: str, task_id: str) -> str:
    """Return the URL of the folder for a task's models, below a destination."""
    with registry.store.read() as connection:
        return task_folder(destination, require_task(connection, task_id))


def task_folder(destination: str, task: TaskRecord) -> str:
    """Return the URL of the folder for a task's models, below a destination.

    >>> task_folder("file:///share", TaskRecord(id="0" * 32, name="a/b", run={}))
    'file:///share/a_b.00000000000000000000000000000000/models'
    >>> task_folder("s3://bucket", TaskRecord(id="0" * 32, name="net", run={}))
    's3://bucket/net.00000000000000000000000000000000/models'
    """
    return own_folder(destination, task.project.name if task.project else None, task.name, task.id)


def own_folder(destination: str, project: str | None, name: str, owner: str) -> str:
    """Return the URL of the folder for the models of a task, or of a data set, below a destination.

    Args:
        project, name, owner: name of the project, name and id of the task or data set.
    """
    parts = [safe_filename(part) or "_" for part in (project.split("/") if project else [])]
    parts.append(f"{safe_filename(name.replace('/', '_')) or '_'}.{owner}")
    if not is_cloud(destination):
        parts = [kept_name(part) for part in parts]
    return below(destination, *parts, "models")


def is_in_task_folder(url: str) -> bool:
    """Return True if a URL is one that `task_folder` makes the folder for.

    A database of somebody else may claim any URL as its upload. Nothing is deleted outside of such
    folders: their names have a random id, and links are followed before the names are compared.

    >>> is_in_task_folder("s3://bucket/net.00000000000000000000000000000000/models/77665544aabb/n.pt")
    True
    >>> is_in_task_folder("s3://bucket/net.pt")
    False
    """
    if not is_cloud(url):
        place = local_path(url)
        folder = "" if place is None else Path(os.path.realpath(place.parent)).as_posix()
        return _TASK_FOLDER.search(folder) is not None
    from localreg.blobs.transfer.cloud.place import place_of

    try:
        folder, _, own = place_of(url).key.rpartition("/")[0].rpartition("/")
    except InvalidURLError:
        return False
    return bool(_TASK_FOLDER.search(folder) and _CLOUD_FOLDER.fullmatch(own))


@contextmanager
def uploaded_at_once(
    registry: OpenRegistry, source: Path, folder: str, name: str, progress: Progress | None
) -> Iterator[tuple[Change, Uploaded]]:
    """Upload a file; yield where it is, within the transaction that records it.

    If the block fails, the upload is deleted.

    Raises:
        SourceNotFoundError: there is no such file.
        StorageError, UploadError: the upload failed; nothing was uploaded or recorded.
    """
    for _ in range(TRIES):
        with _announced(registry, uploading.planned_url(folder, name)) as upload:
            uploaded = uploading.upload(
                source,
                upload.url,
                _mark(upload),
                sync=registry.blobs.durable,
                progress=progress,
            )
            with registry.store.write() as change:
                if _still_there(change, upload, uploaded):
                    yield change, replace(uploaded, made=_is_ours(change, uploaded))
                    _note_etag(change, uploaded)
                    upload_rows.forget(change.connection, upload.id)
                    return
    raise StorageError(f"{folder}/{name} is deleted again and again", path=folder)


@contextmanager
def _announced(registry: OpenRegistry, url: str) -> Iterator[UploadRow]:
    """Record an upload before its first byte; what is not recorded at the end is deleted.

    After a kill gc deletes it.
    """
    mark = uploading.new_mark(url)
    upload = UploadRow(mark.id, url, mark.owner, now(), mark.modified)
    with registry.store.write() as change:
        upload_rows.announce(change.connection, upload)
    try:
        yield upload
    finally:
        with registry.store.read() as connection:
            is_open = upload_rows.is_open(connection, upload.id)
        if is_open:
            try:
                withdraw(registry, upload)
            except (RegistryError, WeightsError) as error:
                log.info("gc deletes later what is left of an upload: %s", error)


def _mark(upload: UploadRow) -> UploadMark:
    return UploadMark(upload.id, upload.owner, upload.modified)


def left_of(registry: OpenRegistry, upload: UploadRow) -> list[str]:
    """Return the URLs of what an upload left in the folder of a task, and no model has.

    Raises:
        RegistryError, WeightsError: the destination cannot be reached.
    """
    if not is_in_task_folder(upload.url):
        return []
    left = uploading.left_of(upload.url, _mark(upload), upload.etag)
    with registry.store.read() as connection:
        return [url for url in left if not model_rows.has_uploaded(connection, url)]


def withdraw(registry: OpenRegistry, upload: UploadRow) -> None:
    """Delete what an upload left, and forget the upload; what a model has is kept.

    Raises:
        RegistryError, WeightsError: the destination cannot be reached; nothing was forgotten.
    """
    left = uploading.left_of(upload.url, _mark(upload), upload.etag)
    with registry.store.write() as change:
        left = [url for url in left if not model_rows.has_uploaded(change.connection, url)]
        upload_rows.forget(change.connection, upload.id)
        if not is_cloud(upload.url):
            # Within it, so that no other process can record a file before it is deleted.
            for url in left:
                uploading.delete(url)
            return
    # Forgotten before it is deleted: a process that is slow, and not dead, can no longer record it.
    try:
        for url in left:
            uploading.delete(url)
    except BaseException:
        with registry.store.write() as change:
            upload_rows.announce(change.connection, upload)
        raise


class Doomed(Frozen):
    """Uploads of dropped revisions, which are to be deleted.

    Attributes:
        weights: the dropped revisions.
        rows: what was recorded, so that gc goes on after a kill.
    """

    weights: tuple[WeightsRecord, ...]
    rows: tuple[UploadRow, ...]


def announce_deletions(change: Change, dropped: tuple[WeightsRecord, ...]) -> Doomed:
    """Record, in the transaction that drops revisions, that their uploads are to be deleted."""
    rows = []
    for each in dropped:
        if not each.uploaded or each.url is None or object_of(each)[0] is None:
            continue
        served = blob_rows.served(change.connection, each.url)
        same = served is not None and served.digest == object_of(each)[0]
        etag = served.etag if served is not None and same else None
        row = UploadRow(new_id(), each.url, owner_mark(), now(), _modified(each.url), etag)
        upload_rows.announce(change.connection, row)
        rows.append(row)
    return Doomed(dropped, tuple(rows))


def object_of(weights: WeightsRecord) -> tuple[str | None, int | None]:
    """Return sha256 and size of the object at the URL of weights: of a package, its archive's."""
    if weights.tree:
        return weights.archive, weights.archive_size
    return weights.digest, weights.size


def _modified(url: str) -> int | None:
    place = local_path(url)
    try:
        return None if place is None else place.lstat().st_mtime_ns
    except OSError:  # it is gone, or cannot be reached
        return None


def record_uploaded(
    registry: OpenRegistry,
    model_id: str,
    revision: str,
    upload: UploadRow,
    uploaded: Uploaded,
) -> None:
    """Record the new URL of a revision of weights; the registry's own copy becomes a cache.

    If the revision was dropped meanwhile, `_announced` deletes the upload.
    """
    with registry.store.write() as change:
        weights = model_rows.revision(change.connection, model_id, revision)
        if weights is not None and _still_there(change, upload, uploaded):
            public = parse_named_url("url", uploaded.url).public
            note_url(change, revision, uploaded.url, public)
            payload = {
                "revision": revision,
                "number": weights.revision,
                "url": public,
                "digest": weights.digest,
                "archive": uploaded.digest if weights.tree else None,
                "archive_size": uploaded.size if weights.tree else None,
                "made": _is_ours(change, uploaded),
            }
            change.record("model.weights_uploaded", model_id, payload)
            if weights.tree and weights.digest is not None:
                tree_rows.record_unpacked(
                    change.connection, uploaded.digest, weights.digest, made=True
                )
            _note_etag(change, uploaded)
            upload_rows.forget(change.connection, upload.id)


def _still_there(change: Change, upload: UploadRow, uploaded: Uploaded) -> bool:
    """Return True if an upload exists, within the transaction that records it.

    In a folder another process may have deleted the last model with the same bytes, and the file
    with it. An object in a cloud has one owner, and no server is asked within a transaction; but
    gc may have taken an upload of another machine for dead, and then forgot it first.
    """
    if is_cloud(uploaded.url):
        return upload_rows.is_open(change.connection, upload.id)
    return uploading.is_there(uploaded.url, uploaded.size)


def _is_ours(change: Change, uploaded: Uploaded) -> bool:
    """Return True if this registry made a file; one that was there before is never deleted."""
    if uploaded.made or model_rows.has_uploaded(change.connection, uploaded.url, made=True):
        return True
    modified = _modified(uploaded.url)  # another process made it, and has not recorded it
    return any(
        modified is not None and each.modified == modified
        for each in upload_rows.uploads(change.connection)
    )


def _note_etag(change: Change, uploaded: Uploaded) -> None:
    if uploaded.etag is not None:
        blob_rows.record_elsewhere(change.connection, uploaded.digest, uploaded.size)
        blob_rows.record_served(
            change.connection, uploaded.url, uploaded.digest, uploaded.etag, None
        )


def delete_uploads(registry: OpenRegistry, doomed: Doomed) -> bool:
    """Delete the uploads of dropped revisions, unless other revisions use them.

    Returns:
        False if one could not be deleted; the log says why, and gc tries it again.
    """
    etags = {each.url: each.etag for each in doomed.rows}
    done = [_delete_uploaded(registry, each, etags.get(each.url or "")) for each in doomed.weights]
    if all(done) and doomed.rows:
        with registry.store.write() as change:
            for each in doomed.rows:
                upload_rows.forget(change.connection, each.id)
    return all(done)


def _delete_uploaded(registry: OpenRegistry, weights: WeightsRecord, etag: str | None) -> bool:
    """Delete the upload of a dropped revision, unless another revision uses it.

    Returns:
        False if that failed; the log says why.
    """
    if not weights.uploaded or weights.url is None:
        return True
    digest, size = object_of(weights)
    if digest is None or size is None:
        return _keep_changed(weights.url)
    if not is_in_task_folder(weights.url):
        log.warning(
            "%s is not in a folder that localreg makes for uploads, and is not deleted",
            public_url(weights.url),
        )
        return True
    return _delete_unused(registry, Uploaded(weights.url, digest, size, True, etag))


def _delete_unused(registry: OpenRegistry, uploaded: Uploaded) -> bool:
    url = uploaded.url
    try:
        # Before the transaction, because hashing and servers are slow.
        whole = uploading.is_whole(url, uploaded.digest, uploaded.size, uploaded.etag)
        with registry.store.write() as change:
            if model_rows.has_uploaded(change.connection, url):
                return True
            if whole and not is_cloud(url):
                # Within it, so that no other process can record this file before it is deleted.
                uploading.delete(url)
        if whole and is_cloud(url):
            uploading.delete(url)
    except (RegistryError, WeightsError) as error:
        log.warning("the upload %s could not be deleted: %s", public_url(url), error)
        return False
    return True if whole else _keep_changed(url)


def _keep_changed(url: str) -> bool:
    """Log that a changed file is not deleted; return True, as for a deleted one."""
    log.warning("%s was changed after the upload, and is not deleted", public_url(url))
    return True


class Running(Frozen):
    """An upload in the background: the chain whose first registry has the model, and the URL."""

    chain: Chain
    url: str


class Uploads:
    """The background uploads of this process. Failures are logged at once, and raised later."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._executor: ThreadPoolExecutor | None = None
        self._running: dict[object, Running] = {}
        self._failed: list[tuple[str, BaseException]] = []

    def start(self, chain: Chain, model_id: str, weights: WeightsRecord, folder: str) -> str:
        """Start to upload a revision that the registry keeps; return the URL it will have."""
        name, size, digest = _uploaded_as(chain, weights)
        with self._changed:
            if self._executor is None:
                from concurrent.futures import ThreadPoolExecutor

                self._executor = ThreadPoolExecutor(WORKERS, "localreg-upload")
            taken = {each.url for each in self._running.values()}
            url = uploading.expected_url(folder, name, digest, size, taken)
            key = object()
            self._running[key] = Running(chain, url)
            self._executor.submit(self._run, key, model_id, weights)
        return url

    def _run(self, key: object, model_id: str, weights: WeightsRecord) -> None:
        upload = self._running[key]
        try:
            _upload_in_background(upload, model_id, weights)
        except BaseException as error:
            log.warning(
                "the upload to %s failed; the registry keeps the weights: %s",
                public_url(upload.url), error,
            )  # fmt: skip
            self._failed.append((public_url(upload.url), error))
            raise
        finally:
            with self._changed:
                del self._running[key]
                self._changed.notify_all()

    def wait(
        self,
        timeout: float | None = None,
        most: int | None = None,
        registry: OpenRegistry | None = None,
    ) -> int:
        """Wait for uploads, at most `timeout` seconds; return how many still run.

        Args:
            most: wait only for this many of them, the oldest; None for all.
            registry: wait only for uploads of this registry.
        """

        def running() -> list[object]:
            return [key for key in mine if key in self._running]

        with self._changed:
            mine = [
                key
                for key, each in self._running.items()
                if registry is None or each.chain.first is registry
            ][:most]
            self._changed.wait_for(lambda: not running(), timeout)
            return len(running())

    def raise_failures(self) -> None:
        """Raise UploadError if uploads have failed since the last call."""
        with self._changed:
            failed, self._failed = self._failed, []
        if failed:
            texts = "; ".join(f"{url}: {error}" for url, error in failed)
            raise UploadError(
                f"{len(failed)} uploads failed; the registry keeps their weights: {texts}",
                urls=tuple(url for url, _ in failed),
            ) from failed[0][1]


def upload_now(chain: Chain, model_id: str, weights: WeightsRecord, folder: str) -> str:
    """Upload a revision that the registry keeps; return its URL.

    Raises:
        UploadError: it did not reach the destination; the registry keeps it.
    """
    name, size, digest = _uploaded_as(chain, weights)
    url = uploading.expected_url(folder, name, digest, size, set())
    try:
        _upload_in_background(Running(chain, url), model_id, weights)
    except UploadError:
        raise
    except OSError as error:
        raise UploadError(
            f"the upload to {public_url(url)} failed; the registry keeps the files: {error}",
            urls=(public_url(url),),
        ) from error
    return url


def _upload_in_background(upload: Running, model_id: str, weights: WeightsRecord) -> None:
    registry = upload.chain.first
    try:
        if weights.tree:
            _upload_package(upload, model_id, weights)
        else:
            _upload_file(upload, model_id, weights)
    except (SourceNotFoundError, CorruptBlobError):
        with registry.store.read() as connection:
            there = model_rows.revision(connection, model_id, weights.id) is not None
        if there:
            raise
        # It was dropped meanwhile.


def _uploaded_as(chain: Chain, weights: WeightsRecord) -> tuple[str, int, Callable[[], str]]:
    """Return name and size of the object that weights are uploaded as, and how to get its sha256.

    A package is one zip.
    """
    if not weights.tree:
        digest = str(weights.digest)
        return weights.filename or "weights", weights.size or 0, lambda: digest
    from localreg.blobs.archives.packing import zip_size
    from localreg.operations.weights.archives_on_demand import manifest_of, zip_name

    manifest = manifest_of(chain.first, str(weights.digest))

    @cache
    def zip_digest() -> str:
        with _zip_of(chain, weights) as blob:
            return blob.digest

    return zip_name(weights.filename), zip_size(manifest), zip_digest


@contextmanager
def _zip_of(chain: Chain, weights: WeightsRecord) -> Iterator[StagedBlob]:
    """Yield a package as a zip, which is deleted afterwards."""
    from localreg.operations.weights.archives_on_demand import manifest_of, staged_zip

    first = chain.first
    manifest = manifest_of(first, str(weights.digest))
    with first.blobs.temporary("archive") as target, disk_errors("making an archive", target):
        yield staged_zip(chain, first, manifest, target)


def _upload_package(upload: Running, model_id: str, weights: WeightsRecord) -> None:
    registry = upload.chain.first
    with _zip_of(upload.chain, weights) as blob, _announced(registry, upload.url) as announced:
        uploaded = uploading.upload(
            blob.path, upload.url, _mark(announced), sync=registry.blobs.durable
        )
        if uploaded.digest != blob.digest:
            raise damaged(blob.digest, blob.path, "changed while it was uploaded")
        record_uploaded(registry, model_id, weights.id, announced, uploaded)


def _upload_file(upload: Running, model_id: str, weights: WeightsRecord) -> None:
    registry = upload.chain.first
    holding = holder(upload.chain, weights.digest, weights.size) or registry
    source = holding.blobs.blob(str(weights.digest))
    with _announced(registry, upload.url) as announced:
        uploaded = uploading.upload(
            source, upload.url, _mark(announced), sync=registry.blobs.durable
        )
        if uploaded.digest != weights.digest:
            if holding == registry:
                holding.blobs.check_digest(str(weights.digest))  # raises, and says what is damaged
            else:
                check_upstream(registry, holding, str(weights.digest))
        record_uploaded(registry, model_id, weights.id, announced, uploaded)


def check_timeout(timeout: object) -> float | None:
    """Return a number of seconds, or None to wait without a limit."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 <= timeout < 1e9:
        raise InvalidValueError(
            f"timeout must be a number of seconds, 0 or more, not {shown(timeout)}",
            argument="timeout",
        )
    return float(timeout)
