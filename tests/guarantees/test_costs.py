"""What calls cost at most: statements, calls of Python functions and of the system, memory.

A bound is what was counted with Python 3.11, and a few more for other versions of Python and other
file systems. Whoever makes a call cheaper lowers its bound; one who must raise a bound says why.

    @COSTS.at_most(statements=12, python_calls=400, system_calls=40)
    def register_a_model(folder):        # the name of the row; an empty folder
        with Registry(folder / "registry", durability="fast") as registry:
            yield lambda: ...            # the call that is counted, after a few that are not

Leave out what does not matter. `megabytes=` bounds the memory of Python. `COSTS.process` is for
fresh processes. `python tests/support/costs.py WORD` prints what the calls cost now.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
import time
from contextlib import closing, contextmanager, redirect_stdout
from itertools import count

import pytest
from support import costs
from support.statements import Watched

from localreg import InputModel, OutputModel, Registry, StorageManager, Task
from localreg.blobs.bundles.drafting import Draft
from localreg.blobs.bundles.reading import open_bundle
from localreg.blobs.bundles.writing import write_file
from localreg.cli.main import main
from localreg.operations.carry.export import Missing
from localreg.operations.carry.import_bundle import Bundled
from localreg.operations.finding import queries
from localreg.operations.reports import charts, series
from localreg.operations.reports.index_page import index_values
from localreg.operations.reports.page_links import Site, reports_folder
from localreg.operations.tasks import run_facts
from localreg.operations.upkeep import cache, leftovers
from localreg.pages.index_data import index_data
from localreg.store.database import search_file
from localreg.store.events.arriving import take_in
from localreg.store.rows import blob_rows, event_rows, logged_rows, report_rows, search_index
from localreg.values import bundle_format
from localreg.values.bundle_format import ModelFacts
from localreg.values.frozen import replace, values
from localreg.values.layout import BLOBS

COSTS = costs.Table()


# Registering, editing --------------------------------------------------------------------------


@COSTS.at_most(statements=16, python_calls=240, system_calls=66)
def register_a_model(folder):
    numbers = count()
    with Registry(folder / "registry", durability="full") as registry:
        yield lambda: InputModel.import_model(
            f"s3://bucket/{next(numbers)}.pt",
            name="detector",
            project="vision",
            tags=["baseline", "audio", "prod"],
            metadata={"epochs": 10, "lr": 0.1, "host": "a", "note": "b", "seed": 3},
            registry=registry,
        )


@contextmanager
def two_models(folder):
    """A registry with two versions of a model, which are edited."""
    with Registry(folder / "registry", durability="full") as registry:
        yield (
            registry,
            [
                InputModel.import_model(f"s3://bucket/{number}.pt", name="net", registry=registry)
                for number in range(2)
            ],
        )


@COSTS.at_most(statements=19, python_calls=108, system_calls=43)
def replace_a_tag(folder):
    numbers = count()
    with two_models(folder) as (_, (model, _)):

        def replace():
            model.tags = [f"tag {next(numbers) % 2}"]

        yield replace


@COSTS.at_most(statements=13, python_calls=84, system_calls=43)
def set_an_entry_of_metadata(folder):
    numbers = count()
    with two_models(folder) as (_, (model, _)):
        yield lambda: model.set_metadata("epoch", next(numbers))


@COSTS.at_most(statements=24, python_calls=146, system_calls=50)
def move_an_alias(folder):
    numbers = count()
    with two_models(folder) as (registry, models):
        yield lambda: registry.set_alias(models[next(numbers) % 2], "prod")


# Models: queries, records, lists, pages --------------------------------------------------------


def _registry_with_long_texts(folder):
    """Make 1,500 models with 2,000 characters of metadata each: 3 MB in all."""
    with Registry(folder / "registry", durability="fast") as registry:
        for number in range(1_500):
            InputModel.import_model(
                f"s3://bucket/{number}.pt",
                name=f"detector-{number}",
                metadata={"note": "x" * 2_000, "seed": number},
                registry=registry,
            )


def _printed(*words):
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing):
        assert main(["-R", os.environ["LOCALREG_HOME"], *words]) == 0


@contextmanager
def _registry_of_files(folder, files):
    """Yield a registry with one package of so many files, each with other bytes."""
    package = folder / "package"
    package.mkdir()
    for number in range(files):
        (package / str(number)).write_text(str(number))
    with Registry(folder / "registry", durability="fast") as registry:
        registry.add(package, "net")
        yield registry


def _models_with_values(registry, count):
    for number in range(count):
        InputModel.import_model(
            f"s3://bucket/{number}.pt",
            name=f"detector-{number}",
            tags=["baseline", "audio"],
            metadata={"lr": 0.1, "seed": number},
            registry=registry,
        ).report_single_value("f1", 0.5)


@COSTS.at_most(statements=1, python_calls=34)
def ids_of_the_newest_models(folder):
    with Registry(folder / "registry", durability="fast") as registry:
        _models_with_values(registry, 30)
        first = registry._chain.first
        yield lambda: queries.find_models(first, queries.check_query(limit=20))


@COSTS.at_most(statements=1, python_calls=45)
def ids_of_the_newest_models_with_a_tag(folder):
    with Registry(folder / "registry", durability="fast") as registry:
        _models_with_values(registry, 30)
        first = registry._chain.first
        yield lambda: queries.find_models(first, queries.check_query(tags=["audio"], limit=20))


@COSTS.at_most(statements=1, python_calls=54)
def ids_of_the_newest_models_with_two_tags_and_not_a_third(folder):
    with Registry(folder / "registry", durability="fast") as registry:
        _models_with_values(registry, 30)
        first = registry._chain.first
        tags = ["__$all", "baseline", "audio", "-old"]
        yield lambda: queries.find_models(first, queries.check_query(tags=tags, limit=20))


@COSTS.at_most(statements=8, python_calls=112)
def ids_of_the_newest_models_with_an_entry_of_metadata(folder):
    with Registry(folder / "registry", durability="fast") as registry:
        _models_with_values(registry, 80)
        first = registry._chain.first
        # Of many models, of which the newest ones are enough.
        yield (
            lambda: (
                queries.find_models(first, queries.check_query(metadata={"lr": 0.1}, limit=20))
                + queries.find_models(first, queries.check_query(metadata={"seed": 3}, limit=20))
            )
        )


@COSTS.at_most(statements=11, python_calls=3_850)
def records_of_100_models(folder):
    with Registry(folder / "registry", durability="fast") as registry:
        _models_with_values(registry, 100)
        found = registry.models(limit=100)
        yield found.records


@COSTS.at_most(megabytes=6)
def list_all_models_as_json(folder):
    _registry_with_long_texts(folder)
    yield lambda: _printed("ls", "-l", "0", "--json")


@COSTS.at_most(megabytes=8)
def list_all_models_with_their_metadata(folder):
    _registry_with_long_texts(folder)
    yield lambda: _printed("ls", "-l", "0", "--columns", "meta:*")


@COSTS.at_most(statements=22, megabytes=2.2)
def make_the_overview_of_2000_models(folder):
    with Registry(folder / "registry", durability="fast") as registry:
        _models_with_values(registry, 2_000)
        chain = registry._chain
        site = Site(reports_folder(chain.first), root="")
        yield lambda: index_data(index_values(chain, site), 100_000)


@COSTS.at_most(megabytes=5.2)
def back_up_10_000_files(folder):
    places = count()
    with _registry_of_files(folder, 10_000) as registry:
        yield lambda: registry.backup(folder / f"backup {next(places)}")


@COSTS.at_most(megabytes=5.5)
def bring_a_backup_of_10_000_files_up_to_date(folder):
    with _registry_of_files(folder, 10_000) as registry:
        registry.backup(folder / "backup")
        yield lambda: registry.backup(folder / "backup")


# Revisions, history, lineage, exports ----------------------------------------------------------


@COSTS.at_most(megabytes=4.5)
def print_the_history_of_all_models_as_json(folder):
    _registry_with_long_texts(folder)
    yield lambda: _printed("history", "-l", "0", "--json")


@COSTS.at_most(megabytes=4.5)
def print_the_history_of_all_models(folder):
    _registry_with_long_texts(folder)
    yield lambda: _printed("history", "-l", "0")


@contextmanager
def model_of_100_revisions(folder):
    with Registry(folder / "registry", durability="fast"):
        model = OutputModel(Task.create("vision", "training"), name="net")
        for _ in range(100):
            model.update_weights(register_uri="s3://bucket/net.pt")
        yield model


@COSTS.at_most(statements=28, python_calls=260)
def one_more_of_many_revisions(folder):
    with model_of_100_revisions(folder) as model:
        yield lambda: model.update_weights(register_uri="s3://bucket/net.pt")


@COSTS.at_most(statements=24, python_calls=1_900)
def list_a_model_of_many_revisions(folder):
    with model_of_100_revisions(folder):
        yield lambda: _printed("ls")


@COSTS.at_most(statements=53, python_calls=1_750)
def show_a_model_of_many_revisions(folder):
    with model_of_100_revisions(folder):
        yield lambda: _printed("show", "vision/net")


# Reports, tasks, logs --------------------------------------------------------------------------


@COSTS.at_most(python_calls=3_400)  # 2,430 with Python 3.11; the paths of later ones call more
def read_the_versions_of_100_packages(folder):
    """As each `Task.init` does: the names and versions, and not the long descriptions."""
    for number in range(100):
        place = folder / f"p{number}-1.dist-info"
        place.mkdir()
        head = "".join(f"Classifier: {each}\n" for each in range(20))
        (place / "METADATA").write_text(f"Name: p{number}\nVersion: 1\n{head}\n" + "text\n" * 200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(folder)])
        assert len(run_facts.packages()) == 100
        yield run_facts.packages


@contextmanager
def long_series(folder, points):
    """A model of a new registry with one series of many points."""
    with Registry(folder / "registry", durability="fast") as registry:
        model = InputModel.import_model("s3://bucket/m.pt", name="m", registry=registry)
        rows = [(step, step % 977 / 7, 1_700_000_000_000_000 + step) for step in range(points)]
        with registry._chain.first.store.write() as change:  # what report_scalar buffers, at once
            (pk,) = change.connection.execute("SELECT pk FROM model").fetchone()
            report_rows.add_points(change.connection, "model", pk, "loss", "train", rows)
        yield model


@COSTS.at_most(statements=35, python_calls=7_600)
def report_a_thousand_scalars(folder):
    numbers = count()
    with long_series(folder, 1) as model:

        def reported():
            for _ in range(1_000):
                model.report_scalar("loss", "train", 0.5, next(numbers))
            model.flush()

        yield reported


@COSTS.at_most(statements=17, python_calls=160)
def report_a_scalar_at_a_passed_iteration(folder):
    values = count()
    with long_series(folder, 10) as model:

        def reported():
            model.report_scalar("loss", "train", 0.5 / (1 + next(values)), 3)
            model.flush()

        yield reported


@COSTS.at_most(statements=4_100, python_calls=4_200, megabytes=1)
def draw_a_hundred_thousand_scalars(folder):
    with long_series(folder, 100_000) as model:
        _, registry, owner = model._owned()
        yield lambda: charts.reported_values(registry, owner, lambda *_: "")


@COSTS.at_most(statements=6, python_calls=60, megabytes=7.5)
def read_a_hundred_thousand_scalars(folder):
    """The lists themselves take 7 MB."""
    with long_series(folder, 100_000) as model:
        yield model.get_reported_scalars


@COSTS.at_most(statements=6, megabytes=6)
def hold_a_hundred_thousand_scalars_while_they_are_printed(folder):
    """24 bytes each, beside some rows; as rows they took 15 MB."""
    with long_series(folder, 100_000) as model:
        _, registry, owner = model._owned()
        (found,) = series.all_series(registry, owner)
        yield lambda: series.points_of(registry, found)


# Weights: adding, getting, verify, gc, du ------------------------------------------------------


@COSTS.at_most(statements=1, python_calls=50, system_calls=13)
def get_a_local_copy(folder):
    with Registry(folder / "registry") as registry:
        (folder / "net.pt").write_bytes(b"weights")
        yield registry.add(folder / "net.pt", "net").get_local_copy


@COSTS.at_most(statements=2, python_calls=75, system_calls=21)
def get_a_local_copy_from_upstream(folder):
    with Registry(folder / "upstream") as upstream:
        (folder / "net.pt").write_bytes(b"weights")
        upstream.add(folder / "net.pt", "net")
    with Registry(folder / "registry", upstream=[folder / "upstream"]) as registry:
        yield registry.model("net").get_local_copy


@COSTS.at_most(statements=1, python_calls=52, system_calls=13)
def get_a_file_that_a_url_served(folder):
    url = "https://example.org/net.pt"
    with Registry(folder / "registry") as registry:
        (folder / "net.pt").write_bytes(b"weights")
        model = registry.add(folder / "net.pt", "net")
        with registry._chain.first.store.write() as change:
            blob_rows.record_served(change.connection, url, model.digest, None, None)
        yield lambda: StorageManager.get_local_copy(url, registry=registry)


@contextmanager
def registry_of_100_files(folder):
    """A registry with models that each have a file, in few of the folders of blobs."""
    contents = (b"%d" % each for each in count())
    few = (each for each in contents if hashlib.sha256(each).hexdigest().startswith("00"))
    with Registry(folder / "registry", durability="fast") as registry:
        for number, content in zip(range(100), few, strict=False):
            (folder / "net.pt").write_bytes(content)
            registry.add(folder / "net.pt", f"net{number}")
        yield registry


@COSTS.at_most(statements=132, python_calls=4_900, system_calls=1_450)
def verify_of_100_files(folder):
    with registry_of_100_files(folder) as registry:
        yield registry.verify


@COSTS.at_most(statements=92, python_calls=2_200, system_calls=1_050)
def gc_of_100_files(folder):
    with registry_of_100_files(folder) as registry:
        yield registry.gc


@COSTS.at_most(statements=300, megabytes=8)
def index_2000_long_texts_for_search(folder):
    """20 MB of text, of which a tenth is in memory at a time."""
    question = search_index.Question(match='"net" *', kinds=("model",), limit=20)
    numbers = count()
    with Registry(folder / "registry", durability="fast") as registry:
        for number in range(2_000):
            InputModel.import_model(
                f"s3://bucket/{number}.pt",
                name="net",
                metadata={"note": f"{number} " * 2_000},
                registry=registry,
            )
        store = registry._chain.first.store
        yield lambda: search_file.ask(store, [folder / f"{next(numbers)}.db"], question)


@COSTS.at_most(statements=7, python_calls=325, system_calls=34)
def look_for_stale_among_200_pages(folder):
    with Registry(folder / "registry", durability="fast") as registry:
        for number in range(100):
            InputModel.import_model(f"s3://bucket/{number}.pt", name="net", registry=registry)
            Task.create("p", "t", registry=registry)
        registry.render()
        yield lambda: [*leftovers.stale_pages(registry._chain.first, 0.0)]


@COSTS.at_most(statements=42, python_calls=8_300, system_calls=1_650)
def add_a_new_folder_of_100_files(folder):
    """The folders of the blobs are there: each of them is checked by text, without a Path."""
    numbers = count()
    with Registry(folder / "registry", durability="fast") as registry:
        for head in range(256):
            (registry._chain.first.blobs.make_folder(*BLOBS) / f"{head:02x}").mkdir()
        for each in range(8):
            (folder / f"net{each}").mkdir()
            for number in range(100):
                (folder / f"net{each}" / f"{number}.txt").write_bytes(b"%d %d" % (each, number))
        yield lambda: registry.add(folder / f"net{next(numbers)}", "net")


@COSTS.at_most(statements=24, python_calls=1_850, system_calls=400)
def add_a_known_folder_of_100_files(folder):
    """Each file, and each of their blobs, is looked at once."""
    real = time.time
    with Registry(folder / "registry", durability="fast") as registry:
        (folder / "net").mkdir()
        for number in range(100):
            (folder / "net" / f"{number}.bin").write_bytes(b"%d" % number)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("time.time", lambda: real() + 10)  # younger files are not known later
            registry.add(folder / "net", "net")
        yield lambda: registry.add(folder / "net", "net")


@COSTS.at_most(statements=7, python_calls=4_600, system_calls=930)
def du_of_100_files(folder):
    with registry_of_100_files(folder) as registry:
        yield registry.du


@COSTS.at_most(megabytes=1.25)
def du_of_2000_weights(folder):
    """Beyond its result it keeps a digest and a size of each, and no row."""
    with Registry(folder / "registry", durability="fast") as registry:
        (folder / "net.pt").write_bytes(b"weights")
        registry.add(folder / "net.pt", "net")
        digests = [hashlib.sha256(b"%d" % each).hexdigest() for each in range(2_000)]
        for digest in digests:
            path = registry._chain.first.blobs.path(digest)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"1")
        with registry._chain.first.store.write() as change:
            change.connection.executemany(
                "INSERT INTO blob (digest, size, added) VALUES (?, 1, 0)", zip(digests)
            )
            change.connection.execute(
                "INSERT INTO weights SELECT NULL, w.model, lower(hex(randomblob(16))), b.pk, w.url,"
                " b.pk, w.filename, NULL, 1, 0, 0, 0, 0, NULL, NULL, w.at"
                " FROM weights w JOIN blob b ON b.pk != w.blob WHERE w.current"
            )
        assert len(registry.du().blobs) == 2_001
        yield registry.du


@COSTS.at_most(statements=18, python_calls=4_600, system_calls=1_050)
def list_100_downloads(folder):
    with registry_of_100_files(folder) as registry:
        with registry._chain.first.store.write() as change:
            change.connection.execute("UPDATE weights SET kept = 0, url = 'https://a.org/' || pk")
            change.connection.execute(
                "INSERT INTO url SELECT url, blob, NULL, NULL, at FROM weights"
            )
        yield lambda: cache.cached(registry._chain)


# Clone, pull, push, merge, importers -----------------------------------------------------------


def _models(registry, count):
    for number in range(count):
        InputModel.import_model(
            f"s3://bucket/{number}.pt", name=f"net{number}", project="p", registry=registry
        )


@COSTS.at_most(statements=50)
def merge_again_what_is_here(folder):
    """Neither its 200 models nor their reports are asked for one by one."""
    with (
        Registry(folder / "one", durability="fast") as one,
        Registry(folder / "two", durability="fast") as two,
    ):
        _models(one, 200)
        two.merge(folder / "one")
        yield lambda: two.merge(folder / "one")


@COSTS.at_most(statements=110)
def push_200_events(folder):
    """The events of a commit are looked up, marked and read together."""
    with Registry(folder / "one", durability="fast") as one:
        remotes = count()

        def push():
            name = f"r{next(remotes)}"
            one.add_remote(name, folder / name)
            one.push(name)

        _models(one, 200)
        yield push


@COSTS.at_most(megabytes=5.2)
def export_1000_models_with_long_urls(folder):
    """What it says of bytes that are not here takes 1 MB as JSON, and 1 MB in its result."""
    with Registry(folder / "registry", durability="fast") as registry:
        for number in range(1_000):
            url = f"s3://bucket/{number:01000}.pt"
            InputModel.import_model(url, name="net", registry=registry)
        yield lambda: registry.export(path=folder / "models.tar", everything=True, dry_run=True)


@COSTS.at_most(megabytes=4.3)
def look_into_a_bundle_of_2_000_models(folder):
    """It holds a row for each part, and its result of 2 MB: no text of the notes as a whole."""
    path = folder / "models.tar"
    with open(folder / "spool", "x+b") as spool:
        draft = Draft(spool)
        lines = []
        for number in range(2_000):
            model, name = f"{number:032x}", f"net:{number}"
            subject = draft.add_model(model, name, ModelFacts(name="net"), ())
            kinds = (bundle_format.EVENTS, bundle_format.NOTES)
            layers = [draft.add_layer(kind, [kind.encode(), model.encode()]) for kind in kinds]
            draft.add_record(layers, subject, model)
            missing = Missing(name, None, None, f"{number:01000}")
            lines.append(bundle_format.canonical_json(values(missing)))
        notes = bundle_format.notes_pieces(lines, history=True, whole=True)
        draft.add_record([draft.add_layer(bundle_format.NOTES, notes)])
        write_file(draft.finished(), folder.joinpath, path)

    def look():
        with open_bundle(path) as bundle:
            assert len(Bundled(bundle, "").missing()) == 2_000

    yield look


@COSTS.at_most(megabytes=22)
def take_in_3_000_models_with_long_comments(folder):
    """Of 12 MB of payloads it holds some: what is checked together, and what waits for the fold."""
    with Registry(folder / "one", durability="fast") as one:
        _models(one, 1)
        with one._chain.first.store.read() as connection:
            origins = logged_rows.origins(connection)
            (event,) = [e for e in logged_rows.all_events(connection) if e.kind == "model.created"]
    numbers = count()

    def events():
        for number in range(3_000):
            payload = event.payload | {"name": f"net{number}", "comment": f"{number:04000}"}
            payload["weights"] = []
            model = f"{number:032x}"
            yield replace(event, event_id=model, subject=model, seq=number, payload=payload)

    def take():
        with (
            Registry(folder / f"two{next(numbers)}", durability="fast") as two,
            two._chain.first.store.write() as change,
        ):
            assert len(take_in(change, events(), origins).models) == 3_000

    yield take


def _small_models(folder, count):
    """Return the events of models with a line of text each, and the names of their origins."""
    with Registry(folder, durability="fast") as one:
        InputModel.import_model("s3://bucket/net.pt", name="net", comment="net", registry=one)
        with one._chain.first.store.read() as connection:
            origins = logged_rows.origins(connection)
            (event,) = [e for e in logged_rows.all_events(connection) if e.kind == "model.created"]

    def events():
        for number in range(count):
            model = f"{number:032x}"
            payload = event.payload | {"name": f"net{number}", "weights": []}
            yield replace(event, event_id=model, subject=model, seq=number, payload=payload)

    return events(), origins


def _take_in_some(registry, count, **how):
    events, origins = _small_models(f"{registry.path}-first", count)
    with registry._chain.first.store.write() as change:
        return take_in(change, events, origins, **how)


@COSTS.at_most(megabytes=1.5)
def take_in_6_000_small_models(folder):
    """Of each it holds its reference, which is the result, and nothing else."""
    numbers = count()

    def take():
        with Registry(folder / f"{next(numbers)}", durability="fast") as registry:
            assert len(_take_in_some(registry, 6_000, at_once=300, kept=300).models) == 6_000

    yield take


@COSTS.at_most(megabytes=2.8)
def read_a_model_of_2_000_changes_to_fold_it(folder):
    """Texts that its events share are there once, and no rows beside the events."""
    with Registry(folder / "registry", durability="fast") as registry:
        _models(registry, 1)
        (model,) = registry.models()
        for number in range(2_000):
            model.comment = f"{number}"
        with registry._chain.first.store.read() as connection:
            yield lambda: [*event_rows.of_units(connection, [model.id])]


@COSTS.at_most(megabytes=11)
def push_6_000_small_models(folder):
    """The rows of a commit, and not their payloads as objects."""
    numbers = count()
    with Registry(folder / "registry", durability="fast") as registry:
        _take_in_some(registry, 6_000)

        def push():
            name = f"r{next(numbers)}"
            registry.add_remote(name, folder / name)
            assert registry.push(name).events == 6_000

        yield push


def _logs_of_100_tasks(registry):
    for number in range(100):
        task = Task.create("p", f"t{number}", registry=registry)
        task.get_logger().report_text(f"{number:010}" * 20_000, print_console=False)


@COSTS.at_most(megabytes=15)
def clone_the_logs_of_100_tasks(folder):
    """Of 20 MB it holds 8 until they are joined; the others are in files."""
    numbers = count()
    with Registry(folder / "registry", durability="fast") as registry:
        _logs_of_100_tasks(registry)
        registry.add_remote("origin", folder / "remote")
        registry.push()

    def clone():
        with Registry.clone(folder / "remote", folder / f"{next(numbers)}") as cloned:
            (found,) = cloned.db.query("SELECT sum(length(text)) AS size FROM message")
            assert found["size"] >= 20_000_000

    yield clone


@COSTS.at_most(megabytes=10)
def push_the_logs_of_100_tasks(folder):
    """Of 20 MB it holds what is not worth a file: 4 to 6, as its threads take turns."""
    numbers = count()
    with Registry(folder / "registry", durability="fast") as registry:
        _logs_of_100_tasks(registry)

        def push():
            name = f"r{next(numbers)}"
            registry.add_remote(name, folder / name)
            assert registry.push(name).reports == 100

        yield push


@COSTS.at_most(python_calls=460)
def look_at_an_earlier_time(folder):
    """SQLite copies the pages of 200 models and their series, none of which changed since."""
    with Registry(folder / "one", durability="fast") as one:
        _models(one, 200)
        for model in one.models():
            model.report_scalar("loss", "train", 0.5, 1)
        one._chain.first.store.flush()
        one.models()[0].tags = ["last"]
        last = one.history(limit=1)[0].event_id
        yield lambda: one.as_of(last).close()


# Fresh processes -------------------------------------------------------------------------------

COSTS.process("import localreg", "import localreg", modules=3, system_calls=40)
for _name in ("InputModel", "Registry"):
    _code = f"from localreg import {_name}"
    COSTS.process(_code, _code, modules=39, system_calls=500)
COSTS.process(
    "open and query",
    "import sys\nfrom localreg import InputModel, Registry\n"
    "with Registry(sys.argv[1]):\n    assert len(InputModel.query_models(max_results=20)) == 1",
    modules=93, system_calls=1_350,
)  # fmt: skip
COSTS.process(
    "a new registry and its first model",
    "import sys\nfrom localreg import InputModel, Registry\n"
    "with Registry(sys.argv[1] + '-new'):\n    InputModel.import_model('s3://b/a.pt', tags=['t'])",
    modules=155, system_calls=2_270,
)  # fmt: skip
for _words, _modules, _calls in (
    ("--help", 93, 1_250),
    ("ls", 175, 2_500),
    ("show net", 245, 3_600),
):
    COSTS.process(
        f"the command {_words}",
        "import sys\nfrom localreg.cli.main import main\n"
        f"sys.argv[1:] = [*{_words.split()}, *(['-R', sys.argv[1]] * {_words != '--help'})]\n"
        "sys.exit(main())",
        modules=_modules, system_calls=_calls,
    )  # fmt: skip


# The tests -------------------------------------------------------------------------------------

TRACED = [name for name, (_, most) in COSTS.calls.items() if most.system_calls is not None]


@pytest.mark.parametrize("name", COSTS.calls)
def test_a_call_costs_no_more_than_its_bound(name):
    prepare, most = COSTS.calls[name]
    assert costs.counted(prepare, most).beyond(most) == []


def test_each_count_is_of_the_one_call():
    """And a count beyond its bound is named."""

    def looked_up(folder):
        with closing(sqlite3.connect(folder / "database", factory=Watched)) as connection:
            yield lambda: [connection.execute("SELECT 1").fetchone() for _ in range(3)]

    def reading(folder):
        name = str(folder)
        yield lambda: os.access(name, os.F_OK)

    def large(folder):
        yield lambda: len(bytes(5_000_000))

    def found(prepare, **most):
        return costs.counted(contextmanager(prepare), costs.Cost(**most))

    assert found(looked_up, statements=0) == costs.Cost(statements=3)
    assert found(looked_up, statements=2).beyond(costs.Cost(statements=2)) == [
        "statements: 3, at most 2"
    ]
    assert found(reading, python_calls=0) == costs.Cost(python_calls=1)
    assert 5 <= found(large, megabytes=0).megabytes < 5.1
    sizes = iter((0, 5_000_000, 0, 0))  # each count is of the second call

    def large_once(folder):
        yield lambda: len(bytes(next(sizes)))

    assert found(large_once, megabytes=1).megabytes < 1


@pytest.fixture(scope="module")
def system_calls(tmp_path_factory):
    return costs.system_calls(TRACED, tmp_path_factory.mktemp("calls"))


@pytest.mark.parametrize("name", TRACED)
def test_a_call_makes_no_more_calls_of_the_system_than_its_bound(name, system_calls):
    assert system_calls[name] > 0, "all that is counted here reaches the system"
    assert costs.Cost(system_calls=system_calls[name]).beyond(COSTS.calls[name][1]) == []


@pytest.fixture(scope="module")
def small_registry(tmp_path_factory):
    return costs.make_registry(tmp_path_factory.mktemp("small") / "registry")


@pytest.mark.parametrize("name", COSTS.processes)
def test_a_process_costs_no_more_than_its_bound(name, small_registry, tmp_path):
    code, most = COSTS.processes[name]
    assert costs.process_cost(code, small_registry, tmp_path).beyond(most) == []
