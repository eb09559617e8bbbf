"""Queries find the right models, in order of their last change, and use the right index."""

from __future__ import annotations

import operator
import random
import re
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.proofs import TIMES
from support.statements import steps

from localreg.errors import InvalidValueError
from localreg.operations.finding.queries import check_query, find_models
from localreg.operations.models import aliases, edits
from localreg.operations.models.importing import import_model
from localreg.operations.models.recording import describe
from localreg.registry import Chain, OpenRegistry, open_registry
from localreg.store.rows import model_query
from localreg.store.rows.model_query import FEW, PROBE
from localreg.values.ids import new_id
from localreg.values.records import MetadataValue, ModelRecord, Project

MODELS = FEW + 900
MEANS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
}  # fmt: skip
LEVELS = ("2.5", "2.50", "10", "-1e3", "x", "y", "3 m", "0x10")


@dataclass
class Facts:
    """What a test wrote about a model."""

    id: str
    name: str
    project: str | None
    tags: set[str] = field(default_factory=set)
    metadata: dict[str, str] = field(default_factory=dict)
    published: bool = False
    archived: bool = False


def draw_up(number):
    """Return model `number` of the large registry; the counts below follow from it."""
    model = Facts(new_id(), "common", "big")
    model.published, model.archived = number % 3 == 0, number % 5 == 0
    if number % 100 == 1:
        model.project = "small"
    elif number % 7 == 0:
        model.project = None
    if number % 90 == 2:
        model.name = "rare"
    elif number % 4 == 0:
        model.name = f"name {number}"
    model.tags = {
        tag
        for tag, has in {
            "most": number % 10 != 0,  # more than FEW
            "half": number % 2 == 0,
            "old": number < 3 * PROBE,
            "new": number >= MODELS - 3 * PROBE,
            "few": number % 60 == 3,
            "rare": number in (11, 503, 990, 1_502, 2_222),
        }.items()
        if has
    }
    model.metadata = {"run": str(number), "odd": str(number % 2 == 1)}
    # Numbers as texts, of which many are equal, and texts.
    level = "3" if number < FEW + 100 else LEVELS[number % len(LEVELS)]
    if number % 50:
        model.metadata["level"] = level
    model.metadata["loss"] = f"{number * 7919 % 1_009 / 8}"
    if number % 25 == 4:
        model.metadata["kind"] = "some"
    if number < FEW:
        model.metadata["edge"] = "in"
    if number <= FEW:
        model.metadata["beyond"] = "out"
    return model


def write_all(store, models):
    """Record models like the operations do, but in one transaction."""
    with store.write() as change:
        projects = {None: None}
        for number, model in enumerate(models, 1):
            if model.project not in projects:
                project = projects[model.project] = Project(new_id(), model.project)
                change.record("project.created", project.id, {"name": project.name})
            record = ModelRecord(
                id=model.id,
                name=model.name,
                version=number,
                birth=number,
                project=projects[model.project],
                published=model.published,
                archived=model.archived,
                labels={},
                tags=tuple(sorted(model.tags)),
                metadata={
                    key: MetadataValue(value, "str") for key, value in model.metadata.items()
                },
            )
            change.record("model.created", model.id, record.payload())


class Large(NamedTuple):
    """A registry of many models, and the facts of each, in order of their last change."""

    registry: OpenRegistry
    models: list[Facts]

    def __repr__(self):
        return f"{len(self.models)} models"  # hypothesis shows arguments


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    registry = open_registry(tmp_path_factory.mktemp("queries"), durability="fast")
    models = [draw_up(number) for number in range(MODELS)]
    write_all(registry.store, models)
    # Some models change again, so the order is neither that of keys nor of creation.
    moved = random.Random(0).sample(models[3 * PROBE :], 300)
    with registry.store.write() as change:
        for model in moved:
            payload = {"old": None, "new": "moved"}
            change.record("model.changed", model.id, payload, field="comment")
    ids = {model.id for model in moved}
    others = [model for model in reversed(models) if model.id not in ids]
    yield Large(registry, [*reversed(moved), *others])
    registry.close()


