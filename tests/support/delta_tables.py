"""Read the events of a remote by deltalake alone, as any engine does that reads Delta tables."""

from __future__ import annotations

import os


def options():
    """Return how deltalake reaches a bucket, from the variables that lead to it."""
    names = [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]
    return {name: os.environ[name] for name in names} | {"AWS_VIRTUAL_HOSTED_STYLE": "false"}


def table_of(url):
    """Return the table of a remote."""
    from deltalake import DeltaTable

    path = f"{url}/events"
    return DeltaTable(path, storage_options=options() if "://" in path else None)


def rows_of(url):
    """Return the rows of a remote as dicts, in the order of the remote."""
    from deltalake import QueryBuilder

    query = "select * replace (arrow_cast(time, 'Int64') as time) from events order by position, n"
    rows = []
    for batch in QueryBuilder().register("events", table_of(url)).execute(query):
        names = batch.schema.names
        columns = [batch.column(each).to_pylist() for each in range(len(names))]
        rows += [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    return rows
