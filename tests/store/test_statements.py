"""No look-up reads a whole table: what one call costs does not grow with the registry.

All statements are recorded that a registry with some of everything is made, read and looked after
with; functions that this does not reach are called one by one. SQLite explains what each of them
would do, with its foreign keys and triggers.
"""

from __future__ import annotations

import ast
import io
import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from support.statements import Watched, recorded, scanned
from support.used_registry import api_uses, make_used_registry

import localreg
from localreg import InputModel, Model, Registry
from localreg.errors import LocalregError
from localreg.filesystem.plain_files import FileStatus
from localreg.store.rows import (
    addition_rows,
    arrival_rows,
    arriving_rows,
    blob_rows,
    bulk_rows,
    carried_blobs,
    claim_rows,
    condition_rows,
    dataset_rows,
    event_rows,
    forgotten_rows,
    gate_rows,
    key_rows,
    keys,
    loading,
    log_limit,
    logged_rows,
    model_query,
    model_rows,
    name_rows,
    origin_rows,
    overview_rows,
    project_rows,
    remote_deletion_rows,
    remote_gap_rows,
    remote_report_rows,
    remote_rows,
    report_rows,
    report_transfer,
    retention_rows,
    search_changes,
    search_texts,
    setting_rows,
    signature_rows,
    task_rows,
    tree_rows,
    upload_rows,
    value_rows,
)
from localreg.store.rows.model_query import ModelQuery
from localreg.store.rows.remote_rows import RemoteRow
from localreg.store.rows.upload_rows import UploadRow
from localreg.values.comparisons import Comparison
from localreg.values.manifest import make_manifest
from localreg.values.records import Owner
from localreg.values.signatures import Trusted

ID, DIGEST, URL = "0" * 32, "0" * 64, "https://example.org/0"
STATUS = FileStatus(1, 2, 3, 4, 5)
SMALL = frozenset({"setting", "project", "project_id", "tag", "actor", "origin", "upload",
                   "remote", "sqlite_sequence", "trusted_key", "gate", "gate_passed"})  # fmt: skip
