"""Tag filters: what they mean, and that queries of models and tasks find by them."""

from __future__ import annotations

from itertools import chain, combinations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.proofs import TIMES

from localreg.errors import TagFilterError
from localreg.operations.finding.queries import check_query, find_models
from localreg.operations.models import edits
from localreg.operations.models.importing import import_model
from localreg.operations.models.recording import describe
from localreg.operations.tasks import lifecycle
from localreg.operations.tasks.search import check_search, find_tasks
from localreg.registry import Chain, open_registry
from localreg.values.tags import FILTER_LIMIT, AllOf, AnyOf, HasTag, Not, parse_tag_filter

# "-a" is a tag too: `__$not` takes it literally; elsewhere the token "-a" means not "a".
TAGS = ("a", "b", "c", "d", "-a")
JOINERS = {"__$all": all, "__$and": all, "__$any": any, "__$or": any}


def matches(tokens, tags):
    """Evaluate a filter on one model's tags, token by token, without the code under test."""
    groups = [("open", [])]  # (how it is read, [(excluded, whether the tag is there)])
    joined_by = None
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token in JOINERS:
            joined_by = joined_by or JOINERS[token]
            groups.append((token, []))
        else:
            joined_by = joined_by or all
            if token == "__$nop":
                groups.append(("open", []))
            else:
                excluded = False
                if token == "__$not":
                    position += 1
                    token, excluded = tokens[position], True
                elif token is not None and token[0] == "-":
                    token, excluded = token[1:], True
                there = not tags if token is None else token in tags
                groups[-1][1].append((excluded, there))
        position += 1
    values = [_group_holds(reading, members) for reading, members in groups if members]
    return (joined_by or all)(values) if values else True


def _group_holds(reading, members):
    if reading == "open":
        included = [there for excluded, there in members if not excluded]
        return (any(included) or not included) and not any(
            there for excluded, there in members if excluded
        )
    return JOINERS[reading](there is not excluded for excluded, there in members)


def condition_holds(condition, tags):
    """Evaluate a parsed condition on one model's tags."""
    match condition:
        case HasTag(None):
            return not tags
        case HasTag(tag):
            return tag in tags
        case Not(part):
            return not condition_holds(part, tags)
        case AllOf(parts):
            return all(condition_holds(part, tags) for part in parts)
        case AnyOf(parts):
            return any(condition_holds(part, tags) for part in parts)


SUBSETS = list(chain.from_iterable(combinations(TAGS, size) for size in range(len(TAGS) + 1)))


@pytest.fixture(scope="module")
def every_combination(tmp_path_factory):
    """A registry with a model and a task for each set of tags.

    Yields it with the (id, tags) of each model and of each task, the one that changed last first.
    """
    registry = open_registry(tmp_path_factory.mktemp("tags"), durability="fast")
    models, tasks = [], []
    for number, tags in enumerate(SUBSETS):
        description = describe(name="m", tags=list(tags))
        model = import_model(Chain(registry), f"s3://bucket/{number}.pt", description).model
        models.append((model, frozenset(tags)))
        tasks.append((lifecycle.create_task(registry, tags=list(tags)), frozenset(tags)))
    # System tags do not count as tags, whatever their name; and no model has the tag "never".
    for number, (model, _) in enumerate(models[::3]):
        edits.set_system_tags(registry, model, [TAGS[number % len(TAGS)], "reviewed"])
    edits.edit_tags(registry, models[1][0], add=["never"])
    edits.edit_tags(registry, models[1][0], drop=["never"])
    lifecycle.edit_tags(registry, tasks[1][0], add=["never"])
    lifecycle.edit_tags(registry, tasks[1][0], drop=["never"])
    for number in (7, 0, 30, 12, 1, 21):
        edits.set_comment(registry, models[number][0], "changed last")
        lifecycle.set_comment(registry, tasks[number][0], "changed last")
    with registry.store.read() as connection:
        last = dict(connection.execute("SELECT subject, max(seq) FROM event GROUP BY 1").fetchall())
    models, tasks = (
        sorted(each, key=lambda owner: last[owner[0]], reverse=True) for each in (models, tasks)
    )
    yield registry, models, tasks
    registry.close()


