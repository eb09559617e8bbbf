"""Downloads from the Hugging Face Hub, by its own library and into its own cache.

The library knows tokens, mirrors and being offline: HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE, HF_HOME.
"""

from __future__ import annotations

from pathlib import Path

from localreg.errors import DownloadError, MissingPackageError

_OTHER_ERRORS = ("EntryNotFoundError", "HFValidationError", "RevisionResolutionError",
                 "XetDownloadError")  # fmt: skip

_REASONS = {
    "GatedRepoError": "accept its conditions on the hub first, and set HF_TOKEN",
    "RepositoryNotFoundError": "the hub has no such model, or shows it only to HF_TOKEN",
    "RevisionNotFoundError": "the hub has no such revision of it",
    "IncompleteSnapshotError": "the hub cannot be reached, and the cache has only a part of it",
    "LocalEntryNotFoundError": "the hub cannot be reached, and the cache lacks it",
}


def downloaded_snapshot(repository: str, revision: str | None, *, only_here: bool) -> Path:
    """Return the folder of a model in the cache of the hub, where it is downloaded to if it lacks.

    Args:
        repository: such as "org/net".
        revision: a branch, a tag or a commit; None for the default branch.
        only_here: download nothing.

    Raises:
        DownloadError: there is no such model or revision, or the hub cannot be reached and the
            cache does not have it.
        MissingPackageError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import errors, snapshot_download
    except ImportError as error:
        raise MissingPackageError(
            "hf:// needs huggingface_hub: pip install 'localreg[hf]'", package="huggingface_hub"
        ) from error
    # The errors of its HTTP library, whichever that is, are the bases of its own.
    network = errors.HfHubHTTPError.__mro__[1:2]
    others = tuple(getattr(errors, name) for name in _OTHER_ERRORS if hasattr(errors, name))
    url = f"hf://{repository}" + (f"@{revision}" if revision else "")
    try:
        return Path(snapshot_download(repository, revision=revision, local_files_only=only_here))
    except (OSError, *network, *others) as error:
        why = "a dry run downloads nothing, and the cache lacks it" if only_here else _why(error)
        status = getattr(getattr(error, "response", None), "status_code", None)
        raise DownloadError(f"{url} did not come: {why}", url=url, status=status) from error


def _why(error: BaseException) -> str:
    """Return why a download failed: in our words where the library's begin with a status."""
    for each in type(error).__mro__:
        if each.__name__ in _REASONS:
            return _REASONS[each.__name__]
    return str(error).strip().partition("\n")[0][:300]