ONE_PASS = "one pass over all blobs, for all of them"
# Functions that read a whole table, and why they may.
COMPLETION = "a list of names, once for the Tab key or for an error"
WHOLE = {
    **dict.fromkeys(
        (
            "rows/name_rows:lines",
            "rows/name_rows:aliases",
            "rows/name_rows:model_names",
            "rows/name_rows:removed",
            "rows/name_rows:tags",
            "rows/name_rows:tasks",
            "rows/name_rows:metrics",
            "rows/name_rows:parameters",
            "rows/name_rows:metadata_keys",
            "rows/name_rows:events",
        ),
        COMPLETION,
    ),
    "rows/column_rules:damaged_rows": "verify looks at every row",
    "rows/blob_rows:blobs": ONE_PASS,
    "rows/blob_rows:digests": ONE_PASS,
    "rows/blob_rows:places": ONE_PASS,
    "rows/blob_rows:sizes": ONE_PASS,
    "rows/blob_rows:kept_digests": ONE_PASS,
    "rows/blob_rows:alone_here": ONE_PASS,
    "rows/blob_rows:packages": ONE_PASS,
    "rows/blob_rows:with_upstream": ONE_PASS,
    "rows/blob_rows:unneeded": ONE_PASS,
    "rows/blob_rows:cached_packages": ONE_PASS,
    "rows/tree_rows:archives": "the cache lists all archives",
    "rows/blob_rows:unneeded_packages": ONE_PASS,
    "rows/blob_rows:correct_marks": "one pass of gc before it deletes",
    "rows/usage_rows:blobs": ONE_PASS,
    "rows/event_rows:newest_keys": "the whole history, or its newest events in an index's order",
    "rows/event_rows:subjects": "computing all state again from the events",
    "rows/event_rows:newest_here": "in the order of the key, up to one that was made here",
    "rows/event_rows:newest_id": "in the order of the key, up to the first",
    "rows/event_rows:alias_subjects": "the history of an alias of any model, which people ask for",
    "rows/event_rows:losing": "an index has only those that are not in effect",
    "rows/arrival_rows:arrivals": "all imports and merges, or the newest ones",
    "rows/overview_rows:newest": "in the order of an index, up to a limit, or all pages",
    "rows/overview_rows:newest_models": "in the order of an index, up to a limit",
    "rows/overview_rows:newest_tasks": "in the order of an index, up to a limit",
    "rows/signature_rows:signed_models": "a list of all signed models, or the overview",
    "rows/model_rows:ids": "an export of all of them",
    "rows/model_rows:each_id": "a merge of all of them",
    "rows/task_rows:ids": "an export or a merge of all of them",
    "rows/report_transfer:owners": "a merge of all of them",
    "rows/logged_rows:subjects": "an export of all of them",
    "rows/logged_rows:all_events": "a merge of all of them",
    "rows/blob_rows:referred_blobs": "a merge of all of them",
    "rows/dataset_rows:find": "an index has only the data sets",
    "rows/claim_rows:named_twice": "new numbers for all models that share one",
    "rows/event_rows:lately_lost": "gc of a remote looks at all events",
    "rows/forgotten_rows:every": "the few models that are removed from this registry only",
    "rows/remote_rows:ordering_table": "an index has the events with a place, up to the first",
    "rows/blob_rows:unlisted_packages": ONE_PASS,
    "rows/remote_report_rows:changed": "one pass over what was reported, for each push",
    "rows/remote_report_rows:streams": "gc of a remote looks at all",
    "rows/remote_rows:have_places": "asked once, after many events came; indexes are read",
    "rows/remote_rows:clear_places": "a reset concerns all events",
    "rows/keys:next_key": "it has a row for each table",
    "rows/loading:has_rows": "up to the first row",
    "rows/logged_rows:beyond": "the events that another registry lacks, mostly the last ones",
    "rows/claim_rows:ambiguous": "the index page looks at all version numbers",
    "rows/overview_rows:contested": "an index has only the contested models",
    "rows/model_rows:contested": "an index has only the contested models",
    "rows/model_rows:all_removed": "all removed models are listed",
    "rows/model_rows:some_references": "in the order of an index, up to a limit",
    "rows/search_changes:last_event": "in the order of the key, up to the first",
    "rows/search_changes:forgotten": "the few models that are removed from this registry only",
    "rows/retention_rows:versions": "gc decides about all models",
    "rows/retention_rows:aliases": "gc decides about all models",
    "rows/retention_rows:uses": "gc decides about all models",
    "rows/retention_rows:blobs": "gc decides about all models",
    "rows/report_rows:touch_reported": "computing all state again from the events",
}
# All models are asked for, the newest of all, or the published ones, which may be most of them: an
# index gives them in order.
ALL_MODELS = re.compile(
    r".* FROM model m INDEXED BY model_(newest|newest_active|birth|name) WHERE 1"
    r"( AND m.archived = 0)?( AND m.published = 1)?"
    r"( AND NOT EXISTS \(SELECT 1 FROM model_tag x WHERE x.model = m.pk AND x.tag = "
    r"\(SELECT pk FROM tag WHERE name = \? AND system = 1\)\))?"
    r" ORDER BY .*"
)
# The values of all models and tasks, which the overview shows.
ALL_VALUES = re.compile(r"SELECT [^?]* FROM (metadata x|parameter p)")
WRITES_SQL = frozenset({"rows/task_query:statement"})  # and runs none
QUERIES = (
    {"name": "net"}, {"tags": ["a", "-b"]}, {"tags": ["a"], "project": "vision"}, {"limit": 3},
    {"order_by": "created"}, {"order_by": "metrics.accuracy"}, {"published": True},
    {"order_by": "parameters.Args/lr"}, {"order_by": "parameters.lr", "name": "net"},
    {"order_by": "metadata.rank", "metadata": {"rank": (">", 2)}},
    {"metadata": {"rank": 3}}, {"archived": True}, {"project": "vision", "name": "net"},
)  # fmt: skip
# What the registry below does not reach.


def join_reports(connection):
    """Join the reports of every model and task with themselves, and with those of the last one."""
    for kind in ("model", "task"):
        owners = [Owner(kind, each) for (each,) in connection.execute(f"SELECT id FROM {kind}")]
        for owner in owners:
            for other in (owner, owners[-1]):
                stream = [*report_transfer.read(connection, owner)]
                report_transfer.join(connection, other, stream)


REMOTES = (
    RemoteRow(1, "origin", "/x", ID, False, 2, ID, 3, None, None, 0, 0),
    RemoteRow(2, "other", "/y", ID, True, 2, ID, 3, None, None, 0, 0),
)


def fold_in_a_large_cache(connection):
    """Look at an event with a large cache."""
    with loading.large_cache(connection):
        event_rows.newest_key(connection)


