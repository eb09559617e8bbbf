"""The rows of a registry's database, so that those of two registries can be compared."""

from __future__ import annotations

NAMED_BY = {"model": "id", "task": "id", "project": "name", "blob": "digest", "origin": "id",
            "tag": "name || system", "actor": "name", "series": "title || name"}  # fmt: skip
# Facts about this disk, settings, remotes, data sets that are not finalized, names without a use.
LOCAL = frozenset(
    "setting blob tree_file unpacked url upload known_file tag private_url task_place forgotten "
    "sqlite_sequence origin actor open_dataset open_dataset_file remote mirrored remote_gap "
    "remote_report remote_deletion refolded gate_passed trusted_key".split()
)


def dump(connection, without=()):
    """Return the rows of a database by table, with names in place of integer keys.

    Args:
        without: columns to leave out.
    """
    found = {}
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        if table in LOCAL:
            continue
        parents = {
            column: parent
            for _, _, parent, column, *_ in connection.execute(f"PRAGMA foreign_key_list({table})")
        }
        columns = [
            f"(SELECT {NAMED_BY[parents[name]]} FROM {parents[name]} WHERE pk = t.{name})"
            if name in parents
            else f"t.{name}"
            for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")
            if name != "pk" and name not in without
        ]
        sql = f"SELECT {', '.join(columns)} FROM {table} t"
        found[table] = sorted(connection.execute(sql).fetchall(), key=repr)
    return found