literals = st.sampled_from([*TAGS, "never", "unheard of", "reviewed"])
tokens = st.lists(
    st.one_of(
        st.sampled_from([*JOINERS, "__$nop"]).map(lambda operator: [operator]),
        st.one_of(literals.filter(lambda tag: tag[0] != "-"), st.none()).map(lambda tag: [tag]),
        literals.map(lambda tag: [f"-{tag}"]),
        st.one_of(literals, st.none()).map(lambda tag: ["__$not", tag]),
    ),
    max_size=10,
).map(lambda parts: [token for part in parts for token in part])


@given(tokens)
@example(["__$or"])
@example(["__$nop", "__$or", "a", "__$and", "b"])
@example(["__$or", None, "__$not", None])
def test_a_parsed_filter_matches_the_same_tags_as_the_rules(filter_):
    condition = parse_tag_filter(filter_)
    for tags in SUBSETS:
        assert condition_holds(condition, tags) == matches(filter_, tags), (tags, str(condition))


@settings(max_examples=300 * TIMES)
@given(tokens)
@example(["__$or"])
@example(["__$not", "unheard of"])
@example(["unheard of", "a"])
@example(["__$all", "unheard of", "a"])
@example([None])
def test_queries_find_the_models_that_match_the_rules_newest_first(every_combination, filter_):
    registry, models, _ = every_combination
    found = find_models(registry, check_query(tags=filter_))
    assert found == [model for model, tags in models if matches(filter_, tags)]


@settings(max_examples=300 * TIMES)
@given(tokens)
@example(["__$all", "a", "b"])
@example(["__$not", "a"])
@example(["__$not", "unheard of"])
@example(["__$any", "a", "__$not", "b"])
@example(["__$all", "unheard of", "a"])
@example(["a", "-b"])
@example([None])
def test_searches_find_the_tasks_that_match_the_rules_newest_first(every_combination, filter_):
    registry, _, tasks = every_combination
    found = [each.id for each in find_tasks(registry, check_search(tags=filter_))]
    assert found == [task for task, tags in tasks if matches(filter_, tags)]


@given(tokens)
def test_models_and_tasks_with_the_same_tags_are_found_by_the_same_filters(
    every_combination, filter_
):
    registry, models, tasks = every_combination
    of_model, of_task = dict(models), dict(tasks)
    found = find_models(registry, check_query(tags=filter_))
    same = find_tasks(registry, check_search(tags=filter_))
    assert {of_model[model] for model in found} == {of_task[task.id] for task in same}


@given(tokens, st.integers(1, 40))
def test_a_limit_takes_the_newest(every_combination, filter_, limit):
    registry, models, _ = every_combination
    found = find_models(registry, check_query(tags=filter_, limit=limit))
    assert found == [model for model, tags in models if matches(filter_, tags)][:limit]


# A table of filters, and of what each means by the rules of `localreg guide tag-filters`.
EXAMPLES = [
    ("a b c", lambda t: t("a") or t("b") or t("c")),
    ("prod ver -qa", lambda t: (t("prod") or t("ver")) and not t("qa")),
    ("demo -TF", lambda t: t("demo") and not t("TF")),
    ("__$all best model ever", lambda t: t("best") and t("model") and t("ever")),
    (
        "__$all best model ever __$not internal __$not test",
        lambda t: t("best") and t("model") and t("ever") and not t("internal") and not t("test"),
    ),
    ("__$not a b __$not c", lambda t: not t("a") and t("b") and not t("c")),
    ("a b __$and c d", lambda t: (t("a") or t("b")) and t("c") and t("d")),
    ("__$and __$or a b __$and c d", lambda t: (t("a") or t("b")) and t("c") and t("d")),
    (
        "__$all a b c __$or d __$not e __$and __$or f g",
        lambda t: t("a") and t("b") and t("c") and (t("d") or not t("e")) and (t("f") or t("g")),
    ),
    ("__$or a __$not b __$not c", lambda t: t("a") or not t("b") or not t("c")),
    ("__$all a -b", lambda t: t("a") and not t("b")),
    # Single rules.
    ("__$any a b", lambda t: t("a") or t("b")),
    ("__$or a b __$and c d", lambda t: t("a") or t("b") or (t("c") and t("d"))),
    ("__$all a b __$nop c d -e", lambda t: t("a") and t("b") and (t("c") or t("d")) and not t("e")),
    ("__$all __$not -a b", lambda t: not t("-a") and t("b")),
    ("-a", lambda t: not t("a")),
    ("", lambda t: True),
]