CALLS = {
    "project_rows:every": project_rows.every,
    "model_query:stream": lambda c: list(model_query.stream(c, ModelQuery(limit=3))),
    "log_limit:size": lambda c: log_limit.size(c, "task", 1),
    "log_limit:cut": lambda c: log_limit.cut(c, "task", 1, 10),
    "blob_rows:alone_here": blob_rows.alone_here,
    "blob_rows:is_alone_here": lambda c: blob_rows.is_alone_here(c, DIGEST),
    "blob_rows:used_by_others": lambda c: blob_rows.used_by_others(c, DIGEST, [ID]),
    "logged_rows:of_unit": lambda c: list(logged_rows.of_unit(c, ID)),
    "logged_rows:placed_since": lambda c: list(logged_rows.placed_since(c, ID, 9, 1)),
    "logged_rows:came_at": lambda c: logged_rows.came_at(c, 1),
    "logged_rows:all_events": lambda c: list(logged_rows.all_events(c)),
    "logged_rows:beyond": lambda c: list(logged_rows.beyond(c, {ID: 1})),
    "arriving_rows:alias_of": lambda c: arriving_rows.alias_of(c, "vision", "net", "prod"),
    "arriving_rows:gate_of": lambda c: arriving_rows.gate_of(c, "vision", "net", "prod"),
    "arriving_rows:aliases_of": lambda c: arriving_rows.aliases_of(c, ID),
    "arriving_rows:set_positions": lambda c: arriving_rows.set_positions(c, [(ID, 1, 1, 1)]),
    "remote_rows:ordering_table": remote_rows.ordering_table,
    "remote_rows:last_place": remote_rows.last_place,
    "remote_rows:remotes": remote_rows.remotes,
    "remote_rows:by_name": lambda c: remote_rows.by_name(c, "origin"),
    "remote_rows:by_key": lambda c: remote_rows.by_key(c, 1),
    "remote_rows:insert": lambda c: remote_rows.insert(c, "origin", "/x", ID, mirror=False),
    "remote_rows:set_table": lambda c: remote_rows.set_table(c, 9, ID, mirror=True),
    "remote_rows:advance": lambda c: remote_rows.advance(c, 1, 2, ID, None, (ID, 3)),
    "remote_rows:settle_sent": lambda c: [remote_rows.settle_sent(c, each) for each in REMOTES],
    "remote_rows:count_waiting": lambda c: [remote_rows.count_waiting(c, r) for r in REMOTES],
    "remote_rows:waiting": lambda c: [list(remote_rows.waiting(c, r, 1_000)) for r in REMOTES],
    "remote_rows:lost_in_push": lambda c: list(remote_rows.lost_in_push(c, REMOTES[0])),
    "remote_rows:set_pushed": lambda c: remote_rows.set_pushed(c, 9, 1),
    "remote_rows:waiting_keys": lambda c: [list(remote_rows.waiting_keys(c, r)) for r in REMOTES],
    "remote_rows:waiting_among": lambda c: [
        list(remote_rows.waiting_among(c, r, [1])) for r in REMOTES
    ],
    "remote_rows:set_places": lambda c: remote_rows.set_places(c, ID, 1, [(1, 1)]),
    "remote_rows:mark_mirrored": lambda c: remote_rows.mark_mirrored(c, 1, [ID]),
    "remote_rows:mark_keys_mirrored": lambda c: remote_rows.mark_keys_mirrored(c, 1, [1]),
    "remote_rows:overtaken": lambda c: remote_rows.overtaken(c, REMOTES[0], [1]),
    "remote_rows:places": lambda c: list(remote_rows.places(c, 1, 9)),
    "remote_rows:ids_at": lambda c: remote_rows.ids_at(c, 1),
    "remote_rows:place_of": lambda c: remote_rows.place_of(c, ID),
    "remote_rows:mirrored": lambda c: remote_rows.mirrored(c, 1, [ID]),
    "remote_rows:count_mirrored": lambda c: remote_rows.count_mirrored(c, 1),
    "remote_rows:have_places": remote_rows.have_places,
    "remote_rows:note_refolded": lambda c: remote_rows.note_refolded(c, [ID]),
    "remote_rows:clear_places": remote_rows.clear_places,
    "remote_rows:delete": lambda c: remote_rows.delete(c, 9),
    "remote_gap_rows:suppliers": lambda c: remote_gap_rows.suppliers(c, DIGEST),
    "remote_gap_rows:is_known": lambda c: remote_gap_rows.is_known(c, ID),
    "remote_gap_rows:has_remotes": remote_gap_rows.has_remotes,
    "remote_gap_rows:record_gaps": lambda c: remote_gap_rows.record_gaps(c, 1, [DIGEST]),
    "remote_gap_rows:forget_gaps": lambda c: remote_gap_rows.forget_gaps(c, 1, [DIGEST]),
    "remote_gap_rows:filled": lambda c: remote_gap_rows.filled(c, 1),
    "remote_gap_rows:gaps": lambda c: remote_gap_rows.gaps(c, 1),
    "remote_report_rows:changed": lambda c: remote_report_rows.changed(c, 1, [1]),
    "remote_report_rows:newest": lambda c: remote_report_rows.newest(c, 1, Owner("task", ID)),
    "remote_report_rows:record": lambda c: remote_report_rows.record(
        c, 1, Owner("task", ID), DIGEST, 1
    ),
    "remote_report_rows:known": lambda c: remote_report_rows.known(c, 1, [DIGEST]),
    "remote_report_rows:forget": lambda c: remote_report_rows.forget(c, 1, [DIGEST]),
    "remote_report_rows:mark_changed": lambda c: remote_report_rows.mark_changed(
        c, Owner("task", ID)
    ),
    "remote_report_rows:streams": lambda c: remote_report_rows.streams(c, 1),
    "remote_deletion_rows:record_begin": lambda c: remote_deletion_rows.record_begin(
        c, 1, ID, [DIGEST]
    ),
    "remote_deletion_rows:record_end": lambda c: remote_deletion_rows.record_end(c, 1, ID),
    "remote_deletion_rows:running": lambda c: remote_deletion_rows.running(c, 1),
    "remote_deletion_rows:after": lambda c: remote_deletion_rows.after(c, 1, 0),
    "blob_rows:needed_among": lambda c: blob_rows.needed_among(c, [DIGEST]),
    "blob_rows:digests_of_models": lambda c: blob_rows.digests_of_models(c, [ID]),
    "blob_rows:pointed_to": lambda c: blob_rows.pointed_to(c, [ID]),
    "blob_rows:unlisted_packages": blob_rows.unlisted_packages,
    "origin_rows:own_id_and_name": origin_rows.own_id_and_name,
    "arriving_rows:made_after": lambda c: list(arriving_rows.made_after(c, 1)),
    "arriving_rows:places": lambda c: arriving_rows.places(c, [ID]),
    "arriving_rows:shares_a_number": lambda c: arriving_rows.shares_a_number(c, ID),
    "arriving_rows:subjects_until": lambda c: arriving_rows.subjects_until(c, [ID], 1),
    "loading:drop_indexes": lambda c: loading.make_indexes(c, loading.drop_indexes(c, ["url"])),
    "loading:large_cache": fold_in_a_large_cache,
    "logged_rows:known": lambda c: logged_rows.known(c, [ID]),
    "logged_rows:knows_all": lambda c: logged_rows.knows_all(c, [ID]),
    "report_transfer:join": join_reports,
    "report_transfer:has_reports": lambda c: report_transfer.has_reports(c, Owner("model", ID)),
    "carried_blobs:blobs_of": lambda c: carried_blobs.blobs_of(c, Owner("task", ID)),
    "report_rows:point_stream": lambda c: list(report_rows.point_stream(c, 1)),
    "report_rows:packed_points": lambda c: report_rows.packed_points(c, 1),
    "report_rows:columns": lambda c: report_rows.columns(c, 1, "iteration"),
    "report_rows:thinned": lambda c: report_rows.thinned(
        c, report_rows.SeriesRow(1, "", "", 0, 9, None, None, None), 4
    ),
    "report_rows:last_messages": lambda c: report_rows.last_messages(c, Owner("task", ID), 10),
    "report_rows:timed_singles": lambda c: report_rows.timed_singles(c, Owner("task", ID)),
    "report_rows:message_stream": lambda c: list(report_rows.message_stream(c, Owner("task", ID))),
    "forgotten_rows:forget": lambda c: forgotten_rows.forget(c, ID),
    "forgotten_rows:remember": lambda c: forgotten_rows.remember(c, ID),
    "forgotten_rows:is_forgotten": lambda c: forgotten_rows.is_forgotten(c, ID),
    "claim_rows:was_named": lambda c: claim_rows.was_named(c, "", "net", 1),
    "claim_rows:claimants": lambda c: claim_rows.claimants(c, "vision", "net", 1),
    "blob_rows:facts": lambda c: blob_rows.facts(c, DIGEST),
    "blob_rows:record_upstream": lambda c: blob_rows.record_upstream(c, DIGEST, 1, "/", None),
    "blob_rows:record_elsewhere": lambda c: blob_rows.record_elsewhere(c, DIGEST, 1),
    "blob_rows:record_sizes": lambda c: blob_rows.record_sizes(c, {DIGEST: 1}),
    "blob_rows:kept": lambda c: blob_rows.kept(c, DIGEST),
    "blob_rows:mark_unreferred": lambda c: blob_rows.mark_unreferred(c, [DIGEST]),
    "blob_rows:mark_referred": lambda c: blob_rows.mark_referred(c, DIGEST),
    "blob_rows:record_served": lambda c: blob_rows.record_served(c, URL, DIGEST, None, None),
    "blob_rows:served": lambda c: blob_rows.served(c, URL),
    "blob_rows:served_by": lambda c: blob_rows.served_by(c, DIGEST),
    "blob_rows:remember_file": lambda c: blob_rows.remember_file(c, STATUS, DIGEST),
    "blob_rows:sizes": blob_rows.sizes,
    "blob_rows:uses_of": lambda c: blob_rows.uses_of(c, [DIGEST]),
    "blob_rows:urls_of": lambda c: blob_rows.urls_of(c, [DIGEST]),
    "blob_rows:uses_as_weights": lambda c: blob_rows.uses_as_weights(c, DIGEST),
    "blob_rows:uses": lambda c: blob_rows.uses(c, DIGEST),
    "tree_rows:record": lambda c: tree_rows.record(c, DIGEST, make_manifest([], ["logs"])),
    "blob_rows:referred": lambda c: blob_rows.referred(c, DIGEST),
    "tree_rows:digests": lambda c: tree_rows.digests(c, DIGEST),
    "tree_rows:contents": lambda c: tree_rows.contents(c, DIGEST),
    "tree_rows:differences": lambda c: tree_rows.differences(c, DIGEST, DIGEST),
    "blob_rows:cached_packages": blob_rows.cached_packages,
    "blob_rows:is_cached_package": lambda c: blob_rows.is_cached_package(c, DIGEST),
    "blob_rows:is_package_referred": lambda c: blob_rows.is_package_referred(c, DIGEST),
    "blob_rows:only_in": lambda c: blob_rows.only_in(c, DIGEST, [DIGEST]),
    "blob_rows:only_in of all": lambda c: blob_rows.only_in(c, DIGEST),
    "tree_rows:archives": tree_rows.archives,
    "tree_rows:paths": lambda c: tree_rows.paths(c, DIGEST),
    "tree_rows:places_of": lambda c: tree_rows.places_of(c, DIGEST),
    "tree_rows:entries": lambda c: tree_rows.entries(c, DIGEST),
    "tree_rows:states": lambda c: tree_rows.states(c, DIGEST),
    "tree_rows:manifest": lambda c: tree_rows.manifest(c, DIGEST),
    "tree_rows:file": lambda c: tree_rows.file(c, DIGEST, "config.json"),
    "tree_rows:packages_with": lambda c: tree_rows.packages_with(c, DIGEST),
    "tree_rows:record_unpacked": lambda c: tree_rows.record_unpacked(c, DIGEST, DIGEST),
    "tree_rows:unpacked": lambda c: tree_rows.unpacked(c, DIGEST),
    "tree_rows:archives_of": lambda c: tree_rows.archives_of(c, DIGEST),
    "tree_rows:forget_unpacked": lambda c: tree_rows.forget_unpacked(c, [DIGEST]),
    "blob_rows:give_up": lambda c: blob_rows.give_up(c, [DIGEST]),
    "blob_rows:forget": lambda c: blob_rows.forget(c, [DIGEST]),
    "event_rows:newest_time": lambda c: event_rows.newest_time(c, 1),
    "blob_rows:with_upstream": blob_rows.with_upstream,
    "event_rows:newest_keys": lambda c: event_rows.newest_keys(c, ID, 20),
    "event_rows:newest_keys of all": lambda c: event_rows.newest_keys(c, None, 20),
    "event_rows:by_keys": lambda c: event_rows.by_keys(c, [1, 2]),
    "event_rows:events": lambda c: event_rows.events(c, ID, 20),
    "event_rows:count": lambda c: event_rows.count(c, ID),
    "model_rows:served_file": lambda c: model_rows.served_file(c, ID),
    "model_rows:revision": lambda c: model_rows.revision(c, ID, ID),
    "model_rows:last_number": lambda c: model_rows.last_number(c, ID),
    "model_rows:older_weights": lambda c: model_rows.older_weights(c, ID, 2),
    "model_rows:packages": lambda c: model_rows.packages(c, ID, [ID]),
    "event_rows:has_event": lambda c: event_rows.has_event(c, ID),
    "event_rows:last_on": lambda c: event_rows.last_on(c, ID, "model.removed"),
    "event_rows:subjects": event_rows.subjects,
    "event_rows:of_units": lambda c: list(event_rows.of_units(c, [ID])),
    "event_rows:set_outcomes": lambda c: event_rows.set_outcomes(c, [("lost", 1)]),
    "event_rows:alias_changes": lambda c: event_rows.alias_changes(c, ID),
    "event_rows:losing": event_rows.losing,
    "event_rows:lately_lost": lambda c: event_rows.lately_lost(c, 1),
    "forgotten_rows:every": forgotten_rows.every,
    "event_rows:alias_subjects": lambda c: event_rows.alias_subjects(c, "prod"),
    "event_rows:by_id": lambda c: event_rows.by_id(c, ID),
    "event_rows:by_digits": lambda c: event_rows.by_digits(c, "c0ffee"),
    "event_rows:since": lambda c: event_rows.since(c, [ID], 1),
    "event_rows:newest_key": event_rows.newest_key,
    "event_rows:newest_id": event_rows.newest_id,
    "event_rows:newest_here": event_rows.newest_here,
    "event_rows:of_call": lambda c: event_rows.of_call(c, 1),
    "arrival_rows:arrivals": arrival_rows.arrivals,
    "setting_rows:some": lambda c: setting_rows.some(c, ["origin.name"]),
    "setting_rows:put": lambda c: setting_rows.put(c, "origin.name", "a"),
    "setting_rows:drop": lambda c: setting_rows.drop(c, "origin.name"),
    "origin_rows:name_of": lambda c: origin_rows.name_of(c, 1),
    "origin_rows:name_of_id": lambda c: origin_rows.name_of_id(c, ID),
    "origin_rows:rename": lambda c: origin_rows.rename(c, 1, "a"),
    "model_rows:contested": model_rows.contested,
    "signature_rows:some": lambda c: signature_rows.some(c, ID, DIGEST),
    "signature_rows:signed_models": signature_rows.signed_models,
    "signature_rows:of_weights": lambda c: signature_rows.of_weights(
        c, ID, DIGEST, first=[DIGEST], limit=10
    ),
    "signature_rows:has_file": lambda c: signature_rows.has_file(
        c, ID, DIGEST, DIGEST, among=9
    ),
    "gate_rows:target": lambda c: gate_rows.target(c, ("a", "net"), "prod"),
    "gate_rows:gate": lambda c: gate_rows.gate(c, ("a", "net"), "prod"),
    "gate_rows:held": gate_rows.held,
    "gate_rows:with_gates": lambda c: gate_rows.with_gates(c, ID),
    "gate_rows:let_pass": lambda c: gate_rows.let_pass(
        c, gate_rows.Held("a", "net", "prod", ID, ID)
    ),
    "condition_rows:holds": lambda c: condition_rows.holds(
        c, ID, "metadata", Comparison("a", ">", 1)
    ),
    "condition_rows:value": lambda c: condition_rows.value(c, ID, "metadata", "a"),
    "tree_rows:facts": lambda c: tree_rows.facts(c, DIGEST),
    "key_rows:keys": key_rows.keys,
    "key_rows:add": lambda c: key_rows.add(c, Trusted(DIGEST, "key", "a", "pem")),
    "key_rows:remove": lambda c: key_rows.remove(c, DIGEST),
    "addition_rows:additions": lambda c: addition_rows.additions(
        c, "task", ID, "a", system=False
    ),
    "addition_rows:drop": lambda c: addition_rows.drop(c, "task", ID, 1, [ID]),
    "blob_rows:blobs": lambda c: list(blob_rows.blobs(c)),
    "blob_rows:rows_at": lambda c: blob_rows.rows_at(c, [1]),
    "blob_rows:kept_digests": blob_rows.kept_digests,
    "blob_rows:kept_among": lambda c: blob_rows.kept_among(c, [DIGEST]),
    "blob_rows:record_files": lambda c: blob_rows.record_files(c, [(DIGEST, None, 1)]),
    "blob_rows:known": lambda c: blob_rows.known(c, DIGEST),
    "blob_rows:all_known": lambda c: blob_rows.all_known(c, [1]),
    "blob_rows:places": lambda c: blob_rows.places(c, [DIGEST]),
    "keys:release": lambda c: keys.release(c, 1, "net", 1, ID),
    "origin_rows:key": lambda c: origin_rows.key(c, ID, "laptop"),
    "origin_rows:mint": lambda c: origin_rows.mint(c, "laptop"),
    "report_rows:last_report": lambda c: report_rows.last_report(c, "task", ID),
    "model_query:rank": lambda c: model_query.rank(c, ModelQuery(name="net")),
    "model_rows:present": lambda c: model_rows.present(c, [ID]),
    "model_rows:metadata_value": lambda c: model_rows.metadata_value(c, ID, "key"),
    "model_rows:current_record": lambda c: model_rows.current_record(c, ID),
    "bulk_rows:records": lambda c: bulk_rows.records(c, [ID]),
    "bulk_rows:models": lambda c: bulk_rows.models(c, [ID]),
    "bulk_rows:tasks": lambda c: bulk_rows.tasks(c, [ID]),
    "bulk_rows:tags": lambda c: [*bulk_rows.tags(c, "task", [1]), *bulk_rows.tags(c, "model", [1])],
    "bulk_rows:aliases": lambda c: list(bulk_rows.aliases(c, [1])),
    "bulk_rows:current_weights": lambda c: list(bulk_rows.current_weights(c, [1])),
    "model_rows:renew_private_url": lambda c: model_rows.renew_private_url(c, ID, ID, URL),
    "model_rows:has_uploaded": lambda c: model_rows.has_uploaded(c, URL),
    "model_rows:with_digest": lambda c: model_rows.with_digest(c, DIGEST, archived=True),
    "model_rows:having_digest": lambda c: model_rows.having_digest(c, DIGEST, "a.pt"),
    "blob_rows:has_total": lambda c: blob_rows.has_total(c, 1),
    "model_rows:with_prefix": lambda c: model_rows.with_prefix(c, "model", "0"),
    "event_rows:last_of_kind": lambda c: event_rows.last_of_kind(c, ID, "model.removed"),
    "model_rows:all_removed": lambda c: model_rows.all_removed(c, None, None, ["net*"]),
    "model_rows:aliases_of_line": lambda c: model_rows.aliases_of_line(c, ID),
    "model_rows:tombstones": lambda c: model_rows.tombstones(c, None, "net", None),
    "model_rows:some_references": model_rows.some_references,
    "project_rows:next_in": lambda c: project_rows.next_in(c, "vision", "net"),
    "project_rows:by_id": lambda c: project_rows.by_id(c, ID),
    "report_rows:touch_reported": report_rows.touch_reported,
    "report_rows:forget_old_media": lambda c: report_rows.forget_old_media(c, "task", 1, "", "", 1),
    "retention_rows:versions": retention_rows.versions,
    "retention_rows:aliases": retention_rows.aliases,
    "retention_rows:uses": retention_rows.uses,
    "retention_rows:blobs": lambda c: list(retention_rows.blobs(c)),
    "search_changes:last_event": search_changes.last_event,
    "search_changes:has_event": lambda c: search_changes.has_event(c, 1, ID),
    "search_changes:forgotten": search_changes.forgotten,
    "search_changes:changed": lambda c: search_changes.changed(c, 1, 1_000, 0),
    "search_changes:last_refolded": search_changes.last_refolded,
    "search_texts:texts_from": lambda c: search_texts.texts_from(c, 0, 10),
    "search_texts:texts_of": lambda c: search_texts.texts_of(c, [ID]),
    "setting_rows:set_shared": lambda c: setting_rows.set_shared(c, "users"),
    "dataset_rows:children": lambda c: dataset_rows.children(c, ID),
    "task_rows:present": lambda c: task_rows.present(c, [ID]),
    "upload_rows:announce": lambda c: upload_rows.announce(c, UploadRow(ID, URL, "", 0, None)),
    "name_rows:lines": lambda c: name_rows.lines(c, "vision"),
    "name_rows:versions": lambda c: name_rows.versions(c, "vision/net"),
    "name_rows:aliases": lambda c: name_rows.aliases(c, "vision/net", "p"),
    "name_rows:aliases of all": lambda c: name_rows.aliases(c, None, "p"),
    "name_rows:projects": lambda c: name_rows.projects(c, "v"),
    "name_rows:model_names": lambda c: name_rows.model_names(c, "n"),
    "name_rows:removed": lambda c: name_rows.removed(c, "v"),
    "name_rows:tags": lambda c: [name_rows.tags(c, kind, "a") for kind in ("model", "task")],
    "name_rows:tags_of": lambda c: name_rows.tags_of(c, ID, "a"),
    "name_rows:tasks": lambda c: name_rows.tasks(c, "a"),
    "name_rows:metrics": lambda c: name_rows.metrics(c, "a"),
    "name_rows:parameters": lambda c: name_rows.parameters(c, "a"),
    "name_rows:metadata_keys": lambda c: name_rows.metadata_keys(c, "a"),
    "name_rows:events": lambda c: name_rows.events(c, "a"),
    "value_rows:makers": lambda c: list(value_rows.makers(c, [ID])),
    "value_rows:tasks": lambda c: list(value_rows.tasks(c, [ID])),
    "value_rows:metrics": lambda c: list(value_rows.metrics(c, "model", [1])),
    "value_rows:parameters": lambda c: list(value_rows.parameters(c, [1])),
    "value_rows:metadata": lambda c: list(value_rows.metadata(c, [1])),
    "overview_rows:tags": lambda c: overview_rows.tags(c, [1]),
    "overview_rows:task_tags": lambda c: overview_rows.task_tags(c, [1]),
    "overview_rows:aliases": lambda c: overview_rows.aliases(c, [1]),
    "upload_rows:is_open": lambda c: upload_rows.is_open(c, ID),
    "upload_rows:forget": lambda c: upload_rows.forget(c, ID),
}  # fmt: skip


