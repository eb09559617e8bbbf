"""What a task uses of the machine, reported as scalars while it runs: `Monitor`.

The times and the axis are those of ClearML: averages every 30 s, from 30 s on. The axis has the
iterations of the script once it has reported some. If it has not after 180 s, the axis has seconds
since the start; it changes if iterations are reported in the first 30 minutes. A short task without
iterations reports nothing.
"""

from __future__ import annotations

import threading
import time

from localreg import log
from localreg.values.frozen import Frozen
from localreg.values.metrics import GPU, MACHINE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localreg.integrations.machine import Machine
    from localreg.integrations.recorder import Recorder


class Frequencies(Frozen):
    """How often a monitor reads and reports; the names are those of ClearML."""

    sample_frequency_per_sec: float = 2.0
    report_frequency_sec: float = 30.0
    first_report_sec: float = 30.0
    wait_for_first_iteration_to_start_sec: float = 180.0
    max_wait_for_first_iteration_to_start_sec: float = 1800.0


def start(recorder: Recorder, frequencies: Frequencies, *, of_processes: bool) -> Monitor | None:
    """Report what a task uses until `Monitor.stop`; return None if nothing can be read here.

    Args:
        of_processes: the memory in use is that of this process and its children, and not of all.
    """
    from localreg.integrations.machine import is_readable, machines

    if not is_readable():
        return None
    # The thread looks for readers: a driver may take its time.
    monitor = Monitor(recorder, frequencies, lambda: machines(of_processes=of_processes))
    monitor.start()
    return monitor


class Monitor:
    """Reads the machine, and reports averages.

    Args:
        recorder: of the task.
        frequencies: how often.
        readers: returns those of the machine; called at the first step.
        clock: returns seconds.
    """

    def __init__(
        self,
        recorder: Recorder,
        frequencies: Frequencies,
        readers: Callable[[], Sequence[Machine]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorder = recorder
        self._frequencies = frequencies
        self._find = readers
        self._readers: Sequence[Machine] | None = None
        self._clock = clock
        self._began = clock()
        self._due = self._began + frequencies.first_report_sec
        self._read: dict[str, list[float]] = {}
        self._totals: tuple[float, dict[str, float]] | None = None
        self._by_seconds = False
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Read and report in a thread."""
        self._thread = threading.Thread(target=self._run, name="localreg-resources", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(5)  # a driver may hang; the thread ends with the process
            self._thread = None

    def _run(self) -> None:
        pause = 1 / self._frequencies.sample_frequency_per_sec
        try:
            while not self._over.wait(pause):
                self.step()
        except Exception as error:  # noqa: BLE001  (the script must not fail for this)
            log.warning(
                "what the task uses of the machine is not reported any more: %s: %s",
                type(error).__name__, error,
            )  # fmt: skip

    def step(self) -> None:
        """Read once, and report if it is time."""
        for name, value in self._all("levels").items():
            self._read.setdefault(name, []).append(value)
        now = self._clock()
        if self._totals is None:
            self._totals = (now, self._all("totals"))
        if now >= self._due:
            self._due = now + self._frequencies.report_frequency_sec
            self._report(now)

    def _all(self, kind: str) -> dict[str, float]:
        if self._readers is None:
            self._readers = self._find()
        return {
            name: value for each in self._readers for name, value in getattr(each, kind)().items()
        }

    def _report(self, now: float) -> None:
        iteration = self._iteration(now - self._began)
        if iteration is None:
            return
        values = {name: sum(some) / len(some) for name, some in self._read.items()}
        self._read = {}
        values |= self._rates(now) | self._all("slow")
        for name, value in values.items():
            title = GPU if name.startswith("gpu_") else MACHINE
            self._recorder.scalar(title, name, round(value, 3), iteration)

    def _rates(self, now: float) -> dict[str, float]:
        """Return how much the totals grew in a second."""
        then, before = self._totals or (now, {})
        totals = self._all("totals")
        self._totals = (now, totals)
        passed = now - then
        return {
            name: max(0.0, value - before.get(name, value)) / passed
            for name, value in totals.items()
            if passed > 0
        }

    def _iteration(self, seconds: float) -> int | None:
        """Return the iteration of the next report, None while it is not known what to count."""
        last = self._recorder.last_iteration()
        times = self._frequencies
        if self._by_seconds and seconds > times.max_wait_for_first_iteration_to_start_sec:
            return round(seconds)
        if last > 0:
            self._by_seconds = False
            return last
        if seconds >= times.wait_for_first_iteration_to_start_sec:
            self._by_seconds = True
            return round(seconds)
        return None
