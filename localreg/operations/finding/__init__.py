"""Find models and tasks: queries, references, full-text search, and the registries upstream."""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.finding import gates as gates
    from localreg.operations.finding import projects as projects
    from localreg.operations.finding import queries as queries
    from localreg.operations.finding import references as references
    from localreg.operations.finding import search as search
    from localreg.operations.finding import sql as sql
    from localreg.operations.finding import summaries as summaries
    from localreg.operations.finding import unknown_values as unknown_values
    from localreg.operations.finding import upstream as upstream
    from localreg.operations.finding import values as values

__getattr__ = modules_of(__name__)
