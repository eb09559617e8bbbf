"""Values for pages: normal ones, and the same with a hostile text in every text field."""

from __future__ import annotations

import json
import re

from localreg.pages import index_data, pages
from localreg.pages.page_values import (
    Card,
    Change,
    Chart,
    Compared,
    ComparePage,
    Conflict,
    DatasetPart,
    Fact,
    IndexColumn,
    IndexPage,
    IndexTable,
    Line,
    Lineage,
    Link,
    Measured,
    ModelPage,
    Node,
    PageFile,
    Picture,
    Plot,
    Reported,
    Step,
    TaskPage,
    Version,
)

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
PWN = "window.pwned=1"

HOSTILE = [
    f"<script>{PWN}</script>",
    f"</script><script>{PWN}</script>",
    f"</SCRIPT ><script>{PWN}</script>",
    f"<!--<script>{PWN}</script>-->",
    "<!--",
    "-->",
    "<!--<script>",
    "]]>",
    f"<![CDATA[<script>{PWN}</script>]]>",
    f"<img src=x onerror={PWN}>",
    f"<img src=x onerror='{PWN}'",
    f'"><img src=x onerror={PWN}>',
    f"'><img src=x onerror={PWN}>",
    f"`><img src=x onerror={PWN}>",
    f"<svg onload={PWN}>",
    f"<svg/onload={PWN}//",
    f"<svg><script>{PWN}</script></svg>",
    f"<svg><animate onbegin={PWN} attributeName=x dur=1s>",
    f"</svg><svg onload={PWN}>",
    f"</title><script>{PWN}</script>",
    f"</style><script>{PWN}</script>",
    f"</textarea><script>{PWN}</script>",
    f"</pre><script>{PWN}</script>",
    f"</noscript><img src=x onerror={PWN}>",
    f"<iframe srcdoc='<script>parent.{PWN}</script>'>",
    f"<iframe src='javascript:parent.{PWN}'>",
    f"<object data='javascript:{PWN}'>",
    f"<embed src='javascript:{PWN}'>",
    f"<body onload={PWN}>",
    f"<details open ontoggle={PWN}>",
    f"<input autofocus onfocus={PWN}>",
    f"<video><source onerror={PWN}></video>",
    f"<a href='javascript:{PWN}'>x</a>",
    f"<math><mtext></mtext><mglyph><style></math><img src=x onerror={PWN}>",
    "<meta http-equiv=refresh content='0;url=https://example.invalid/'>",
    "<base href='https://example.invalid/'>",
    "<link rel=stylesheet href='https://example.invalid/x.css'>",
    "<form action='https://example.invalid/'><button>x",
    f"javascript:{PWN}",
    f"JaVaScRiPt:{PWN}",
    f"java\tscript:{PWN}",
    f"java\nscript:{PWN}",
    f" \x01javascript:{PWN}",
    f"javascript&colon;{PWN}",
    f"data:text/html,<script>{PWN}</script>",
    f"vbscript:{PWN}",
    "//example.invalid/x.html",
    "\\\\example.invalid\\x.html",
    "{{7*7}}",
    "{% raw %}{{ config }}",
    "${7*7} #{7*7} <%= 7*7 %>",
    "%{x} %{customdata[0]} %{y:.2f}<extra></extra>",
    "<b>bold</b><br><i>x</i><sup>2</sup>",
    "<a href='https://example.invalid/'>here</a>",
    f'" onmouseover={PWN} x="',
    f"' onfocus={PWN} autofocus x='",
    f"x onclick={PWN}",
    f"&quot;&gt;&lt;img src=x onerror={PWN}&gt;",
    "&lt;script&gt; &amp;amp; &#60;",
    f"\u2028{PWN}\u2029",
    f"'; {PWN}; //",
    f'"; {PWN}; //',
    f'\\"; {PWN}; //',
    f"\\u003cscript\\u003e{PWN}",
    "\0NUL\0 inside\0",
    "\\\0 \\\\\0 \\u0000",
    "\u202egnirts detrever\u202c \u2066isolate",
    "\ud800 lone surrogate",
    "\x1b[201~\nrm -rf\n",
    "$\\href{javascript:window.pwned=1}{x}$",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "../../../etc/passwd",
    "\U0001f984\U0001f3fd‍ zalgo ͕̖̳ͭ͂",
    "very long " * 500,
    "W" * 3_000,
    "\n\n\n",
    " ",
]
assert len(HOSTILE) >= 60


# Markdown with a text in every part that takes one.
CARD = """# TEXT

TEXT [TEXT](TEXT) ![TEXT](TEXT "TEXT") `TEXT` **TEXT** <TEXT> [a](<TEXT> 'TEXT') [b][ref]

## Use

- TEXT

> TEXT

a | TEXT
--|--
TEXT | b

```TEXT
TEXT
```

    TEXT

1. [use](#use) and [elsewhere](https://example.org/TEXT)

[ref]: TEXT "TEXT"
"""


