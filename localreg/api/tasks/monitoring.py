"""`auto_resource_monitoring`: what a task uses of the machine while it runs."""

from __future__ import annotations

from collections.abc import Mapping

from localreg import log
from localreg.api import ambient
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError
from localreg.integrations.resources import Frequencies
from localreg.plots.options import check_number
from localreg.values.checks import check_flag, shown
from localreg.values.frozen import Frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.integrations.recorder import Recorder
    from localreg.integrations.resources import Monitor

_OTHER_NAMES = {
    "report_start_sec": "first_report_sec",
    "seconds_from_start": "first_report_sec",
}
_OF_PROCESSES = "report_mem_used_per_process"
_NAMES = tuple(Frequencies.__annotations__)


class Monitoring(Frozen):
    """A checked `auto_resource_monitoring`.

    Attributes:
        frequencies: how often.
        of_processes: the memory in use is that of the task, and not of the machine.
    """

    frequencies: Frequencies
    of_processes: bool


def check_monitoring(given: object) -> Monitoring | None:
    """Return a checked `auto_resource_monitoring`, None for no monitoring; a class is True."""
    if not isinstance(given, bool | Mapping | type):
        raise InvalidValueError(
            f"auto_resource_monitoring must be a bool or a dict, not {shown(given)}",
            argument="auto_resource_monitoring",
        )
    if not given:
        return None
    options = dict(given) if isinstance(given, Mapping) else {}
    globally = options.pop("report_global_mem_used", False)
    of_processes = options.pop(_OF_PROCESSES, not check_flag("report_global_mem_used", globally))
    named = {_OTHER_NAMES.get(str(name), name): value for name, value in options.items()}
    unknown = [name for name in named if name not in _NAMES]
    if unknown:
        raise InvalidValueError(
            f"auto_resource_monitoring has no option {shown(unknown[0])}; it has "
            f"{', '.join((*_NAMES, _OF_PROCESSES))}",
            argument="auto_resource_monitoring",
        )
    numbers = {
        str(name): _seconds(str(name), value) for name, value in named.items() if value is not None
    }
    frequencies = replace(ambient.frequencies() or Frequencies(), **numbers)
    return Monitoring(frequencies, check_flag(_OF_PROCESSES, of_processes))


def _seconds(name: str, value: object) -> float:
    number = check_number(name, value)
    is_often = name == "sample_frequency_per_sec"
    if not 0 <= number < 1e9 or (is_often and number == 0):
        raise InvalidValueError(
            f"{name} must be {'more than 0' if is_often else 'seconds'}, not {shown(value)}",
            argument=name,
        )
    return number


def start(recorder: Recorder, wanted: Monitoring) -> Monitor | None:
    """Report what a task uses; log once if nothing can be read here."""
    from localreg.integrations import resources

    monitor = resources.start(recorder, wanted.frequencies, of_processes=wanted.of_processes)
    if monitor is None and ambient.first_time("auto_resource_monitoring"):
        log.info("what tasks use of the machine is not reported: psutil is not installed")
    return monitor


class MonitoringMethods(TaskHandle):
    """Settings of the monitoring; mixed into `Task`."""

    __slots__ = ()

    @classmethod
    def set_resource_monitor_iteration_timeout(
        cls,
        seconds_from_start: float = 30.0,
        wait_for_first_iteration_to_start_sec: float = 180.0,
        max_wait_for_first_iteration_to_start_sec: float = 1800.0,
    ) -> bool:
        """Set when tasks that begin later report what they use of the machine; return True.

        Args:
            seconds_from_start: the time of the first report.
            wait_for_first_iteration_to_start_sec: how long to wait for iterations before seconds
                are the axis.
            max_wait_for_first_iteration_to_start_sec: until when iterations become the axis.

        Raises:
            InvalidValueError: a time is no number of seconds.

        Source: ``Task.set_resource_monitor_iteration_timeout`` of the ClearML SDK.
        """
        given = {
            "first_report_sec": seconds_from_start,
            "wait_for_first_iteration_to_start_sec": wait_for_first_iteration_to_start_sec,
            "max_wait_for_first_iteration_to_start_sec": max_wait_for_first_iteration_to_start_sec,
        }
        numbers = {name: _seconds(name, value) for name, value in given.items()}
        ambient.set_frequencies(replace(Frequencies(), **numbers))
        return True
