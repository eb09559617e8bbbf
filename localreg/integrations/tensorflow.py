"""TensorFlow 2: what `tf.summary` writes becomes reports of the current task.

TensorFlow writes its events in C++, so the operations that Python calls are patched. Their values
become events, as other writers have them: see `tensorboard`. What is written inside of a
`tf.function` has no value while Python runs, and is not reported.
"""

from __future__ import annotations

import time
from importlib import import_module
from importlib.util import find_spec

from localreg import log
from localreg.integrations.tensorboard import Board

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches
    from localreg.integrations.recorder import Recorder

_PROTO = "tensorboard.compat.proto"


def patch(patches: Patches, module: ModuleType) -> None:
    """Report what the operations of `tf.summary` write."""
    patches.after(module, "create_summary_file_writer", _made)
    patches.after(module, "write_summary", _written)
    patches.after(module, "write_raw_proto_summary", _written_raw)


class _Writers:
    """The writers of one task.

    Attributes:
        folders: of the writers, by the id of their resource.
    """

    def __init__(self) -> None:
        self.folders: dict[int, str] = {}
        self._warned = False

    def may_report(self, *values: Any) -> bool:  # noqa: ANN401
        """Return True if all have values; else warn once."""
        # It has the messages; nearly all of tf.summary needs it.
        if find_spec("tensorboard") is None:
            return False
        if all(not hasattr(each, "shape") or hasattr(each, "numpy") for each in values):
            return True
        if not self._warned:
            self._warned = True
            log.warning("what is written to TensorBoard inside of a tf.function is not reported")
        return False


class _Writer:
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def get_logdir(self) -> str:
        return self._folder


def _made(recorder: Recorder, _: object, writer: Any, logdir: Any, *__: Any, **___: Any) -> None:  # noqa: ANN401
    if hasattr(writer, "_id"):
        recorder.kept(_Writers).folders[writer._id] = _text(logdir)


def _written(
    recorder: Recorder,
    _: object,
    writer: Any,  # noqa: ANN401
    step: Any,  # noqa: ANN401
    tensor: Any,  # noqa: ANN401
    tag: Any,  # noqa: ANN401
    summary_metadata: Any,  # noqa: ANN401
    name: object = None,
) -> None:
    if not recorder.wants("tensorboard"):
        return
    if not recorder.kept(_Writers).may_report(step, tensor, tag, summary_metadata):
        return
    summary = import_module(f"{_PROTO}.summary_pb2")
    value = summary.Summary.Value(
        tag=_text(tag),
        metadata=summary.SummaryMetadata.FromString(_plain(summary_metadata)),
        tensor=import_module("tensorboard.util.tensor_util").make_tensor_proto(_plain(tensor)),
    )
    _add(recorder, writer, step, summary.Summary(value=[value]))


def _written_raw(
    recorder: Recorder,
    _: object,
    writer: Any,  # noqa: ANN401
    step: Any,  # noqa: ANN401
    tensor: Any,  # noqa: ANN401
    name: object = None,
) -> None:
    if recorder.wants("tensorboard") and recorder.kept(_Writers).may_report(step, tensor):
        summary = import_module(f"{_PROTO}.summary_pb2")
        _add(recorder, writer, step, summary.Summary.FromString(_plain(tensor)))


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Return the value of a tensor; anything else as it is."""
    return value.numpy() if hasattr(value, "numpy") else value


def _text(value: Any) -> str:  # noqa: ANN401
    plain = _plain(value)
    return plain.decode() if isinstance(plain, bytes) else str(plain)


def _add(recorder: Recorder, writer: Any, step: Any, summary: Any) -> None:  # noqa: ANN401
    event = import_module(f"{_PROTO}.event_pb2").Event(
        step=int(_plain(step)), wall_time=time.time(), summary=summary
    )
    folder = recorder.kept(_Writers).folders.get(getattr(writer, "_id", -1), "")
    recorder.kept(Board).add(recorder, _Writer(folder), event)