# Lists of tags, and what they mean.
TAG_FILTERS = [
    (None, lambda tags: True),
    (["rare"], lambda tags: "rare" in tags),
    (["most"], lambda tags: "most" in tags),
    (["-most"], lambda tags: "most" not in tags),
    (["half", "old"], lambda tags: bool(tags & {"half", "old"})),
    (["few", "rare", "unheard of"], lambda tags: bool(tags & {"few", "rare"})),
    (["few", "rare", "-half"], lambda tags: tags & {"few", "rare"} and "half" not in tags),
    (["most", "half"], lambda tags: bool(tags & {"most", "half"})),
    (["__$all", "most", "half"], lambda tags: tags >= {"most", "half"}),
    (["__$all", "old", "new"], lambda tags: tags >= {"old", "new"}),
    (["__$all", "old", "half", "-few"], lambda tags: tags >= {"old", "half"} and "few" not in tags),
    (["__$all", "most", "rare"], lambda tags: tags >= {"most", "rare"}),
    (["__$all", "most", "unheard of"], lambda tags: False),
    (["__$all", "most", "__$or", "few", "rare"], lambda t: "most" in t and t & {"few", "rare"}),
    (["__$or", "rare", "__$not", "most"], lambda tags: "rare" in tags or "most" not in tags),
    (["rare", None], lambda tags: "rare" in tags or not tags),
    ([None], lambda tags: not tags),
    (["unheard of"], lambda tags: False),
]

PATTERNS = (
    "rare", "r*", "c*", "na*", "name 1*", "name 12", "name ?", "*", "*re", "[rc]*", "[!n]*",
    "Rare*", "big/*", "big/rare", "big/na*", "big/name 2[0-4]*", "small/c*", "b*/rare", "*/rare",
    "/rare", "nowhere/x", "big", "bi*", "big/", "s*", "small/", "*a*e*", "name", "?ig/name 1*",
)  # fmt: skip

queries = st.fixed_dictionaries(
    {},
    optional={
        "project": st.sampled_from(["big", "small", "", "Big", "bi", "nowhere", None]),
        "name": st.sampled_from(["common", "rare", "Rare", "", "com%", "name 4", None]),
        "metadata": st.dictionaries(
            st.sampled_from(["run", "odd", "kind", "edge", "beyond", "Kind"]),
            st.sampled_from(["some", "in", "out", "False", True, 504, "11", "", None]),
            max_size=2,
        )
        | st.none(),
        "patterns": st.sampled_from(PATTERNS).map(lambda each: (each,)),
        "published": st.booleans(),
        "archived": st.booleans(),
        "limit": st.sampled_from([1, 2, 50, MODELS + 1, 2**63 - 1, None]),
    },
)


ORDERS = {
    "name": (lambda each: each.name, False),
    "-name": (lambda each: each.name, True),
    "+created": (lambda each: int(each.metadata["run"]), False),
    "created": (lambda each: int(each.metadata["run"]), True),
}
BY_VALUES = ("run", "odd", "edge", "beyond", "level", "loss")


def by_value(models, key, falls):
    """Return the models that have a key, by its values: numbers, then texts."""
    numbers, texts = [], []
    for each in models:
        if key in each.metadata:
            is_number = re.fullmatch(r"-?[\d.]+(e\d+)?", each.metadata[key])
            (numbers if is_number else texts).append(each)
    numbers.sort(key=lambda each: float(each.metadata[key]), reverse=falls)
    texts.sort(key=lambda each: each.metadata[key], reverse=falls)
    return numbers + texts


def is_like(model, pattern):
    """Return True if a model has the name of a pattern."""
    name = f"{model.project}/{model.name}" if "/" in pattern and model.project else model.name
    parts = {"*": ".*", "?": ".", "[rc]": "[rc]", "[!n]": "[^n]", "[0-4]": "[0-4]"}
    texts = re.split(r"(\*|\?|\[.*?\])", pattern)
    regex = "".join(parts.get(each, re.escape(each)) for each in texts)
    return re.fullmatch(regex, name) is not None


