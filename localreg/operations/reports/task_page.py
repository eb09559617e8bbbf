"""Collects what the page of a task shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from logging import getLevelName

from localreg.operations.finding.references import require_task
from localreg.operations.finding.upstream import id_text, model_row, why_absent
from localreg.operations.models.history import history
from localreg.operations.reports.dataset_page import dataset_refs
from localreg.operations.reports.model_page import CHANGES, Described, history_line
from localreg.operations.reports.page_links import Site
from localreg.operations.tasks.git_state import commit_text
from localreg.pages.page_values import Change, Fact, Link, Reported, TaskPage
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import (
    event_rows,
    model_rows,
    report_rows,
    setting_rows,
    task_rows,
    tree_rows,
)
from localreg.values.records import Owner, TaskRecord
from localreg.values.registry_settings import PAGES_RENEW, USUAL_RENEWAL, renewal_seconds
from localreg.values.secrets import (
    masked,
    masked_code,
    masked_config,
    masked_log,
    masked_text,
    secret_values,
)
from localreg.values.units import amount_text, is_known, moment, when

LOG_LINES = 5_000


def task_values(chain: Chain, registry: OpenRegistry, task_id: str, site: Site) -> TaskPage:
    """Return what the page of a task shows, without the reports."""
    registry.store.flush()
    lost = _not_in_effect(registry, task_id)
    with registry.store.read() as connection:
        record = require_task(connection, task_id)
        is_running = record.status == "in_progress" and not record.published
        config, labels = task_rows.design(connection, task_id)
        artifacts = list(task_rows.artifacts(connection, task_id).values())
        packages = [each.digest for each in artifacts if each.total is not None]
        files = tree_rows.counts(connection, packages) if packages else {}
        log, more = report_rows.messages(connection, Owner("task", task_id), LOG_LINES)
        parameters = task_rows.parameters(connection, task_id)
        secrets = secret_values((name, value) for _, name, value, _ in parameters)
        return TaskPage(
            id=record.id,
            name=record.name,
            project=site.project(record.project.name) if record.project else None,
            status="published" if record.published else record.status,
            tags=tuple(task_rows.tags(connection, task_id)),
            comment=masked_text(record.comment or "") or None,
            facts=tuple(
                _facts(chain, record, task_rows.tags(connection, task_id, system=True), site)
            ),
            inputs=tuple(_models(chain, registry, task_id, "input", site)),
            outputs=tuple(_models(chain, registry, task_id, "output", site)),
            config=masked_config(config),
            labels=tuple(sorted(labels.items(), key=lambda item: item[1])),
            parameters=tuple(
                (section, name, masked(name, value)) for section, name, value, _ in parameters
            ),
            configurations=tuple(
                (name, masked_config(text))
                for name, text in task_rows.configurations(connection, task_id).items()
            ),
            artifacts=tuple(
                (
                    each.name,
                    each.kind,
                    amount_text(each.bytes, None if each.total is None else files.get(each.digest)),
                    each.digest,
                )
                for each in artifacts
            ),
            log=tuple(
                (moment(each.at), getLevelName(each.level), masked_log(each.text, secrets))
                for each in log
            ),
            log_lines=_counted(len(log) + more, LOG_LINES + report_rows.COUNTED),
            more_log=_counted(more, report_rows.COUNTED) if more else "",
            diff=masked_code(_diff(task_rows.place(connection, task_id))),
            renewed=renewal_of(connection) if is_running else None,
            reported=Reported(),
            lost=tuple(lost[:CHANGES]),
        )


def _counted(lines: int, most: int) -> str:
    """Return a number of lines as text, of which no more than `most` were counted.

    >>> _counted(1_234, 100_000), _counted(100_001, 100_000)
    ('1,234', 'more than 100,000')
    """
    return f"{lines:,}" if lines <= most else f"more than {most:,}"


def _diff(place: Mapping[str, object]) -> str:
    diff = place.get("diff")
    return diff if isinstance(diff, str) else ""


def renewal_of(connection: task_rows.Connection) -> float | None:
    """Return how often tasks write their pages while they run, in seconds; None for never."""
    chosen = setting_rows.some(connection, [PAGES_RENEW])
    return renewal_seconds(chosen.get(PAGES_RENEW, USUAL_RENEWAL))


def described_task(chain: Chain, registry: OpenRegistry, task_id: str, site: Site) -> Described:
    """Return what a comparison shows of a task itself, without its reports."""
    with registry.store.read() as connection:
        record = require_task(connection, task_id)
        config, labels = task_rows.design(connection, task_id)
        configurations = task_rows.configurations(connection, task_id)
        tags = task_rows.tags(connection, task_id)
        system_tags = task_rows.tags(connection, task_id, system=True)
    status = "published" if record.published else record.status
    ordered = sorted(labels.items(), key=lambda item: item[1])
    name = f"{record.project.name}/{record.name}" if record.project else record.name
    return Described(
        link=Link(name, site.page("task", task_id)),
        facts={
            "state": status,
            "tags": ", ".join(tags),
            "comment": masked_text(record.comment or ""),
            "labels": ", ".join(f"{number} {label}" for label, number in ordered),
        }
        | {f.name: f.value for f in _facts(chain, record, system_tags, site) if f.name != "id"},
        metadata={},
        configs=({"": config} if config else {}) | configurations,
        task=None,
    )


def _not_in_effect(registry: OpenRegistry, task_id: str) -> list[Change]:
    with registry.store.read() as connection:
        if not event_rows.have_lost(connection, task_id):
            return []
    return [each for each in map(history_line, history(registry, task_id)) if each.outcome]


def _facts(chain: Chain, record: TaskRecord, system_tags: list[str], site: Site) -> Iterator[Fact]:
    yield Fact("type", record.type)
    if system_tags:
        yield Fact("system tags", ", ".join(system_tags))
    if record.progress is not None:
        yield Fact("progress", f"{record.progress} %")
    if record.reason:
        yield Fact("reason", masked_text(record.reason))
    if record.parent:
        yield Fact("parent", id_text(chain, record.parent), site.page("task", record.parent))
    yield from _run_facts(record.run)
    yield Fact("created", when(record.created))
    if record.ended is not None:
        yield Fact("ended", when(record.ended))
        if record.ended >= record.created and is_known(record.created):  # else a clock was wrong
            yield Fact("duration", _duration((record.ended - record.created) / 1_000_000))
    yield Fact("id", record.id)


def _run_facts(run: Mapping[str, object]) -> Iterator[Fact]:
    """Yield how a task ran, without paths of the machine, because pages are copied elsewhere."""
    if run.get("script"):
        yield Fact("script", str(run["script"]))
    if commit := commit_text(run):
        yield Fact("commit", commit)
    if run.get("repository"):
        yield Fact("repository", str(run["repository"]))
    if run.get("python"):
        yield Fact("python", str(run["python"]))


def _duration(seconds: float) -> str:
    """Return a duration as text.

    >>> _duration(4.25), _duration(75), _duration(7322)
    ('4.2 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def _models(
    chain: Chain, registry: OpenRegistry, task_id: str, role: str, site: Site
) -> Iterator[tuple[str, Link]]:
    with registry.store.read() as connection:
        found = dict(task_rows.models(connection, task_id, role))
        if role == "output":
            named = set(found.values())
            for model_id in model_rows.made_by(connection, task_id):
                if model_id not in named:
                    row = model_rows.model_row(connection, model_id)
                    found.setdefault(row.name if row else model_id, model_id)
    refs = dataset_refs(chain, list(found.values()))
    for name, model_id in found.items():
        hit = model_row(chain, model_id)
        text = hit[1].ref if hit else f"{model_id} ({why_absent(chain, model_id)})"
        text = refs.get(model_id, text)
        yield name, Link(text, site.page("model", model_id) if hit else None)
