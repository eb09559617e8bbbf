"""A model as README.md: the card that somebody wrote, and what the registry knows.

Before the text is the YAML head that Hugging Face documents for model cards; after it are tables of
facts, metrics, parameters and files, and the lineage. What the author wrote counts: a field of the
written head is kept as it is. Without a card the comment of the model stands for it.

Fields that must name something on the Hub are only written if they do: `base_model` for weights
that came from there, and `model-index`, which needs a task and a data set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from localreg.errors import PathExistsError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import absolute, check_path
from localreg.filesystem.plain_files import replacing_plain
from localreg.operations.finding import values
from localreg.operations.finding.upstream import Found, model_row, read_each
from localreg.operations.models.lineage import lineage, tree
from localreg.operations.models.written_card import CARD, README, split_head, written_card
from localreg.operations.reports.model_page import model_values
from localreg.operations.reports.page_links import Site, reports_folder
from localreg.pages.page_values import ModelPage
from localreg.registry import Chain
from localreg.store.rows import model_rows, task_rows
from localreg.values.metrics import MONITORED
from localreg.values.records import Json, ModelRecord
from localreg.values.yaml_text import yaml_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.finding.values import Metric, Values

# Metadata with these keys goes into the head, in this order.
FIELDS = (
    "language", "license", "license_name", "license_link", "library_name", "pipeline_tag",
    "tags", "datasets", "metrics", "base_model",
)  # fmt: skip
MOST = 200  # rows of a table
_LIBRARIES = {"ScikitLearn": "sklearn", "TensorFlow_js": "tensorflow.js"}
_TASKS = {  # what the classes of the library transformers are made for, by the end of their names
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForImageClassification": "image-classification",
    "ForObjectDetection": "object-detection",
    "ForSemanticSegmentation": "image-segmentation",
    "ForAudioClassification": "audio-classification",
    "ForSpeechSeq2Seq": "automatic-speech-recognition",
}
_HUB = ("huggingface.co", "hf.co")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
_KEY = re.compile(
    r"""^(?:"([^"\n]*)"|'([^'\n]*)'|([^\s#'"\-:\[{][^:\n]*?))[ \t]*:(?:\s|$)""", re.MULTILINE
)
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#&!])")
_ELSEWHERE = {"where", "verified", "signatures", "trust"}  # facts of this registry's copy
# Lines of comments that localreg writes; the lineage says the same.
_NOTES = re.compile(r"^(?:snapshot .* stored|(?:Created|Imported) by task id: \w+)$", re.MULTILINE)


def write_card(
    found: Found,
    path: object,
    make: Callable[[], str],
    name: str = README,
    *,
    replace: bool = False,
) -> Path:
    """Write the card of a model, or its bill of materials, to a file, and return its path.

    Args:
        path: the file, or a folder.
        make: returns the text.
        name: of the file in a folder.
        replace: replace a plain file.

    Raises:
        PathExistsError: something is there.
        InvalidValueError: it cannot be written there.
        StorageError: the disk is full, or another disk error.
    """
    place = absolute("output", check_path("output", path))
    if place.is_dir():
        place /= name
    if os.path.lexists(place) and not replace:
        raise PathExistsError(f"{place} exists already; -f replaces it", path=str(place))
    text = make()
    blobs = found.registry.blobs
    with (
        blobs.writing_outside(place.parent),
        disk_errors("writing a model card", place),
        replacing_plain(place, "output") as temporary,
    ):
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return place


def card_text(chain: Chain, found: Found) -> str:
    """Return a README.md about a model: a YAML head, and Markdown."""
    registry = found.registry
    page = model_values(chain, registry, found.id, Site(reports_folder(registry), root=None))
    with registry.store.read() as connection:
        record = model_rows.current_record(connection, found.id)
    assert record is not None  # `model_values` found it
    has = values.model_values(registry, [found.id])[found.id]
    written = written_card(chain, registry, record)
    own_head = written.head if written else ""
    own_text = (written.text if written else _NOTES.sub("", page.comment or "")).strip()
    parts = [
        f"---\n{_joined_head(own_head, _head(chain, record, page, has))}---\n",
        "" if own_text.startswith("# ") else f"# {in_markdown(page.ref)}\n",
        f"{own_text}\n" if own_text else "",
        *_sections(page, has),
        _lineage(chain, found),
    ]
    return "\n".join(part for part in parts if part)


def completed_card(chain: Chain, found: Found, text: str) -> str:
    """Return a written card with those known fields in its head that it lacks; else as it is."""
    registry = found.registry
    page = model_values(chain, registry, found.id, Site(reports_folder(registry), root=None))
    with registry.store.read() as connection:
        record = model_rows.current_record(connection, found.id)
    assert record is not None  # `model_values` found it
    has = values.model_values(registry, [found.id])[found.id]
    head, rest = split_head(text)
    joined = _joined_head(head, _head(chain, record, page, has))
    return text if joined == head else f"---\n{joined}---\n{rest}"


def in_markdown(text: str) -> str:
    r"""Return text of one line that Markdown shows as it is.

    >>> print(in_markdown("a_b|<c>"))
    a\_b\|\<c\>
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _head(chain: Chain, record: ModelRecord, page: ModelPage, has: Values) -> Json:
    """Return the fields of the head that are known."""
    given = {
        key: has.metadata[key] for key in FIELDS if has.metadata.get(key) not in (None, "", [])
    }
    inside = {fact.name: fact.value for fact in page.inside}
    known: Json = {
        "library_name": _library(record, inside),
        "pipeline_tag": task_name(inside.get("architecture", "")),
        "tags": list(record.tags),
        "base_model": _base_models(chain, record),
    }
    fields = {key: given.get(key) or known.get(key) for key in FIELDS}
    head = {key: value for key, value in fields.items() if value}
    index = _model_index(record, head, has)
    return head | ({"model-index": index} if index else {})