def brute_force(models, means, asked):
    """Return the ids of the models that match, by looking at each."""
    if "metadata." in asked.get("order", ""):
        sign, _, key = asked["order"].partition("metadata.")
        models = by_value(models, key, sign != "+")
    elif "order" in asked:
        key, falls = ORDERS[asked["order"]]
        models = sorted(models, key=key, reverse=falls)  # equal ones stay newest first
    found = [
        model.id
        for model in models
        if means(model.tags)
        and (not asked.get("project") or model.project == asked["project"])
        and (asked.get("name") is None or model.name == asked["name"])
        and all(is_like(model, each) for each in asked.get("patterns", ()))
        and all(
            model.metadata.get(key) == ("null" if value is None else str(value))
            for key, value in (asked.get("metadata") or {}).items()
        )
        and (model.published or not asked.get("published"))
        and not asked.get("signed")  # none is
        and (not model.archived or asked.get("archived"))
    ]
    return found[: asked.get("limit")]


@settings(max_examples=400 * TIMES)
@given(st.sampled_from(TAG_FILTERS), queries)
@example(TAG_FILTERS[0], {})
@example(TAG_FILTERS[0], {"metadata": {"edge": "in"}, "archived": True})
@example(TAG_FILTERS[1], {"metadata": {"odd": "False"}, "archived": True})
@example(TAG_FILTERS[0], {"metadata": {"odd": "True"}, "name": "", "limit": 2})
@example(TAG_FILTERS[0], {"metadata": {"odd": "True"}, "published": True, "limit": 2})
@example(TAG_FILTERS[6], {"metadata": {"beyond": "out"}, "project": "big", "limit": 2})
def test_every_filter_at_once(large, filter_, asked):
    registry, models = large
    tokens, means = filter_
    found = find_models(registry, check_query(tags=tokens, **asked))
    assert found == brute_force(models, means, asked)


@pytest.mark.parametrize(("tokens", "means"), TAG_FILTERS, ids=[str(t) for t, _ in TAG_FILTERS])
@pytest.mark.parametrize("archived", [True, False])
def test_each_tag_filter_alone(large, tokens, means, archived):
    registry, models = large
    found = find_models(registry, check_query(tags=tokens, archived=archived))
    assert found == brute_force(models, means, {"archived": archived})


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("order", [None, "name", "-name", "-metadata.run", "created"])
def test_each_pattern_of_names(large, pattern, order):
    """Whether few models match and are read first, or all are walked through."""
    registry, models = large
    for more in ({}, {"limit": 7}, {"archived": True, "limit": 40}, {"project": "big"}):
        asked = {"patterns": (pattern,), **({"order": order} if order else {}), **more}
        found = find_models(registry, check_query(**asked))
        assert found == brute_force(models, lambda tags: True, asked), more


def test_names_that_begin_with_any_character_are_found(tmp_path):
    """An index is read up to the first text that does not begin so, in the order of UTF-8."""
    ends = ["", "a", "z", "\x7f", "\x80", "\ud7ff", "\ue000", "\uffff", "\U0010ffff"]
    names = {f"{first}{second}x" for first in ends for second in ends}
    with closing(open_registry(tmp_path, durability="fast")) as registry:
        for name in names:
            url = f"s3://b/{name.encode().hex()}"
            import_model(Chain(registry), url, describe(name=name, project="p"))
        with registry.store.read() as connection:
            kept = {name for (name,) in connection.execute("SELECT name FROM model")}
        assert len(kept) > 70
        for begin in {name[:count] for name in kept for count in (1, 2)} - {"*", "?", "["}:
            there = [name for name in kept if name.startswith(begin)]
            for pattern in (f"{begin}*", f"p/{begin}*"):
                found = find_models(registry, check_query(patterns=(pattern,)))
                assert len(found) == len(there), ascii(pattern)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("tokens", "means"), TAG_FILTERS, ids=[str(t) for t, _ in TAG_FILTERS])
