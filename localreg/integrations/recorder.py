"""`Recorder`: what a patch may report about the current task."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol, TypeVar

    Kept = TypeVar("Kept")
else:
    Protocol = object


class Recorder(Protocol):
    """Reports to one task. A path may be anything: what is not the path of a file is ignored.

    `title`, `series` and `iteration` identify a report, as in the methods of `Logger`.
    """

    def stop(self) -> None:
        """End the threads that report for the task; what waits is not reported."""

    def wants(self, library: str, path: object = None) -> bool:
        """Return True if `auto_connect_frameworks` lets a library report.

        Args:
            library: its name in ClearML, such as "pytorch".
            path: of a model; it must match the patterns that were given for the library.
        """

    def option(self, library: str, name: str) -> object:
        """Return an option of a library in `auto_connect_frameworks`, None if it is not given."""

    def setting(self, name: str) -> bool:
        """Return what a class method of `Logger` of that name was last called with, False if not.

        Args:
            name: such as "tensorboard_auto_group_scalars".
        """

    def kept(self, kind: type[Kept]) -> Kept:
        """Return what an integration keeps for the task; the first call makes it.

        Args:
            kind: its class, which is called without arguments.
        """

    def saved_model(
        self,
        library: str,
        path: object,
        *,
        framework: str | None = None,
        name: str | None = None,
        config: Mapping[str, object] | None = None,
        weights: object = None,
        files: Sequence[str] = (),
    ) -> None:
        """Keep a file or folder that was saved as the next weights of an output model.

        What is saved at the same path again is the next revision of the same model.

        Args:
            library: as in `wants`, which is asked.
            path: it is read at once: the script may delete the file, or write another one.
            framework: of the model, such as "PyTorch".
            name: the name of the model, after that of the task; the file's name without its
                ending if None.
            config: the configuration of a new model.
            weights: what was saved, for callbacks.
            files: of a folder, the names of those files in it that belong to the model; all that
                is in it if there are none. Of a file, its name and those of files beside it that
                belong to it.
        """

    def loaded_model(
        self,
        library: str,
        path: object,
        *,
        framework: str | None = None,
        files: Sequence[str] = (),
    ) -> None:
        """Make the model of a loaded file or folder an input of the task, if it is known.

        Args:
            library, path, framework, files: as for `saved_model`.
        """

    def deleted_model(self, library: str, path: object) -> None:
        """Remove the model of a file that a library saved, and has deleted by itself."""

    def scalar(
        self, title: str, series: str, value: float, iteration: int, *, at: float | None = None
    ) -> None:
        """Report one point of a scalar series.

        Args:
            at: when it was measured, in seconds since 1970; now if None.
        """

    def histogram(
        self,
        title: str,
        series: str,
        iteration: int,
        heights: Sequence[float],
        edges: Sequence[float],
    ) -> None:
        """Report a histogram that is counted already: one edge more than heights."""

    def image(self, title: str, series: str, iteration: int, picture: object) -> None:
        """Report a picture: an array as of `Logger.report_image`, or the bytes of a file."""

    def media(self, title: str, series: str, iteration: int, data: bytes, ending: str) -> None:
        """Report the bytes of a file, such as of audio, video or text."""

    def plotly(self, title: str, series: str, iteration: int, figure: object) -> None:
        """Report a Plotly figure, as an object or dict."""

    def console(self, stream: str, text: str, level: int) -> None:
        """Add what was printed to the log of the task; a line may come in pieces.

        Args:
            stream: "stdout", "stderr" or "logging".
            level: as in `logging`.
        """

    def parameters(self, section: str, values: Mapping[str, object]) -> dict[str, object]:
        """Record parameters, and return the values to use.

        They are the given ones, but when the task is run again, those of the task, cast to the
        types of the given ones.

        Args:
            section: such as "Args".
            values: nested dicts are split at their keys.
        """

    def is_run_again(self) -> bool:
        """Return True if this process runs the task again: its own values count."""

    def last_iteration(self) -> int:
        """Return the largest iteration reported so far, 0 without one."""
