"""P18, P32: bundles of strangers: the error names the fault; nothing is recorded, or left."""

from __future__ import annotations

import io
import random
import sqlite3
from contextlib import closing

import pytest
from support.bundles import BROKEN
from support.contents import blobs
from support.proofs import TIMES
from support.signed_models import record_gate, record_signature

from localreg import OutputModel, Registry, Task
from localreg.errors import BundleError, EventConflictError


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of a bundle of a whole registry, with something of everything."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "pkg" / "code").mkdir(parents=True)
    (folder / "pkg" / "model.safetensors").write_bytes(b"w" * 5_000)
    (folder / "pkg" / "config.json").write_text('{"a": 1}')
    (folder / "pkg" / "code" / "__init__.py").write_text("")
    (folder / "net.pt").write_bytes(b"trained" * 1_000)
    stream = io.BytesIO()
    with Registry(folder / "registry", durability="fast") as registry:
        for number in range(2):
            model = registry.add(
                io.BytesIO(b"%d" % number * 3_000), "resnet", "vision", filename="w"
            )
            model.report_scalar("loss", "train", 0.5, iteration=number)
            record_signature(registry._chain.first, model.id, b"signature %d" % number)
        registry.set_alias(model, "prod")
        record_gate(registry._chain.first, ("vision", "resnet"), "prod", ["signed"])
        registry.add(folder / "pkg", "packed", "p", metadata={"a": 1}, tags=["t"])
        task = Task.create(project_name="lab", task_name="train")
        task.upload_artifact("table", {"rows": 3})
        OutputModel(task=task, name="net").update_weights(str(folder / "net.pt"))
        registry.export(everything=True, path=stream)
    return stream.getvalue()


@pytest.fixture
def target(tmp_path):
    with Registry(tmp_path / "target", durability="fast") as registry:
        yield registry


def check_untouched(registry):
    """Check that nothing of a bundle is recorded, and that nothing is left."""
    for table in ("event", "model", "task", "project_id", "blob", "arrival", "alias", "claim"):
        assert registry.db[table].count == 0, table
    assert blobs(registry.path) == []
    assert list((registry.path / "tmp").glob("*")) == []


@pytest.mark.parametrize("form", ["file", "stream"])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_bundle_is_refused(fault, form, sound, target, tmp_path):
    make, _ = BROKEN[fault]
    data = make(sound)
    if form == "file":
        (tmp_path / "b.tar").write_bytes(data)
    with pytest.raises(BundleError):
        target.import_bundle(tmp_path / "b.tar" if form == "file" else io.BytesIO(data))
    check_untouched(target)


@pytest.mark.long
def test_any_change_of_a_bundle_is_an_error_or_changes_nothing(sound, tmp_path):
    """60 changes; more in a long run. A byte that counts has a digest."""
    with Registry(tmp_path / "whole", durability="fast") as registry:
        registry.import_bundle(io.BytesIO(sound))
        wanted = {row["event_id"]: row["payload"] for row in registry.db["event"].rows}
    choose = random.Random(0 if TIMES == 1 else None)
    refused = 0
    target = Registry(tmp_path / "target", durability="fast")
    for number in range(60 * TIMES):
        data = bytearray(sound)
        for _ in range(choose.randrange(1, 4)):
            place = choose.randrange(len(data))
            match choose.randrange(4):
                case 0:
                    data[place] ^= 1 << choose.randrange(8)
                case 1:
                    del data[place : place + choose.choice([1, 512, 4_096])]
                case 2:
                    data[place:place] = choose.randbytes(choose.choice([1, 512]))
                case _:
                    other = choose.randrange(len(data))
                    data[place : place + 512], data[other : other + 512] = (
                        data[other : other + 512],
                        data[place : place + 512],
                    )
        try:
            target.import_bundle(io.BytesIO(bytes(data)))
        except BundleError:
            refused += 1
            check_untouched(target)
        else:
            found = {row["event_id"]: row["payload"] for row in target.db["event"].rows}
            assert found == wanted
            assert target.verify(full=True).ok
            target.close()
            target = Registry(tmp_path / f"target{number}", durability="fast")
    target.close()
    assert refused > 0


def test_an_event_that_is_here_with_other_content_is_refused(sound, tmp_path):
    """One of two registries was forged: neither is believed, and nothing is changed."""
    with Registry(tmp_path / "target", durability="fast") as target:
        target.import_bundle(io.BytesIO(sound))
        events = target.db["event"].count
    with Registry(tmp_path / "other", durability="fast") as other:
        other.import_bundle(io.BytesIO(sound))
    with closing(sqlite3.connect(tmp_path / "other" / "registry.db")) as connection:
        (trigger,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'event_is_never_changed'"
        ).fetchone()
        connection.execute("DROP TRIGGER event_is_never_changed")
        connection.execute("UPDATE event SET at = at + 1 WHERE kind = 'alias.set'")
        connection.execute(trigger)
        connection.commit()
    with Registry(tmp_path / "target", durability="fast") as target:
        with pytest.raises(EventConflictError):
            target.merge(tmp_path / "other")
        assert target.db["event"].count == events
        assert target.verify(full=True).ok