def figure(name="dots", count=1):
    """Return a figure as `localreg.plots` makes it: its texts are already escaped for Plotly."""
    traces = [
        {"type": "scatter", "name": name, "x": [1, 2, 3], "y": [i, 4, 2]} for i in range(count)
    ]
    return {"data": traces, "layout": {"xaxis": {"title": {"text": name}}}}


def reported(text="loss", *, shift=0.0, href=PIXEL):
    """Return two charts, three values and four plots, one of them with three iterations."""
    lines = tuple(
        Line(
            name=name,
            iterations=range(0, 400, 10),
            values=[None if i == 20 else shift + 4 / (i + 1) for i in range(40)],
            seconds=[1.7e9 + 60 * i for i in range(40)],
            points=points,
        )
        for name, points in ((text, 1_000_000), (f"{text} 2", 40))
    )
    steps = tuple(
        Step(iteration=i * 10, shown=figure(count=i + 1), note=f"{text} {i}") for i in range(3)
    )
    return Reported(
        charts=(Chart(text, lines), Chart("valueOf", lines[:1])),
        singles=((text, 0.913 + shift), ("isPrototypeOf", None), ("latency", 12.0 + shift)),
        plots=(
            Plot(text, "series", steps),
            Plot("isPrototypeOf", text, (Step(iteration=5, shown=figure(count=2)),)),
            Plot("image", text, (Step(iteration=1, shown=Picture(href, "image", text)),)),
            Plot("file", text, (Step(iteration=0, shown=Picture(href, "file", text)),)),
        ),
    )


def model(text="resnet", href="other.html", **others):
    """Return the values of a model's page, with `text` in every text and `href` in every link."""
    link = Link(text, href)
    nodes = (
        Node(key="a", kind="model", link=link, column=0),
        Node(key=f"b{text}", kind=text, link=link, column=1),
        Node(key="c", kind="model", link=link, column=2, here=True),
    )
    facts = (Fact(text, text, href), Fact("sha256", text))
    whole = {
        "id": text,
        "ref": text,
        "name": text,
        "project": link,
        "version": 3,
        "states": ("published", text),
        "aliases": (text, "prod"),
        "tags": (text, "tag"),
        "comment": f"{text}\nsecond line",
        "facts": facts,
        "weights": facts,
        "inside": facts,
        "files": (PageFile(text, text, text, text), PageFile("a/b.bin", "3.0 MB", "5e" * 32, "")),
        "more_files": 1_200,
        "metadata": ((text, text, text), ("epochs", "3", "int")),
        "labels": ((text, 0), ("cat", -1)),
        "config": f'[model]\nname = "{text}"\n{text}',
        "versions": (
            Version(link=link, aliases=(text,), created=text, here=False),
            Version(link=link, aliases=(), created=text, here=True),
        ),
        "lineage": Lineage(nodes, (("a", f"b{text}", text), (f"b{text}", "c", text))),
        "history": tuple(Change(text, text, text, outcome) for outcome in (None, "lost", "kept")),
        "more_history": 12,
        "reported": reported(text, href=href if href != "other.html" else PIXEL),
        "conflicts": (
            Conflict(text, text, (Link(text), Link(text)), text),
            Conflict("ambiguous", text, (Link(text), link)),
        ),
        "card": Card(f"license: {text}\n", CARD.replace("TEXT", text), text),
    }
    return ModelPage(**whole | others)


def dataset(text="pets", href="other.html", **others):
    """Return the values of a data set's page, as `model` does."""
    link = Link(text, href)
    part = DatasetPart(
        pending=text,
        parents=(link,),
        children=(link, link),
        changes=((text, 1_200, (text, "a/b.jpg")),),
        compared=True,
        uses=((text, link),),
        links=((text, text, text),),
        more_links=7,
    )
    return model(text, href, dataset=part, **others)


def task(text="train", href="other.html"):
    """Return the values of a task's page, with `text` in every text and `href` in every link."""
    link = Link(text, href)
    return TaskPage(
        id=text,
        name=text,
        project=link,
        status=text,
        tags=(text,),
        comment=text,
        facts=(Fact(text, text, href),),
        inputs=((text, link),),
        outputs=((text, link),),
        config=text,
        labels=((text, 1),),
        parameters=((text, text, text), ("General", "lr", "0.1")),
        configurations=((text, text), ("net", '{"layers": 3}')),
        artifacts=((text, text, text, text), ("predictions", "numpy", "2.3 MB", "5e" * 32)),
        log=((text, text, text), ("12:00", "ERROR", text)),
        log_lines="7",
        more_log="5",
        reported=reported(text, href=href if href != "other.html" else PIXEL),
        lost=(Change(text, text, text, "lost"),),
    )


