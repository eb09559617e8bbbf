"""An alias that is folded again and has no events that count has no rows, and all others stay."""

from __future__ import annotations

from localreg import InputModel, Registry
from localreg.store.rows.folded_rows import FoldedRows


def test_only_the_alias_that_is_empty_loses_its_target_and_its_gate(tmp_path):
    with Registry(tmp_path / "registry") as registry:
        # The names are each other's, so that values in a wrong order would meet other rows.
        for project, name in (("a", "b"), ("b", "a"), ("a", "prod")):
            model = InputModel.import_model(f"s3://x/{project}-{name}", name=name, project=project)
            for alias in ("prod", "b"):
                registry.set_alias(model, alias)
                registry.protect(
                    f"{project}/{name}@{alias}", require=["published"], override="test"
                )

        def rows(connection, table):
            return set(
                connection.execute(
                    f"SELECT p.name, t.name, t.alias FROM {table} t "
                    "JOIN project p ON p.pk = t.project"
                )
            )

        with registry._chain.first.store.write() as change:
            before = {table: rows(change.connection, table) for table in ("alias", "gate")}
            folded = FoldedRows(change.connection)
            folded.empty_alias("a", "b", "prod")
            folded.write()
            after = {table: rows(change.connection, table) for table in ("alias", "gate")}
    assert {len(each) for each in before.values()} == {6}
    assert after == {table: each - {("a", "b", "prod")} for table, each in before.items()}
