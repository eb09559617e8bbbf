"""The part of `Registry` that keeps it sound and small."""

from __future__ import annotations

from localreg import operations
from localreg.progress import shown_progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.upkeep.adopt import Adoption
    from localreg.operations.upkeep.du import Usage
    from localreg.operations.upkeep.gc import Collection
    from localreg.operations.upkeep.repair import Repair
    from localreg.operations.upkeep.verify import Verification
    from localreg.registry import OpenRegistry


class UpkeepMethods:
    """`verify`, `repair`, `adopt`, `gc` and `du`; mixed into `Registry`."""

    __slots__ = ()

    _opened: OpenRegistry

    def verify(self, full: bool = False) -> Verification:
        """Check the database, and that all weights are whole and unchanged.

        Args:
            full: hash every byte, those too whose file nobody touched since that was done last,
                and compare unpacked packages with their archives.

        Returns:
            What was found: ``.ok``, and ``.problems`` with digest, models and a text each.
        """
        with shown_progress("Verifying") as progress:
            return operations.upkeep.verify.verify(self._opened, full=bool(full), progress=progress)

    def repair(self, full: bool = False) -> Repair:
        """Verify, and mend what is found from wherever the right bytes still are.

        Damaged files are moved to the folder ``quarantine``. The right ones come from a copy that
        was handed out, the file they were copied from, or their URL.

        Args:
            full: as in `verify`.

        Returns:
            ``.mended``, each with how, and what is ``.lost``.
        """
        with shown_progress("Verifying") as progress:
            return operations.upkeep.repair.repair(self._opened, full=bool(full), progress=progress)

    def adopt(self) -> Adoption:
        """Copy here what this registry's models, tasks and reports have only upstream.

        Then it needs none of the registries behind it any more.

        Returns:
            ``.adopted``, each with digest, models and where it was, and what ``.failed``.

        Raises:
            ReadOnlyRegistryError: the registry is open for reading only.
        """
        with shown_progress("Adopting") as progress:
            return operations.upkeep.adopt.adopt(self._opened, progress=progress)

    def gc(
        self,
        *,
        grace_seconds: float = 86_400.0,
        dry_run: bool = True,
    ) -> Collection:
        """Delete weights that nothing refers to, and leftovers of processes that are gone.

        Args:
            grace_seconds: spare what was needed or touched so recently.
            dry_run: only say what would be deleted.

        Returns:
            ``.garbage``, how many bytes were or would be ``.freed``, what ``.failed``.

        Raises:
            InvalidValueError: (a ValueError) `grace_seconds` is no number, or below 0.
            DamagedRegistryError: (an OSError) the database is not sound; nothing was deleted.
        """
        return operations.upkeep.gc.collect(
            self._opened, grace_seconds=grace_seconds, dry_run=dry_run
        )

    def du(self) -> Usage:
        """Return where the bytes are: by project, model and blob, what they share told apart."""
        return operations.upkeep.du.usage(self._opened)
