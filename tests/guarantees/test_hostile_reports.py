"""P21: no hostile text in a report runs in a page that shows the report."""

from __future__ import annotations

import numpy as np
import pytest
from support import page_samples as samples
from support.browser import Visit, chromium

from localreg import InputModel, Registry, Task
from localreg.utilities.plotly_reporter import SeriesInfo

WHAT_RAN = "Object.keys(window).filter(name => name.includes('pwned'))"


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


def usable(text):
    """Return a hostile text without what names may not contain."""
    plain = text.replace("\0", "").encode("utf-8", "ignore").decode()
    return plain[:1_000].strip() or "blank"


def report_one(subject, text, number):
    """Report a plot of the kind with this number, with the given text in all its texts."""
    axes = {"xaxis": text, "yaxis": text, "iteration": number}
    lines = [SeriesInfo(text, [(0, 1), (1, 2)], [text] * 2)]
    kinds = (
        lambda: subject.report_histogram(text, text, [[1, 2]], labels=[text],
                                         xlabels=[text, "b"], **axes),
        lambda: subject.report_vector(text, text, [1, 2], xlabels=[text, "b"], **axes),
        lambda: subject.report_table(text, text, number, [[text, "b"], [text, text]]),
        lambda: subject.report_line_plot(text, lines, text, text, "markers", number,
                                         comment=text),
        lambda: subject.report_scatter2d(text, text, [(0, 1), (1, 2)], labels=[text] * 2,
                                         comment=text, mode="markers+text", **axes),
        lambda: subject.report_confusion_matrix(text, text, np.eye(2), xlabels=[text, "b"],
                                                ylabels=[text, "b"], comment=text, **axes),
    )  # fmt: skip
    kinds[number % len(kinds)]()


def report_solids(subject, texts):
    """Report only a few 3D plots: a browser can show only some at once."""
    text = texts[0]
    axes = {"xaxis": text, "yaxis": texts[1], "zaxis": texts[2]}
    subject.report_scatter3d(text, texts[3], [(1, 2, 3), (2, 3, 4)], labels=texts[4:6], **axes)
    subject.report_surface(text, texts[6], np.eye(3), xlabels=texts[7:10], ylabels=texts[10:13],
                           comment=texts[13], **axes)  # fmt: skip


def open_and_look(browser, page):
    shown = Visit(browser, page)
    shown.draw_all()
    # The labels of points show when the mouse is over them.
    shown.page.evaluate(
        """() => { for (const each of document.querySelectorAll('.js-plotly-plot'))
            if (each.data && each.data[0].type === 'scatter')
                Plotly.Fx.hover(each, [{ curveNumber: 0, pointNumber: 0 }]); }"""
    )
    ran = shown.page.evaluate(WHAT_RAN)
    drawn = shown.traces(".js-plotly-plot")
    asked = [url for url in shown.requests if not url.startswith("file://")]
    return ran, drawn, asked, shown.close()


def test_no_reported_text_runs_in_a_page(tmp_path, browser):
    texts = [usable(text) for text in samples.HOSTILE]
    assert len(texts) >= 60
    with Registry(tmp_path / "r", durability="fast") as registry:
        task = Task.init(project_name=texts[0], task_name=texts[1])
        model = InputModel.import_model(
            "s3://bucket/<script>window.pwned=1</script>.pt", name=texts[2], project=texts[3],
            comment="\n".join(texts), config_text="\n".join(texts),
            label_enumeration={text: number for number, text in enumerate(dict.fromkeys(texts))},
            metadata={text: text for text in texts},
            tags=[text for text in texts if not text.startswith("__$")],
        )  # fmt: skip
        task.connect(model, name=texts[4])
        for number, text in enumerate(texts):
            model.report_scalar(text, text, number, 0)
            model.report_single_value(text, number)
            task.set_parameter(text, text)
            task.get_logger().report_text(text, print_console=False)
            report_one(model, text, number)
        report_solids(task, texts)
        other = InputModel.import_model("s3://bucket/b.pt", name=texts[5], project=texts[3])
        other.report_scalar(texts[6], texts[7], 1, 0)
        pages = [
            registry.render(), model.report(), task.report(), registry.compare(model, other),
            model.report(standalone=True),
        ]  # fmt: skip
    for page in pages:
        ran, drawn, asked, complaints = open_and_look(browser, page)
        assert ran == [], page
        assert asked == []
        assert complaints == []
        if page.name != "index.html":
            assert drawn
            assert all(drawn)