def carry(registry, folder):
    """Export a registry, import it elsewhere, and merge what went on there."""
    registry.export(everything=True, path=folder / "all.tar")
    event = registry.history(limit=1)[0].event_id
    registry.export("vision/net", path=folder / "since.tar", since=event)
    with Registry(folder / "other", durability="fast") as other:
        for name in ("net", "own"):
            other.add(io.BytesIO(b"own"), name, "vision", filename="own.pt")
        other.import_bundle(folder / "all.tar", renumber=True, aliases=True)
        other.import_bundle(folder / "all.tar", project="copies")
        Model.remove(other.model("vision/own"))
    registry.merge(folder / "other")


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """The path of a used registry, and its statements with the functions that they are from."""
    folder = tmp_path_factory.mktemp("used")
    with recorded() as statements:
        root = make_used_registry(folder)
        with Registry(root) as registry:
            for _, call in api_uses(registry):
                with suppress(LocalregError):  # other tests look at what it returns
                    call()
            for query in QUERIES:
                registry.models(**query)
            carry(registry, folder)
            InputModel.remove(registry.model("vision/net:1"), force=True)
            registry.restore("vision/net:1")
            InputModel.remove(registry.model("vision/packed"), delete_weights_file=True, force=True)
        with closing(sqlite3.connect(root / "registry.db", factory=Watched)) as connection:
            connection.execute("BEGIN")
            for call in CALLS.values():
                call(connection)
            connection.execute("ROLLBACK")
    return root, statements