@pytest.mark.parametrize(("text", "meaning"), EXAMPLES, ids=[text for text, _ in EXAMPLES])
def test_the_examples_of_the_guide_have_their_meaning(text, meaning):
    filter_ = text.split()
    names = {token.lstrip("-") for token in filter_ if not token.startswith("__$")} | {"-a"}
    names = [*sorted(names), "other"]
    condition = parse_tag_filter(filter_)
    for tags in chain.from_iterable(combinations(names, n) for n in range(len(names) + 1)):
        assert condition_holds(condition, tags) == meaning(tags.__contains__), tags
        assert matches(filter_, tags) == meaning(tags.__contains__), "the test's own evaluator"


def test_none_matches_if_there_are_no_tags():
    condition = parse_tag_filter(["a", None])
    assert [condition_holds(condition, tags) for tags in ([], ["a"], ["b"])] == [True, True, False]


MALFORMED = [
    (["a", "__$xor"], "__$xor"),
    (["__$"], "__$"),
    (["__$OR", "a"], "__$OR"),
    (["__$not"], "__$not"),
    (["a", "b", "__$not"], "__$not"),
    (["__$not", "__$all", "a"], "__$all"),
    (["__$not", "__$not", "a"], "__$not"),
    (["__$not", "__$nop", "a"], "__$nop"),
    (["a", "-"], "-"),
    (["__$all", "-"], "-"),
    (["-__$all"], "-__$all"),
    (["-  "], "-  "),
    ([""], ""),
    ([" "], " "),
    ([1], 1),
    (["a", True], True),
    ([b"a"], b"a"),
    ([["a"]], ["a"]),
    ([{"a": 1}], {"a": 1}),
    (["a\0b"], "a\0b"),
    (["a", "\ud800"], "\ud800"),
    (["x" * 1_025], "x" * 1_025),
]


@pytest.mark.parametrize(("filter_", "token"), MALFORMED, ids=[repr(m[1])[:30] for m in MALFORMED])
def test_a_malformed_list_is_an_error_naming_the_token(filter_, token):
    with pytest.raises(TagFilterError) as caught:
        parse_tag_filter(filter_)
    assert caught.value.token == token
    assert caught.value.argument == "tags"
    assert f"{token!r:.80}" in str(caught.value)
    assert isinstance(caught.value, ValueError)


@given(
    tokens,
    st.sampled_from(["__$xor", "__$all ", "-", "-__$or", "", 0, 1.5, b"a", ("a",), {"a"}]),
    tokens,
)
def test_the_error_names_the_bad_token_wherever_it_is(before, bad, after):
    with pytest.raises(TagFilterError) as caught:
        parse_tag_filter([*before, bad, *after])
    assert caught.value.token == bad


@pytest.mark.parametrize("filter_", ["a", "", b"a", {"a"}, {"a": 1}, iter(["a"]), 7, object])
def test_anything_but_a_list_is_an_error(filter_):
    """Above all a str, which is also a sequence of its characters."""
    with pytest.raises(TagFilterError) as caught:
        parse_tag_filter(filter_)
    assert caught.value.token is filter_


@pytest.mark.parametrize("filter_", [None, [], ()])
def test_no_filter_matches_everything(filter_):
    assert parse_tag_filter(filter_) == AllOf(())


def test_the_longest_allowed_filter_works_and_a_longer_one_is_an_error(every_combination):
    registry, models, tasks = every_combination
    longest = (["__$all", "-unheard of"] + ["a", "__$not", "c", "__$or", "b", None] * 40)[
        :FILTER_LIMIT
    ]
    assert longest[-1] != "__$not"
    found = find_models(registry, check_query(tags=longest))
    assert found == [model for model, tags in models if matches(longest, tags)]
    found = [each.id for each in find_tasks(registry, check_search(tags=longest))]
    assert found == [task for task, tags in tasks if matches(longest, tags)]
    with pytest.raises(TagFilterError, match=f"at most {FILTER_LIMIT}"):
        parse_tag_filter([*longest, "too many"])


@given(tokens)
def test_the_text_of_a_condition_has_the_meaning_of_the_filter(filter_):
    """Evaluated as Python: the parentheses fit the precedence of its operators."""
    text = str(parse_tag_filter(filter_)).replace("any tags", "True")
    for tags in SUBSETS:
        sentence = text.replace("untagged", str(not tags))
        for tag in (*TAGS, "never", "unheard of", "reviewed"):
            sentence = sentence.replace(repr(tag), str(tag in tags))
        assert eval(sentence, {}) == matches(filter_, tags), sentence