def test_an_order_by_name_or_creation(large, order, tokens, means):
    """Equal ones newest first, whether the index of the order is read or few models are sorted."""
    registry, models = large
    others = {}, {"project": "big"}, {"name": "rare"}, {"metadata": {"odd": "True"}}
    for asked in others if tokens in (None, ["most"], ["rare"]) else others[:1]:
        for more in ({"limit": 7}, {"limit": 40, "archived": True}, {}):
            every = {"order": order, **asked, **more}
            found = find_models(registry, check_query(tags=tokens, **every))
            assert found == brute_force(models, means, every), every


@pytest.mark.parametrize("sign", ["-", "+"])
@pytest.mark.parametrize("key", BY_VALUES)
def test_an_order_by_metadata(large, key, sign):
    """Numbers, then texts; equal ones newest first, also if there are many of them."""
    registry, models = large
    filters = [each for each in TAG_FILTERS if each[0] in (None, ["most"], ["-most"], ["few"])]
    for tokens, means in filters:
        for asked in ({}, {"project": "big"}, {"name": "rare"}, {"metadata": {"odd": "True"}}):
            for more in ({"limit": 7}, {"limit": 150, "archived": True}, {"limit": 2_500}, {}):
                every = {"order": f"{sign}metadata.{key}", **asked, **more}
                found = find_models(registry, check_query(tags=tokens, **every))
                assert found == brute_force(models, means, every), (tokens, every)


@pytest.mark.parametrize("key", ["run", "loss", "level", "beyond"])
def test_an_order_by_metadata_does_not_read_all_models(large, key):
    """Neither if all values differ, nor if more than FEW are equal."""
    asked = check_query(order=f"metadata.{key}", limit=5, archived=True)
    everything = check_query(order=f"metadata.{key}", archived=True)
    with large.registry.store.read() as connection:
        first = steps(connection, lambda c: model_query.find(c, asked))
        all_ = steps(connection, lambda c: model_query.find(c, everything))
    assert first < all_ / 2


@pytest.mark.parametrize("order", ["-metadata.run", "+metadata.run"])
@pytest.mark.parametrize("sign", [*MEANS])
def test_an_order_by_the_metadata_that_a_filter_compares(large, order, sign):
    registry, models = large
    falls = order[0] == "-"
    in_order = by_value(models, "run", falls)
    for value in (2_100, 500, -1):
        asked = {"metadata": {"run": [(sign, value), (">=", 0)]}, "limit": 9, "archived": True}
        found = find_models(registry, check_query(order=order, **asked))
        wanted = [each.id for each in in_order if MEANS[sign](int(each.metadata["run"]), value)]
        assert found == wanted[:9], value


@pytest.mark.parametrize(("order", "filter_"), [("-", ("<", 2_100)), ("+", (">", 500))])
def test_entries_that_a_filter_leaves_out_are_not_read_in_an_order(large, order, filter_):
    asked = check_query(
        order=f"{order}metadata.run", metadata={"run": filter_}, limit=9, archived=True
    )
    with large.registry.store.read() as connection:
        # Most of it is to see that more than FEW match; 500 models more would be over the bound.
        assert steps(connection, lambda c: model_query.find(c, asked)) < 10 * FEW


@pytest.mark.parametrize("tags", [["most", "unheard of"], ["unheard of", "most", "half"]])
def test_a_required_tag_that_does_not_exist_ends_a_query_at_once(large, tags):
    asked = check_query(tags=["__$all", *tags])
    with large.registry.store.read() as connection:
        assert model_query.find(connection, asked) == []
        assert steps(connection, lambda c: model_query.find(c, asked)) < 10 * PROBE