def compare(text="resnet", href="other.html", count=2):
    """Return the values of a comparison of `count` runs, as `model` does."""
    runs = tuple(
        Compared(
            link=Link(f"{text}{i or ''}", href),
            facts={text: text, "same": "x", "number": str(i)},
            metrics={
                f"m{text}": Measured(0.9 + i, 0.1, 1.0 + i, False),  # after latency, for any text
                "latency": Measured(12.0 + i, 12.0 + i, 12.0 + i, True),
                "isPrototypeOf": Measured(None, None, None, True),
                "same": Measured(1.0, 1.0, 1.0, True),
            },
            parameters={f"General/{text}": str(i), "General/lr": f"1e-{i + 1}", "Args/same": "3"},
            metadata={text: str(i), "valueOf": text},
            config={f"{text}.depth": str(18 * i), "same": text},
            texts={text: f"lr = {i}\n{text}\n"},
            reported=reported(text, shift=float(i), href=href if href != "other.html" else PIXEL),
        )
        for i in range(count)
    )
    return ComparePage("models", runs, {f"m{text}": 1, text: 1, "latency": -1})


def index(count=50, text=None):
    """Return the values of an overview, with `text` in every text if it is given."""
    names = [text or f"net{i % 7}" for i in range(count)]
    some = range(0, count, 2)
    ids = [text or f"{i:08x}".ljust(32, "0") for i in range(count)]
    projects = [text or ("vision" if i % 2 else "speech/asr") for i in range(count)]
    tags = [(text,) if text else (f"tag{i % 3}", f"group{i % 5}") for i in range(count)]
    times = [1.7e9 - 60 * i for i in range(count)]
    values = [i / count for i in some]
    models = {
        "id": ids,
        "project": projects,
        "name": names,
        "version": list(range(count)),
        "aliases": [(text,) if text else ("prod",) if i == 3 else () for i in range(count)],
        "tags": tags,
        "framework": [text or ("PyTorch" if i % 4 else "ONNX") for i in range(count)],
        "size": [None if i % 3 else 1_000 * i for i in range(count)],
        "states": [(text,) if text else ("published",) if i % 2 else () for i in range(count)],
        "created": times,
        "updated": times,
        "comment": [text or ("a careful comment" if i == 5 else None) for i in range(count)],
        "paged": [int(i % 2 == 0) for i in range(count)],
        "task": [i // 2 if i % 2 else None for i in range(count)],
    }
    tasks = {
        "id": [text or f"{i:08x}".ljust(32, "f") for i in range(count)],
        "project": projects,
        "name": [text or f"run {i}" for i in range(count)],
        "type": [text or "training"] * count,
        "status": [text or ("completed" if i % 4 else "failed") for i in range(count)],
        "tags": tags,
        "created": times,
        "ended": [each + 90.5 for each in times],
        "updated": times,
        "comment": [text] * count,
        "paged": [int(i % 2 == 0) for i in range(count)],
        "archived": [i % 2 for i in range(count)],
    }
    datasets = {
        "id": [text or "d" * 32], "ref": [text or "vision/pets:1.0.0"],
        "project": [text or "vision"], "name": [text or "pets"], "order": [0],
        "tags": [(text or "good",)], "files": [12_000], "size": [5e9],
        "states": [(text or "completed",)], "updated": [1.7e9], "paged": [1],
    }  # fmt: skip
    projects_of = (
        (text or "vision", count // 2, 2, 1.7e9, 1), ("speech/asr", count // 2, 0, 1.6e9, 0)
    )  # fmt: skip
    return IndexPage(
        name=text or "experiments",
        models=IndexTable(
            rows=models,
            columns=(
                IndexColumn(
                    kind="metrics", key=text or "accuracy", at=some, values=values,
                    low=[each / 2 for each in values], high=values, better=1,
                ),
                IndexColumn(kind="metrics", key="valueOf", at=[0], values=[2.0]),
                IndexColumn(kind="metadata", key=text or "note", at=[0], values=[text or "odd"]),
            ),
        ) if count else IndexTable(rows=models),
        tasks=IndexTable(
            rows=tasks,
            columns=(
                IndexColumn(
                    kind="metrics", key="loss/train", at=range(count), low=[0.1] * count,
                    values=[1 - i / count for i in range(count)], high=[2.0] * count, better=-1,
                ),
                IndexColumn(
                    kind="parameters", key=f"General/{text or 'lr'}", at=range(count),
                    values=[text or f"1e-{i % 3}" for i in range(count)],
                ),
            ),
        ) if count else IndexTable(rows=tasks),
        datasets=IndexTable(rows=datasets if count else {key: [] for key in datasets}),
        projects=projects_of if count else (),
        notes=(text,) if text else (),
    )  # fmt: skip


def index_html(values, place, in_page=None):
    """Return the overview as HTML, with all of its data in the page unless `in_page` says less."""
    return "".join(pages.index_page(index_data.index_data(values, in_page), place))


def overview_data(path):
    """Return the data in the page of an overview."""
    text = path.read_text("utf-8")
    return json.loads(re.search(r'id="index-data">(.*?)</script>', text, re.DOTALL)[1])


def unpacked(pack, count=0):
    """Return what index_data.js makes of a packed column."""
    made = pack.get("d")
    if made is None:
        made = [None] * count
        for place, value in zip(pack["p"], pack["v"], strict=True):
            made[place] = value
    return made if "u" not in pack else [None if at is None else pack["u"][at] for at in made]
