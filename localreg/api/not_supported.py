"""Members of ClearML's classes that localreg does not have: they raise when they are used.

The table in ``guide/clearml.md`` says the same, and what the other members do.
"""

from __future__ import annotations

from localreg.errors import NotSupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, TypeVar

    Owner = TypeVar("Owner", bound=type)

_SERVER = "there is no server to speak to"
_QUEUE = "there are no queues; any scheduler can call `localreg task run`"
_SERVING = "localreg serves nothing over the network"
_DATAVIEWS = "HyperDatasets need ClearML's own server"
_CREDENTIALS = "credentials come from the environment: see `localreg guide clouds`"
_STOPPING = "no process waits for it: end the process, or call mark_stopped"

# Why, by class and member.
NOT_SUPPORTED: dict[str, dict[str, str]] = {
    "Dataset": {
        "import_offline_session": "`localreg export` and `localreg import` carry data sets",
    },
    "Task": {
        "default_session": _SERVER,
        "dequeue": _QUEUE,
        "enqueue": _QUEUE,
        "get_all": f"{_SERVER}; use Task.get_tasks",
        "get_dataviews": _DATAVIEWS,
        "get_http_router": _SERVING,
        "get_num_enqueued_tasks": _QUEUE,
        "labels_stats": _DATAVIEWS,
        "launch_multi_node": "there are no queues that start nodes; torchrun starts them, and all "
        "ranks report to one task",
        "list_external_endpoints": _SERVING,
        "mark_stop_request": _STOPPING,
        "metrics_manager": _SERVER,
        "request_external_endpoint": _SERVING,
        "reset": "localreg deletes no reports of a task; use Task.clone",
        "send": _SERVER,
        "session": _SERVER,
        "set_artifacts": f"{_SERVER}; use upload_artifact",
        "set_dataview": _DATAVIEWS,
        "setup_aws_upload": _CREDENTIALS,
        "setup_azure_upload": _CREDENTIALS,
        "setup_gcp_upload": _CREDENTIALS,
        "setup_upload": _CREDENTIALS,
        "stop_request": _STOPPING,
        "wait_for_external_endpoint": _SERVING,
    },
    "StorageManager": {
        "get_files_server": "there is no file server: files are in the registry",
        "storage_helper": "it is an inner part of ClearML: use the methods of StorageManager",
    },
}
_PROPERTIES = frozenset({"default_session", "labels_stats", "metrics_manager", "session"})


def refusing(owner: Owner) -> Owner:
    """Give a class the members that localreg does not have.

    A member can be looked up and passed on; calling it raises. What is no method in ClearML raises
    when it is read from an object.
    """
    for member, reason in NOT_SUPPORTED[owner.__name__].items():
        refusal = _refusal(f"{owner.__name__}.{member}", reason)
        found: object = property(refusal) if member in _PROPERTIES else staticmethod(refusal)
        setattr(owner, member, found)
    return owner


def _refusal(name: str, reason: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise NotSupportedError(f"localreg does not have {name}: {reason}", name=name)

    refuse.__name__ = name.rpartition(".")[2]
    refuse.__qualname__ = name
    refuse.__doc__ = f"Raise a NotSupportedError: {reason}."
    return refuse
