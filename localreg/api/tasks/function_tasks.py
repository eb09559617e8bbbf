"""The part of `Task` that records a call of a function as a task of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable

from localreg import operations
from localreg.api import ambient
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError
from localreg.operations.tasks.parameters import Key, cast_as, value_of
from localreg.values.checks import check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

SECTION, MARK = "Function", "__func_readonly__"
_SIMPLE = (str, int, float, bool, list, tuple, dict, type(None))


class FunctionMethods(TaskHandle):
    """Tasks that call one function; mixed into `Task`."""

    __slots__ = ()

    def create_function_task(
        self,
        func: Callable[..., object],
        func_name: str | None = None,
        task_name: str | None = None,
        **kwargs: Any,  # noqa: ANN401  (arguments of the function)
    ) -> Self | None:
        """Record a call of a function as a task, which `localreg task run` runs.

        The new task is a copy of this one. When it is run, the script runs until this call, the
        function is called with the parameters of the section "Function", and the process ends.

        Args:
            func: the function.
            func_name: its name, which no other call in the script has; its own name when None.
            task_name: the name of the task; this task's and the function's when None.
            kwargs: arguments of the function; those that are texts, numbers, lists or dicts become
                parameters.

        Returns:
            The new task. None if the task of another function is run.

        Raises:
            InvalidValueError: (a ValueError) it cannot be called, or the name is taken.

        Source: ``Task.create_function_task`` of the ClearML SDK.
        """
        if not callable(func):
            raise InvalidValueError(
                f"func must be a function, not {type(func).__name__}", argument="func"
            )
        own = getattr(func, "__name__", None)
        name = check_name("func_name", own if func_name is None else func_name)
        if not ambient.first_time(f"function task {self._id} {name}"):
            raise InvalidValueError(
                f"the script has made a task of a function {name!r} before; give another func_name",
                argument="func_name",
            )
        registry = self._registry
        there = operations.tasks.parameters.parameters(registry, self._id)
        mark = there.get(Key(SECTION, MARK))
        if ambient.task_to_run_again() != self._id or mark is None:
            return self._made(name, task_name, kwargs)
        if mark.value != name:
            return None
        for argument, given in kwargs.items():
            stored = there.get(Key(SECTION, argument))
            if stored is not None:
                kwargs[argument] = cast_as(stored, given, argument)
        operations.tasks.parameters.mark_used(
            registry, self._id, [key for key in there if key.section == SECTION]
        )
        func(**kwargs)
        sys.exit(0)

    def _made(self, name: str, task_name: str | None, kwargs: dict[str, Any]) -> Self:
        own = self._row().name
        made = operations.tasks.cloning.clone_task(
            self._registry,
            self._id,
            name=f"{own} <{name}>" if task_name is None else task_name,
            parent=self._id,
        )
        values = {Key(SECTION, MARK): value_of(MARK, name)}
        for argument, value in kwargs.items():
            if isinstance(value, _SIMPLE):
                values[Key(SECTION, argument)] = value_of(argument, value)
        operations.tasks.parameters.set_parameters(self._registry, made, values)
        operations.tasks.lifecycle.edit_system_tags(self._registry, made, add=["func"])
        return type(self)._of(self._chain, self._registry, made)