def _library(record: ModelRecord, inside: Mapping[str, str]) -> str | None:
    if "model type" in inside:  # the config.json of the library transformers says it
        return "transformers"
    framework = record.framework
    return None if framework is None else _LIBRARIES.get(framework, framework.lower())


def task_name(architecture: str) -> str | None:
    """Return what a class of the library transformers is made for, in the names of the Hub.

    >>> task_name("BertForSequenceClassification"), task_name("ResNet")
    ('text-classification', None)
    """
    return next((task for end, task in _TASKS.items() if architecture.endswith(end)), None)


def _base_models(chain: Chain, record: ModelRecord) -> object:
    """Return the names on the Hub of what a model was made from: one, a list, or None."""
    related = [record.parent] if record.parent else []
    if record.task:
        task = record.task
        for _, inputs in read_each(chain, lambda one: task_rows.models(one, task, "input")):
            related += inputs.values()
    names = dict.fromkeys(filter(None, (_hub_name(chain, each) for each in related)))
    return next(iter(names)) if len(names) == 1 else list(names) or None


def _hub_name(chain: Chain, model_id: str) -> str | None:
    """Return the name on the Hub of a model whose weights came from there.

    A name of this registry may be that of something else there.
    """
    hit = model_row(chain, model_id)
    if hit is None:
        return None
    with hit[0].store.read() as connection:
        weights = model_rows.current_weights(connection, model_id)
    return hub_name(weights.url) if weights and weights.url else None


def hub_name(url: str) -> str | None:
    """Return the name of a model on the Hugging Face Hub, or None if a URL leads elsewhere.

    >>> hub_name("https://huggingface.co/google/vit-base/resolve/main/model.safetensors")
    'google/vit-base'
    """
    parts = urlsplit(url)
    if parts.scheme == "hf":
        name = f"{parts.netloc}{parts.path}"
    elif parts.scheme in ("http", "https") and parts.hostname in _HUB:
        name = parts.path.lstrip("/")
    else:
        return None
    owner, _, rest = unquote(name).partition("/")
    found = f"{owner}/{rest.partition('/')[0].partition('@')[0]}"
    kinds = ("datasets", "spaces", "api", "models")
    return found if owner not in kinds and _HUB_NAME.fullmatch(found) else None


