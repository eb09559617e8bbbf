"""``clearml.task_parameters``: parameters of a task as a class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.api.tasks.task import Task

_REQUIRED = object()


class _Parameter:
    """One parameter of a class; `name` is set by the class."""

    def __init__(
        self,
        validators: list[Callable[..., object]],
        kind: type | None,
        metadata: dict[str, object],
        make: Callable[[], object],
    ) -> None:
        self.name = ""
        self.validator = validators
        self.type = kind
        self.metadata = metadata
        self.make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def check(self, instance: object, value: object) -> None:
        """Raise if a value cannot be used."""
        if self.type is not None and value is not None and not isinstance(value, self.type):
            raise TypeError(
                f"{self.name} must be {self.type.__name__}, not {type(value).__name__}: {value!r}"
            )
        for each in self.validator:
            each(instance, self, value)


def range_validator(
    min_value: float | None, max_value: float | None
) -> Callable[[object, Any, float], None]:
    """Return a validator of a range; None for no limit. The limits belong to the range."""

    def check(instance: object, attribute: Any, value: float) -> None:  # noqa: ANN401
        low = min_value is not None and value < min_value
        if low or (max_value is not None and value > max_value):
            raise ValueError(
                f"{attribute.name} must be from {min_value} to {max_value}, not {value!r}"
            )

    return check


def param(
    validator: Callable[..., object] | Iterable[Callable[..., object]] | None = None,
    range: tuple[float | None, float | None] | None = None,  # noqa: A002  (ClearML's name)
    type: Any = None,  # noqa: A002, ANN401  (a class)
    desc: str | None = None,
    metadata: Mapping[str, object] | None = None,
    *,
    default: object = _REQUIRED,
    factory: Callable[[], object] | None = None,
) -> Any:  # noqa: ANN401  (read as the value)
    """Return a parameter of a class of `TaskParameters`.

    Args:
        validator: one or more functions of the object, the parameter and the value, which raise.
        range: the smallest and the largest value, None for no limit.
        type: the class of its values.
        desc: its description.
        metadata: further facts.
        default, factory: the value of an object that is made without one.
    """
    checks = [] if validator is None else [validator] if callable(validator) else [*validator]
    if range is not None:
        checks.append(range_validator(*range))
    make = factory if factory is not None else lambda: default
    return _Parameter(checks, type, {**(metadata or {}), "desc": desc}, make)


def percent_param(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  (as of `param`)
    """Return a parameter from 0.0 to 1.0; see `param`."""
    return param(*args, **{"range": (0, 1), "type": float, **kwargs})


class TaskParameters:
    """The parameters of a task; a class of its own names them.

    >>> class Mine(TaskParameters):
    ...     iterations = param(type=int, range=(0, 1000))
    >>> Mine(iterations=10).to_dict()
    {'iterations': 10}
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        declared = self._declared()
        if len(args) > len(declared):
            raise TypeError(f"{type(self).__name__} takes {len(declared)} values, not {len(args)}")
        given = {**dict(zip(declared, args, strict=False)), **kwargs}
        unknown = given.keys() - declared.keys()
        if unknown:
            raise TypeError(f"{type(self).__name__} has no parameter {', '.join(sorted(unknown))}")
        for name, each in declared.items():
            value = given[name] if name in given else each.make()
            if value is _REQUIRED:
                raise TypeError(f"{type(self).__name__} needs a value of {name}")
            each.check(self, value)
            setattr(self, name, value)

    @classmethod
    def _declared(cls) -> dict[str, _Parameter]:
        classes = reversed(cls.__mro__)
        return {
            name: each
            for one in classes
            for name, each in vars(one).items()
            if isinstance(each, _Parameter)
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the values by their names."""
        return {name: getattr(self, name) for name in self._declared()}

    def update_from_dict(self, source_dict: Mapping[str, object]) -> None:
        """Set values by their names.

        Raises:
            ValueError: there is no such name.
        """
        for name, value in source_dict.items():
            if not hasattr(self, name):
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}")
            setattr(self, name, value)

    def connect(self, task: Task) -> Any:  # noqa: ANN401  (self)
        """Record the values on a task; when it is run again, take those of the task."""
        return task.connect(self)
