"""The settings of a registry: read them, set them, and go back to what holds without them."""

from __future__ import annotations

from localreg.filesystem.machine import short_host_name
from localreg.registry import OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import origin_rows, setting_rows
from localreg.values.frozen import Frozen
from localreg.values.registry_settings import (
    ORIGIN_NAME,
    PAGES_RENEW,
    SETTINGS,
    TRUST_MODE,
    USUAL_RENEWAL,
    known_setting,
)


class SettingValue(Frozen):
    """A setting of a registry.

    Attributes:
        key: its name.
        value: what holds now; None for nothing.
        chosen: True if somebody set it.
        summary: what it does.
    """

    key: str
    value: str | None
    chosen: bool
    summary: str


def every_setting(registry: OpenRegistry) -> list[SettingValue]:
    """Return all settings, also those with their default."""
    with registry.store.read() as connection:
        chosen = setting_rows.some(connection, SETTINGS)
        own = origin_rows.name_of(connection, origin_rows.own(connection))
    defaults = {ORIGIN_NAME: own, PAGES_RENEW: USUAL_RENEWAL, TRUST_MODE: "off"}
    return [
        SettingValue(key, chosen.get(key, defaults.get(key)), key in chosen, each.summary)
        for key, each in SETTINGS.items()
    ]


def setting(registry: OpenRegistry, key: object) -> SettingValue:
    """Return one setting.

    Raises:
        InvalidValueError: there is no setting of that name.
    """
    wanted = known_setting(key).key
    return next(each for each in every_setting(registry) if each.key == wanted)


def set_setting(registry: OpenRegistry, key: object, value: str) -> None:
    """Set a setting.

    Raises:
        InvalidValueError: there is no setting of that name, or it cannot have that value.
    """
    known = known_setting(key)
    text = known.parse(value)
    with registry.store.write() as change:
        setting_rows.put(change.connection, known.key, text)
        _apply(change, known.key, text)


def unset(registry: OpenRegistry, key: object) -> None:
    """Give a setting its default again."""
    known = known_setting(key)
    with registry.store.write() as change:
        setting_rows.drop(change.connection, known.key)
        _apply(change, known.key, None)


def _apply(change: Change, key: str, value: str | None) -> None:
    if key == ORIGIN_NAME:
        connection = change.connection
        own = origin_rows.own(connection)
        origin_rows.rename(connection, own, value or short_host_name())