def _model_index(record: ModelRecord, head: Json, has: Values) -> list[Json] | None:
    """Return the results of a model; None without the task and data set that they must name."""
    task, data = head.get("pipeline_tag"), head.get("datasets")
    name = data[0] if isinstance(data, list) and data else data
    singles = {key: each.last for key, each in has.metrics.items() if each.single}
    metrics = [
        {"type": key.lower(), "name": key, "value": value}
        for key, value in singles.items()
        if value is not None and value - value == 0
    ]
    if not (isinstance(task, str) and isinstance(name, str) and metrics):
        return None
    dataset = {"type": name, "name": name}
    return [
        {
            "name": record.name,
            "results": [{"task": {"type": task}, "dataset": dataset, "metrics": metrics}],
        }
    ]


def _joined_head(own: str, known: Json) -> str:
    """Return a written head with the known fields that it lacks; without it if it has no fields."""
    first = next(
        (line for line in own.splitlines() if line.strip() and line.lstrip()[0] != "#"), ""
    )
    if not _KEY.match(first):
        return yaml_text(known)
    has = {next(filter(None, found.groups())) for found in _KEY.finditer(own)}
    own = own if own.endswith("\n") else f"{own}\n"
    return own + yaml_text({key: value for key, value in known.items() if key not in has})


def _sections(page: ModelPage, has: Values) -> Iterator[str]:
    facts = [
        each
        for each in (*page.facts, *page.weights, *page.inside)
        if each.name not in _ELSEWHERE and not each.value.startswith("file:")
    ]
    yield _table("Model", "Fact Value", ((each.name, each.value) for each in facts))
    metrics = {
        key: each
        for key, each in has.metrics.items()
        if not any(key.startswith(f"{title}/") for title in MONITORED)
    }
    yield _table("Metrics", "Metric Last Min Max", map(_metric_row, metrics, metrics.values()))
    yield _table("Parameters", "Parameter Value", has.parameters.items())
    shown = {CARD, *FIELDS}
    yield _table(
        "Metadata", "Key Value", ((key, text) for key, text, _ in page.metadata if key not in shown)
    )
    yield _table("Labels", "Label Number", ((label, str(number)) for label, number in page.labels))
    files = [(each.path, each.size, each.digest[:12], each.inside) for each in page.files]
    yield _table("Files", "Path Size sha256 Contents", files, more=page.more_files)


def _metric_row(name: str, metric: Metric) -> tuple[str, ...]:
    numbers = (
        "" if each is None else repr(each) for each in (metric.last, metric.low, metric.high)
    )
    last, low, high = numbers
    return (name, last, "", "") if metric.single else (name, last, low, high)


def _table(title: str, columns: str, rows: Iterable[tuple[str, ...]], more: int = 0) -> str:
    """Return a section with a table, or "" without rows."""
    every = iter(rows)
    shown = list(islice(every, MOST))
    more += sum(1 for _ in every)
    if not shown:
        return ""
    names = columns.split()
    lines = [names, ["---"] * len(names), *([in_markdown(cell) for cell in row] for row in shown)]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"## {title}\n\n{text}\n" + (f"\nand {more:,} more\n" if more else "")


def _lineage(chain: Chain, found: Found) -> str:
    family = lineage(chain, found)
    if len(family.members) == 1:
        return ""
    text = tree(family)
    fence = "`" * (1 + max((len(each) for each in re.findall("`+", text)), default=2))
    return f"## Lineage\n\n{fence}text\n{text}\n{fence}\n"
