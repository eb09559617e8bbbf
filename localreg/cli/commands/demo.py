"""Train a model twice, in two tasks, and keep both versions: a tour of what localreg does."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from localreg.api.models.input_model import InputModel
from localreg.api.models.model import Model
from localreg.api.models.output_model import OutputModel
from localreg.api.registry import Registry
from localreg.api.tasks.task import Task
from localreg.cli.output import AS_JSON, SILENT, one_line, print_json, print_table
from localreg.values.records import Json
from localreg.values.units import size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.cli.demo_training import Settings

PROJECT, MODEL = "demo", "rings"
TRAINING_POINTS, TEST_POINTS = 6_000, 2_000


@click.command("demo")
@click.option(
    "--home",
    default="localreg-demo",
    show_default=True,
    metavar="DIR",
    help="Where to make the registry. If it exists, the demo adds two more versions.",
)
@AS_JSON
@SILENT
def demo_command(home: str, as_json: bool, quiet: bool) -> None:
    """Take a tour: train a small model and keep it.

    The demo trains a classifier of points in two runs, as a script does: each is a task with its
    settings, its curves and the model that it made; the second goes on from the model of the first.
    It points the alias "prod" at the better model, loads it again and checks that it predicts the
    same, and writes pages that show and compare both.
    """
    root = Path(home).expanduser()
    with redirect_stdout(StringIO()) if as_json or quiet else nullcontext():
        done = _tour(root)
    if as_json:
        print_json(done)


def _tour(root: Path) -> Json:
    from localreg.cli.demo_training import Settings

    with Registry(root) as registry:
        _heading("Train")
        click.echo(
            f"{TRAINING_POINTS:,} random points on three rings, {TEST_POINTS:,} others for the test"
        )
        first_run, first = _run("first try", Settings(steps=10))
        second_run, second = _run("fine-tune", Settings(steps=200, learning_rate=1.0), start=first)
        _heading("Keep")
        registry.set_alias(first, "prod")
        registry.set_alias(second, "prod", expect=first)  # fails if another process moved it
        for model in (first, second):
            prod = "  ← prod" if "prod" in model.aliases else ""
            digest = str(model.digest)[:12]
            click.echo(f"{model.ref}  {size_text(model.size)}  sha256 {digest}…{prod}")
        _load(registry, second)
        command = f"{_program()} -R {shlex.quote(str(root))}"
        overview, comparison = registry.render(), registry.compare(first, second)
        _look(overview, comparison, command)
        _show([(second_run, second), (first_run, first)], command)
        return {
            "registry": str(registry.path),
            "models": [first.id, second.id],
            "tasks": [first_run.id, second_run.id],
            "pages": [str(overview), str(comparison)],
        }


def _run(title: str, settings: Settings, start: Model | None = None) -> tuple[Task, Model]:
    """Train a model in a task of its own, as a training script does."""
    from localreg.cli import demo_training as training

    task = Task.init(project_name=PROJECT, task_name=title, tags=["numpy"])
    task.connect(asdict(settings))
    weights = None
    if start is not None:
        base = task.connect(InputModel(start.id), name="start")
        weights = training.load(Path(str(base.get_local_copy(raise_on_error=True))))
    weights, losses = training.train(
        *training.make_points(TRAINING_POINTS, seed=1), settings, weights
    )
    accuracy, confusion = training.score(weights, *training.make_points(TEST_POINTS, seed=2))
    logger = task.get_logger()
    for step, loss in enumerate(losses):
        logger.report_scalar("loss", "train", loss, step)
    logger.report_single_value("accuracy", accuracy)
    logger.report_confusion_matrix(
        "test points",
        "confusion",
        confusion,
        xaxis="predicted",
        yaxis="true",
        xlabels=list(training.CLASSES),
        ylabels=list(training.CLASSES),
        yaxis_reversed=True,
    )
    model = OutputModel(
        task,
        name=MODEL,
        tags=["numpy"],
        label_enumeration={name: number for number, name in enumerate(training.CLASSES)},
        comment=f"Softmax regression, {settings.steps} steps of gradient descent.",
    )
    # The file is gone afterwards: the registry has its own copy.
    with TemporaryDirectory(prefix="localreg-demo-") as folder:
        path = Path(folder) / f"{MODEL}.npz"
        training.save(weights, path)
        model.update_weights(path, async_enable=False)
    model.set_metadata("accuracy", round(accuracy, 4))
    model.publish()
    click.echo(
        f"{title:<9}  {settings.steps:>3} steps: loss {losses[0]:.2f} → {losses[-1]:.2f}, "
        f"test accuracy {accuracy:.1%}  → {model.ref}"
    )
    task.close()
    return task, model


def _load(registry: Registry, trained: Model) -> None:
    from localreg.cli import demo_training as training

    _heading("Load")
    model = registry.model(f"{PROJECT}/{MODEL}@prod")
    weights = training.load(Path(str(model.get_local_copy(raise_on_error=True))))
    accuracy, _ = training.score(weights, *training.make_points(TEST_POINTS, seed=2))
    if str(round(accuracy, 4)) != trained.get_metadata("accuracy"):
        raise click.ClickException(
            f"{model.ref} has the accuracy {accuracy}, not {trained.get_metadata('accuracy')}"
        )
    click.echo(
        f"The file that training wrote is deleted. {model.ref}, loaded from the registry, has the "
        f"same test accuracy: {accuracy:.1%}"
    )


def _look(overview: Path, comparison: Path, command: str) -> None:
    _heading("Look")
    click.echo("Pages that open in any browser, from disk, without a network or a server:")
    click.echo(f"  {_relative(overview)}   all models and runs")
    click.echo(f"  {_relative(comparison)}   both versions, side by side")
    click.echo(f"Open the first one: {command} site --open")


def _show(runs: list[tuple[Task, Model]], command: str) -> None:
    """Print the runs and the lineage, and the commands that show them."""
    _heading(f"The runs ({command} task ls)")
    rows = []
    for task, model in runs:
        settings, loss = task.get_parameters(), task.get_last_scalar_metrics()["loss"]["train"]
        rows.append(
            (
                task.name,
                task.status,
                settings["General/steps"],
                settings["General/learning_rate"],
                f"{loss['last']:.3f}",
                f"{task.get_reported_single_values()['accuracy']:.1%}",
                model.ref,
            )
        )
    print_table(("RUN", "STATUS", "STEPS", "RATE", "LOSS", "ACCURACY", "MODEL"), rows)
    _heading(f"Where the model comes from ({command} lineage {PROJECT}/{MODEL}@prod)")
    click.echo(str(runs[0][1].lineage()))


def _heading(text: str) -> None:
    click.echo()
    click.secho(one_line(text), bold=True)


def _relative(path: Path) -> str:
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was deleted
        return str(path)
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _program() -> str:
    """Return how this command was called, so that the next ones can be pasted."""
    called = sys.argv[0]
    found = shutil.which("localreg")
    same = found is not None and os.path.realpath(found) == os.path.realpath(called)
    return "localreg" if same or "localreg" not in Path(called).name else shlex.quote(called)
