"""SQL that finds the aliases which are held."""

from __future__ import annotations

# An alias (a) has a gate (g) that its model did not pass, when it was set or since.
HELD = (
    "g.event IS NOT NULL AND a.gate IS NOT g.event AND NOT EXISTS (SELECT 1 FROM gate_passed s "
    "WHERE s.project = a.project AND s.name = a.name AND s.alias = a.alias "
    "AND s.model = a.model AND s.gate = g.event)"
)
WITH_GATE = "LEFT JOIN gate g ON g.project = a.project AND g.name = a.name AND g.alias = a.alias"
