"""Write what MLflow's database looks like, for a test that compares ours with it; run by hand.

    python make_mlflow_schema.py

In an environment with mlflow (3.17.2 made the committed file). It writes mlflow_schema.json beside
itself. With ``--sql PATH`` it also writes the statements that make such a database: that is how
localreg/store/foreign/mlflow_schema.sql was begun.
"""

from __future__ import annotations

import json
import re
import sqlite3
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def facts_of(connection):
    """Return what a database is made of: tables with columns and keys, indexes, and the version."""
    tables, indexes = {}, {}
    names = "SELECT name FROM sqlite_schema WHERE type = ? ORDER BY name"
    for (table,) in connection.execute(names, ("table",)).fetchall():
        columns = connection.execute(f'PRAGMA table_xinfo("{table}")').fetchall()
        (sql,) = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE name = ?", (table,)
        ).fetchone()
        sql = re.sub(r"\s+", " ", sql)
        tables[table] = {
            "columns": [list(each[1:]) for each in columns],
            "foreign_keys": sorted(
                [each[2], each[3], each[4], each[5], each[6]]
                for each in connection.execute(f'PRAGMA foreign_key_list("{table}")')
            ),
            "constraints": sorted(re.findall(r"CONSTRAINT (\w+)", sql)),
            "checks": sorted(re.findall(r"CHECK \(((?:[^()]|\([^()]*\))*)\)", sql)),
        }
        for _, name, unique, origin, partial in connection.execute(f'PRAGMA index_list("{table}")'):
            columns = connection.execute(f'PRAGMA index_xinfo("{name}")').fetchall()
            keys = [[each[2], each[3]] for each in columns if each[5]]
            indexes[name] = [table, unique, origin, partial, keys]
    triggers = [each for (each,) in connection.execute(names, ("trigger",))]
    (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return {"version": version, "tables": tables, "indexes": indexes, "triggers": triggers}


def statements_of(connection):
    """Yield the statements that make the tables and the indexes of a database."""
    for kind in ("table", "index"):
        found = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE type = ? AND sql IS NOT NULL ORDER BY name",
            (kind,),
        )
        for (sql,) in found:
            text = re.sub(r"\s+", " ", sql).replace(" ,", ",").replace("( ", "(")
            yield re.sub(r'"(\w+)"', r"\1", text).replace(" )", ")")


def main():
    """Make a database by MLflow, and write its facts."""
    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mlflow.db")
        mlflow.set_tracking_uri(f"sqlite:///{path}")
        mlflow.MlflowClient().search_experiments()
        connection = sqlite3.connect(path)
        facts = {"mlflow": mlflow.__version__} | facts_of(connection)
        if "--sql" in sys.argv:
            target = Path(sys.argv[sys.argv.index("--sql") + 1])
            target.write_text("".join(f"{each};\n" for each in statements_of(connection)))
        connection.close()
    lines = [
        f"{json.dumps(key)}: {json.dumps(value)}"
        if not isinstance(value, dict)
        else f"{json.dumps(key)}: {{\n"
        + ",\n".join(f"{json.dumps(name)}: {json.dumps(each)}" for name, each in value.items())
        + "\n}"
        for key, value in facts.items()
    ]
    (HERE / "mlflow_schema.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
