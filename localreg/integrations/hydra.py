"""hydra, with the configurations of OmegaConf.

The overrides of a run are ``Hydra/db.user``; its configuration is ``OmegaConf``, as YAML. When a
task is run again, hydra gets the overrides of the task. If ``Hydra/_allow_omegaconf_edit_`` is
True, or the configuration was set for this run, the script gets the configuration of the task. Each
job of a multirun that calls `Task.init` has a task of its own. All as in ClearML, where only
``_allow_omegaconf_edit_`` counts.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping, Sequence

from localreg.errors import InvalidValueError
from localreg.integrations.command_line import Stored, refused
from localreg.values.metadata import cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, ModuleType
    from typing import Any

    from localreg.integrations.patches import Patches

SECTION, CONFIGURATION, EDIT = "Hydra", "OmegaConf", "_allow_omegaconf_edit_"
_LIBRARY = "hydra"  # in auto_connect_frameworks


def patch(patches: Patches, module: ModuleType) -> None:
    """Patch the module of hydra that runs jobs; record a job that runs."""
    watch = _Watch(patches)
    hydra: Any = module
    patches.around(module, "run_job", watch.job)
    patches.around(hydra.Hydra, "compose_config", watch.compose)
    watch.watch_launcher()
    patches.quietly("the configuration of hydra", watch.record_running)


class _Watch:
    """What is called instead of hydra's functions."""

    def __init__(self, patches: Patches) -> None:
        self._patches = patches
        self._is_launcher_patched = False

    def watch_launcher(self) -> None:
        """Patch the module that runs the jobs of a multirun, when hydra has executed it.

        No import hook sees it: it is a plugin.
        """
        launcher = sys.modules.get("hydra._internal.core_plugins.basic_launcher")
        if launcher is not None and not self._is_launcher_patched:
            self._is_launcher_patched = True
            self._patches.around(launcher, "run_job", self.job)

    def compose(self, original: Callable[..., Any], hydra: Any, *args: Any, **named: Any) -> Any:  # noqa: ANN401
        """Do what ``Hydra.compose_config`` does, with the overrides of the task."""
        overrides = named.get("overrides")
        if overrides is None or not named.get("from_shell", True):  # a call of hydra.compose
            return original(hydra, *args, **named)
        self.watch_launcher()
        line = self._patches.command_line
        stored = line.stored(SECTION)
        if stored is not None:
            named["overrides"] = _overridden(overrides, stored, line.added(), hydra.config_loader)
        if _is_multirun(named.get("run_mode")) and self._patches.recorder() is not None:
            words = [each for each in named["overrides"] if not _key(each).startswith("hydra.")]
            self._patches.quietly(
                "the overrides of hydra", self._record, words, hydra.config_loader
            )
        return original(hydra, *args, **named)

    def job(self, original: Callable[..., Any], *args: Any, **named: Any) -> Any:  # noqa: ANN401
        """Do what ``run_job`` does."""
        config = named["config"] if "config" in named else args[1]
        loader = getattr(named.get("hydra_context"), "config_loader", None)
        line = self._patches.command_line
        stored = line.stored(SECTION)
        edit = False
        if stored is not None:
            text = line.stored_configuration(CONFIGURATION)
            edit = _is_edited(stored, text)
            if edit and text is not None:
                _replace(config, text.text)
        many = _is_multirun(config.hydra.mode)
        # The task of a multirun as a whole has the overrides of all jobs.
        if not (many and self._patches.recorder() is not None):
            words = list(config.hydra.overrides.task)
            self._patches.quietly("the overrides of hydra", self._record, words, loader, edit=edit)
        self._patches.quietly("the configuration of hydra", self._record_configuration, config)
        with line.job() as end:
            result = original(*args, **named)
            if result.status.name == "FAILED":
                end(result._return_value)  # hydra raises it later, without its traceback
            elif many and stored is None:
                end(None)
        return result

    def _record(
        self,
        overrides: Sequence[str],
        loader: object,
        *,
        edit: bool = False,
        used: bool = True,
    ) -> None:
        values: dict[str, object] = {}
        for word in overrides:
            name, sign, value = word.partition("=")
            plain = name if _is_group(loader, name) else name.lstrip("+")
            values[plain] = value if sign else None
        line = self._patches.command_line
        line.record(SECTION, SECTION, values | {EDIT: edit}, library=_LIBRARY, used=used)

    def _record_configuration(self, config: Any, *, used: bool = True) -> None:  # noqa: ANN401
        from omegaconf import OmegaConf, open_dict, read_write

        mine = copy.deepcopy(config)
        with read_write(mine), open_dict(mine):
            mine.pop("hydra", None)
        text = OmegaConf.to_yaml(mine, resolve=False)
        line = self._patches.command_line
        line.record_configuration(CONFIGURATION, text, library=_LIBRARY, used=used)

    def record_running(self) -> None:
        """Record the job that runs, if it began before hydra was patched."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            module = frame.f_globals.get("__name__")
            if frame.f_code.co_name == "run_job" and module == "hydra.core.utils":
                config = frame.f_locals["config"]
                loader = getattr(frame.f_locals.get("hydra_context"), "config_loader", None)
                self._record(list(config.hydra.overrides.task), loader, used=False)
                self._record_configuration(config, used=False)
                return
            frame = frame.f_back


def _is_multirun(mode: object) -> bool:
    return getattr(mode, "name", None) == "MULTIRUN"


def _is_group(loader: Any, name: str) -> bool:  # noqa: ANN401
    """Return True if an override chooses a group of configurations."""
    try:
        return bool(loader.repository.group_exists(_key(name).partition("@")[0]))
    except AttributeError:  # another version of hydra
        return False


def _key(word: str) -> str:
    """Return what an override sets.

    >>> _key("++db.user=a"), _key("~db")
    ('db.user', 'db')
    """
    return word.partition("=")[0].lstrip("+~")


def _overridden(
    overrides: Sequence[str],
    stored: Mapping[str, Stored],
    added: Sequence[str],
    loader: object,
) -> list[str]:
    """Return overrides with those of the task; what was added to the command line is kept.

    Raises:
        InvalidValueError: one is not in the grammar of hydra.
    """
    words = list(overrides)
    kept = {_key(word) for word in added}
    for name, each in stored.items():
        key = _key(name)
        if name == EDIT or key in kept:
            continue
        value = f"={each.text}" if each.text else ""
        there = [at for at, word in enumerate(words) if _key(word) == key]
        if there:
            before = words[there[-1]].partition("=")[0]
            word = (name if name.startswith("~") else before) + value
            if words[there[-1]] != word:
                words[there[-1]] = _checked(word, name, each)
        else:
            whole = name.startswith(("~", "+")) or _is_group(loader, name)
            words.append(_checked(f"{name}{value}" if whole else f"++{name}{value}", name, each))
    return words


def _checked(word: str, name: str, stored: Stored) -> str:
    """Return an override if hydra can read it."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(word)
    except HydraException as error:
        reason = str(error).partition("\n")[0]
        raise refused(SECTION, name, stored.text, error, reason) from None  # it may be a secret
    return word


def _is_edited(stored: Mapping[str, Stored], text: Stored | None) -> bool:
    flag = stored.get(EDIT)
    allowed = flag is not None and cast(flag.text, "bool") is True
    return text is not None and (allowed or text.asked)


def _replace(config: Any, text: str) -> None:  # noqa: ANN401
    """Replace a configuration by that of the task; what has a type keeps it.

    Raises:
        InvalidValueError: the configuration of the task does not fit.
    """
    from omegaconf import OmegaConf, open_dict, read_write
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError  # type: ignore[import-untyped]  # it has no types

    try:
        values: Any = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
        typed = OmegaConf.get_type(config) is not dict
        with read_write(config), open_dict(config):
            for key in list(config):
                if key not in values and key != "hydra" and not typed:
                    del config[key]
            for key, value in values.items():
                if typed or OmegaConf.get_type(config, key) not in (dict, list, None):
                    config.merge_with({key: value})
                else:
                    config[key] = value
    except (OmegaConfBaseException, YAMLError, AttributeError) as error:
        raise InvalidValueError(
            f"the configuration {CONFIGURATION} of the task is not one of the script: {error}",
            argument=CONFIGURATION,
        ) from error
