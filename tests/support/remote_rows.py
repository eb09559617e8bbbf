"""Rows for remotes, as they are given to `RemoteStore.append` and as they come back."""

from localreg.values.remote_format import COLUMNS


def row(number, **changed):
    """Return a row as it is given to `append`: without position and n."""
    values = {
        "event_id": f"{number:032x}", "origin": "0" * 32, "origin_name": "läptop", "seq": number,
        "lamport": number, "stamp": number, "time": 1_700_000_000_000_000 + number,
        "actor": "anna@laptop", "kind": "model.comment", "v": 1, "subject": "s" * 32,
        "field": "comment", "payload": '{"new":"ü"}',
    }  # fmt: skip
    return tuple((values | changed)[name] for name in COLUMNS[2:])


def rows_of(remote, after=-1, until=None, **options):
    """Return the rows of a remote as one list."""
    return [each for batch in remote.rows(after, until, **options) for each in batch]