# What is asked, the index that must drive, and whether the answer is sorted afterwards.
NEWEST, UNION, METADATA = "model_tag_newest", "DISTINCT", "metadata_value"
WITHIN = (UNION, "model_version", "signature")  # within the FROM of the statement
DRIVERS = [
    ({}, "model_newest_active", False),
    ({"archived": True}, "model_newest", False),
    ({"published": True}, "model_newest_active", False),
    ({"name": "common"}, "model_name", False),
    ({"name": "unknown"}, "model_name", False),
    ({"project": "big"}, "model_project", False),
    ({"project": "nowhere"}, "model_project", False),
    ({"project": "small", "name": "common"}, "model_project", False),
    ({"project": "big", "name": "rare"}, "model_name", False),
    ({"tags": ["most"]}, f"{NEWEST} most", False),
    ({"tags": ["rare"], "archived": True}, f"{NEWEST} rare", False),
    ({"tags": ["-rare"]}, "model_newest_active", False),
    ({"tags": [None]}, "model_newest_active", False),
    ({"tags": ["__$all", "most", "rare"]}, f"{NEWEST} rare", False),
    ({"tags": ["__$all", "most", "rare", "few"]}, f"{NEWEST} rare", False),
    ({"tags": ["__$all", "most", "few", "-rare"]}, f"{NEWEST} few", False),
    ({"tags": ["most"], "name": "rare"}, "model_name", False),
    ({"tags": ["rare"], "name": "common"}, f"{NEWEST} rare", False),
    ({"tags": ["most"], "project": "small"}, "model_project", False),
    ({"tags": ["rare"], "project": "big"}, f"{NEWEST} rare", False),
    # All are common: best is the one whose newest models are the oldest.
    ({"tags": ["__$all", "new", "old"]}, f"{NEWEST} old", False),
    ({"tags": ["__$all", "old", "new"]}, f"{NEWEST} old", False),
    ({"tags": ["__$all", "most", "half"]}, f"{NEWEST} half", False),
    ({"tags": ["few", "rare"]}, UNION, True),
    ({"tags": ["most", "half"]}, "model_newest_active", False),
    ({"tags": ["rare", None]}, "model_newest_active", False),
    ({"tags": ["__$or", "rare", "-few"]}, "model_newest_active", False),
    ({"tags": ["few", "rare", "-half"]}, UNION, True),
    ({"tags": ["__$all", "most", "__$or", "few", "rare"]}, UNION, True),
    ({"tags": ["__$all", "rare", "__$or", "half", "old"]}, f"{NEWEST} rare", False),
    ({"tags": ["few", "rare"], "project": "big"}, UNION, True),
    ({"metadata": {"kind": "some"}}, METADATA, True),
    ({"metadata": {"kind": "nothing"}}, METADATA, True),
    ({"metadata": {"run": "5"}, "limit": 3}, METADATA, True),
    ({"metadata": {"kind": "some"}, "limit": 3}, METADATA, True),
    ({"metadata": {"odd": "True"}, "limit": 3}, "model_newest_active", False),
    ({"metadata": {"odd": "True"}, "limit": 3, "archived": True}, "model_newest", False),
    ({"metadata": {"edge": "in"}}, METADATA, True),
    ({"metadata": {"beyond": "out"}}, "model_newest_active", False),
    ({"metadata": {"beyond": "out"}, "archived": True}, "model_newest", False),
    ({"metadata": {"beyond": "out", "run": "5"}}, f"{METADATA} run", True),
    ({"metadata": {"kind": "some", "run": "5"}}, f"{METADATA} run", True),
    ({"metadata": {"kind": "some"}, "tags": ["most"]}, METADATA, True),
    ({"metadata": {"kind": "some"}, "tags": ["rare"]}, f"{NEWEST} rare", False),
    ({"metadata": {"beyond": "out"}, "tags": ["old"]}, f"{NEWEST} old", False),
    ({"metadata": {"run": "5"}, "project": "big", "name": "common"}, f"{METADATA} run", True),
    ({"patterns": ("name 1*",)}, "model_name", True),
    ({"patterns": ("big/name 1*",), "limit": 3}, "model_version", True),
    ({"patterns": ("nowhere/x",), "archived": True}, "model_version", True),
    ({"patterns": ("*re",)}, "model_newest_active", False),
    ({"patterns": ("big/*",)}, "model_newest_active", False),
    ({"patterns": ("name 1*",), "tags": ["most"]}, "model_name", True),
    ({"patterns": ("name 1*",), "tags": ["rare"]}, f"{NEWEST} rare", False),
    ({"patterns": ("name 1*",), "metadata": {"run": "8"}}, f"{METADATA} run", True),
    ({"signed": True, "limit": 3}, "signature", True),
    ({"order": "name", "limit": 9, "patterns": ("c*",)}, "model_name", False),
    ({"order": "name"}, "model_name", False),
    ({"order": "+created", "archived": True}, "model_birth", True),  # of one birth
    ({"order": "created", "limit": 9}, "model_birth", True),
    ({"order": "name", "limit": 9, "tags": ["most"]}, "model_name", False),
    ({"order": "name", "tags": ["most"]}, f"{NEWEST} most", True),
    ({"order": "name", "limit": 9, "tags": ["rare"]}, f"{NEWEST} rare", True),
    ({"order": "created", "limit": 9, "metadata": {"kind": "some"}}, METADATA, True),
    ({"order": "created", "limit": 9, "project": "small"}, "model_project", True),
    ({"order": "name", "limit": 9, "tags": ["__$all", "old", "most"]}, f"{NEWEST} old", True),
]