def test_every_function_that_reads_or_writes_rows_is_looked_at(used):
    """A new function is reached by the registry above, or is added to `CALLS`."""
    _, statements = used
    reached = {name for names in statements.values() for name in names}
    folder = Path(localreg.__file__).parent / "store" / "rows"
    functions = {
        f"rows/{path.stem}:{node.name}"
        for path in folder.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        and any(each.arg == "connection" for each in node.args.args)
    }  # fmt: skip
    assert len(functions) > 100
    assert functions - reached == WRITES_SQL
    assert set(WHOLE) <= functions, "an exception for a function that is gone"


def test_no_look_up_scans_a_table(used):
    root, statements = used
    found = []
    with closing(sqlite3.connect(root / "registry.db")) as connection:
        for sql, names in statements.items():
            in_rows = any(name.startswith("rows/") for name in names)
            allowed = names & set(WHOLE) or ALL_MODELS.fullmatch(sql) or ALL_VALUES.fullmatch(sql)
            if in_rows and not allowed:
                tables = scanned(connection, sql) - SMALL
                found += [f"{sorted(names)} reads all of {table}: {sql}" for table in tables]
    assert found == []
    assert len(statements) > 200


def test_a_push_goes_through_what_was_reported_and_not_through_all_models(used):
    root, statements = used
    with closing(sqlite3.connect(root / "registry.db")) as connection:
        found = {
            table
            for sql, names in statements.items()
            if "rows/remote_report_rows:changed" in names
            for table in scanned(connection, sql)
        }
    assert found == {"reported"}


def test_all_values_of_a_statement_are_given_in_order_or_all_by_name(used):
    """Python 3.12 warns about each name, or number, for which it finds a sequence."""
    found = []
    for sql in used[1]:
        outside_texts = re.sub(r"'[^']*'", "", sql)
        numbered = re.search(r"\?\d", outside_texts)
        if numbered or ("?" in outside_texts and re.search(r":[a-z_]", outside_texts)):
            found.append(sql)
    assert found == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM blob b JOIN weights w ON w.blob = b.pk WHERE ? IS NULL OR b.digest = ?",
        "SELECT count(*) FROM tree_file WHERE path = 'a'",
        "DELETE FROM event WHERE at = ?",
        "UPDATE blob SET size = 1 WHERE sample = :sample",
    ],
)
def test_a_scan_is_seen(used, sql):
    with closing(sqlite3.connect(used[0] / "registry.db")) as connection:
        assert scanned(connection, sql)