def traced(registry, asked):
    """Return the statements that a query runs, and its answer."""
    statements = []
    with registry.store.read() as connection:
        connection.set_trace_callback(statements.append)
        found = model_query.find(connection, check_query(**asked))
        connection.set_trace_callback(None)
    return statements, found


def driving_tag(registry, statement):
    """Return the tag whose models a statement reads first, which it may choose while it runs."""
    _, _, rest = statement.partition("d.tag = ")
    key = next(
        rest[:end]
        for end, sign in enumerate(rest, 1)
        if sign == ")" and rest[:end].count("(") == rest[:end].count(")")
    )
    with registry.store.read() as connection:
        (name,) = connection.execute(f"SELECT name FROM tag WHERE pk = {key}").fetchone()
    return name


@pytest.mark.parametrize(("asked", "index", "sorts"), DRIVERS, ids=[str(d[0]) for d in DRIVERS])
def test_the_narrowest_index_is_used(large, asked, index, sorts):
    """SQLite's own plan of the statement starts with this index, and sorts only where it must."""
    registry, models = large
    statements, found = traced(registry, asked)
    index, _, entry = index.partition(" ")
    with registry.store.read() as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statements[-1]}")]
    first = statements[-1] if index in WITHIN else plan[0]
    assert index in first.replace("(", " ").split(), plan
    if index == NEWEST:
        assert driving_tag(registry, statements[-1]) == entry
    elif entry:
        assert f"d.key = '{entry}' " in statements[-1]
    assert any("ORDER BY" in step for step in plan) is sorts, plan
    if index in (NEWEST, UNION, METADATA):
        assert any("USING INTEGER PRIMARY KEY" in step for step in plan), plan
    # And whatever drives, the answer is the same.
    for tokens, means in TAG_FILTERS:
        if tokens == asked.get("tags"):
            assert found == brute_force(models, means, asked)


def test_an_order_by_name_begins_where_the_pattern_does(large):
    """Of many models that match, names before and after them are not read."""
    registry, _ = large
    statements, _ = traced(registry, {"order": "name", "patterns": ("c*",), "limit": 3})
    with registry.store.read() as connection:
        first, *_ = connection.execute(f"EXPLAIN QUERY PLAN {statements[-1]}").fetchone()[3:]
    assert first == "SEARCH m USING INDEX model_name (name>? AND name<?)"


@pytest.mark.parametrize(
    ("asked", "statements"),
    [
        ({}, 1),
        ({"name": "rare"}, 1),
        ({"project": "big"}, 1),
        ({"tags": ["most"]}, 1),
        ({"tags": ["-most"]}, 1),
        ({"tags": ["__$all", "most", "rare", "-few"]}, 1),
        ({"tags": ["__$all", "-most", "-rare"]}, 1),
        # A narrow index was found: the metadata need not be counted.
        ({"tags": ["rare"], "metadata": {"kind": "some"}}, 2),
        ({"tags": ["most"], "metadata": {"kind": "some"}}, 3),
    ],
)
def test_a_query_without_a_choice_runs_no_extra_statements(large, asked, statements):
    assert len(traced(large[0], asked)[0]) == statements
    plain = model_query.plain_statement(check_query(**asked))
    assert (plain is not None) is (statements == 1)


CHANGES = {
    "rename": lambda registry, model: edits.rename(registry, model, "renamed"),
    "move": lambda registry, model: edits.move(registry, model, "elsewhere"),
    "comment": lambda registry, model: edits.set_comment(registry, model, "text"),
    "publish": edits.publish,
    "archive": lambda registry, model: edits.set_archived(registry, model, True),
    "tags": lambda registry, model: edits.edit_tags(registry, model, add=["t"]),
    "drop a tag": lambda registry, model: edits.edit_tags(registry, model, drop=["given"]),
    "system tags": lambda registry, model: edits.set_system_tags(registry, model, ["package"]),
    "metadata": lambda registry, model: edits.set_metadata(registry, model, "k", "v"),
    "drop metadata": lambda registry, model: edits.drop_metadata(registry, model, "given"),
    "alias": lambda registry, model: aliases.set_alias(Chain(registry), model, "best"),
}


class TestOrder:
    """Newest first means changed last first, for every kind of change."""

    @pytest.mark.parametrize("change", CHANGES)
    def test_every_change_brings_a_model_to_the_front(self, tmp_path, change):
        registry = open_registry(tmp_path, durability="fast")
        description = describe(name="m", tags=["given"], metadata={"given": "v"})
        models = [import_model(Chain(registry), f"s3://b/{n}", description).model for n in range(4)]
        query = check_query(archived=True)
        assert find_models(registry, query) == models[::-1]
        CHANGES[change](registry, models[1])
        changed = [models[1], models[3], models[2], models[0]]
        assert find_models(registry, query) == changed
        if change != "drop a tag":
            assert find_models(registry, check_query(archived=True, tags=["given"])) == changed
        CHANGES[change](registry, models[1])  # the same values again
        CHANGES[change](registry, models[0])
        assert find_models(registry, query)[:2] == [models[0], models[1]]
        registry.close()

    def test_moving_an_alias_updates_both_models(self, tmp_path):
        """The model that lost the alias comes second."""
        registry = open_registry(tmp_path, durability="fast")
        models = [
            import_model(Chain(registry), f"s3://b/{n}", describe(name="m")).model for n in range(4)
        ]
        aliases.set_alias(Chain(registry), models[0], "best")
        aliases.set_alias(Chain(registry), models[3], "second")
        aliases.set_alias(Chain(registry), models[1], "best")
        assert find_models(registry, check_query())[:2] == [models[1], models[0]]
        registry.close()


class TestChecks:
    @pytest.mark.parametrize("limit", [0, -1, True, False, 1.0, "1", 2**63, float("nan")])
    def test_a_limit_must_be_an_int_of_1_or_more(self, limit):
        with pytest.raises(InvalidValueError, match="max_results") as caught:
            check_query(limit=limit)
        assert caught.value.argument == "max_results"

    @pytest.mark.parametrize(
        ("asked", "argument"),
        [
            ({"project": 1}, "project_name"),
            ({"name": b"m"}, "model_name"),
            ({"name": "\ud800"}, "model_name"),
            ({"metadata": ["k"]}, "metadata"),
            ({"metadata": "k"}, "metadata"),
            ({"metadata": {None: "v"}}, "metadata key"),
            ({"metadata": {"": "v"}}, "metadata key"),
            ({"metadata": {"k": "\ud800"}}, "metadata value"),
        ],
    )
    def test_a_bad_argument_is_an_error_that_names_it(self, asked, argument):
        with pytest.raises(InvalidValueError) as caught:
            check_query(**asked)
        assert caught.value.argument == argument

    @given(
        name=st.text(st.characters(exclude_categories=["Cs"])),
        project=st.text(st.characters(exclude_categories=["Cs"])),
    )
    def test_no_text_is_treated_as_a_pattern(self, large, name, project):
        """Not even patterns, quotes and NUL: only an equal name matches."""
        assert find_models(large[0], check_query(name=f"{name}?")) == []
        assert find_models(large[0], check_query(project=f"{project}?")) == []
