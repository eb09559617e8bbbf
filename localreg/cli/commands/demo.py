"""Train a small model twice, and keep both versions: a tour of what localreg does."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from localreg.api.models.input_model import InputModel
from localreg.api.models.model import Model
from localreg.api.registry import Registry
from localreg.api.tasks.task import Task
from localreg.cli.output import print_table
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
def demo_command(home: str) -> None:
    """Take a tour: train a small model and keep it.

    The demo trains a classifier of points twice, keeps both versions, points the alias "prod" at
    the better one, finds it again, checks that it predicts the same when it is loaded, and writes
    pages that show the training and compare the versions.
    """
    from localreg.cli.demo_training import Settings

    root = Path(home).expanduser()
    with Registry(root) as registry:
        task = Task.init(project_name=PROJECT, task_name="train rings")
        _heading("Train")
        click.echo(
            f"{TRAINING_POINTS:,} random points on three rings, {TEST_POINTS:,} others for the test"
        )
        first = _train_and_keep("first try", Settings(steps=10))
        second = _train_and_keep("second try", Settings(steps=200))
        _heading("Keep")
        registry.set_alias(first, "prod")
        registry.set_alias(second, "prod", expect=first)  # fails if another process moved it
        for model in (first, second):
            prod = "  ← prod" if "prod" in model.aliases else ""
            digest = str(model.digest)[:12]
            click.echo(f"{model.ref}  {size_text(model.size)}  sha256 {digest}…{prod}")
        _find()
        _load(registry, second)
        task.close()
        _show(registry, first, second, root)


def _train_and_keep(title: str, settings: Settings) -> Model:
    """Train a model, write its weights to a file, and keep that file in the registry."""
    from localreg.cli import demo_training as training

    weights, losses = training.train(*training.make_points(TRAINING_POINTS, seed=1), settings)
    points, rings = training.make_points(TEST_POINTS, seed=2)
    predicted = training.predict(weights, points)
    accuracy = float((predicted == rings).mean())
    # The file is gone afterwards: the registry has its own copy.
    with TemporaryDirectory(prefix="localreg-demo-") as folder:
        path = Path(folder) / f"{MODEL}.npz"
        training.save(weights, path)
        model = InputModel.import_model(
            path,
            name=MODEL,
            project=PROJECT,
            tags=["numpy", title.replace(" ", "-")],
            comment=f"Softmax regression, {settings.steps} steps of gradient descent.",
            config_dict=asdict(settings),
            label_enumeration={name: number for number, name in enumerate(training.CLASSES)},
            metadata={"accuracy": round(accuracy, 4)},
            copy=True,
        )
    model.publish()
    for step, loss in enumerate(losses):
        model.report_scalar("loss", "train", loss, step)
    model.report_single_value("accuracy", accuracy)
    confusion = [[0] * len(training.CLASSES) for _ in training.CLASSES]
    for ring, prediction in zip(rings.tolist(), predicted.tolist(), strict=True):
        confusion[ring][prediction] += 1
    model.report_confusion_matrix(
        "test points",
        "confusion",
        confusion,
        xaxis="predicted",
        yaxis="true",
        xlabels=list(training.CLASSES),
        ylabels=list(training.CLASSES),
        yaxis_reversed=True,
    )
    click.echo(
        f"{title:<10}  {settings.steps:>3} steps: "
        f"loss {losses[0]:.2f} → {losses[-1]:.2f}, test accuracy {accuracy:.1%}"
    )
    return model


def _find() -> None:
    _heading("Find")
    click.echo(f'Model.query_models("{PROJECT}", tags=["numpy"], only_published=True):')
    found = Model.query_models(PROJECT, tags=["numpy"], only_published=True, max_results=5)
    print_table(
        ("MODEL", "TAGS", "ACCURACY"),
        ((m.ref, " ".join(m.tags), str(m.get_metadata("accuracy"))) for m in found),
    )


def _load(registry: Registry, trained: Model) -> None:
    from localreg.cli import demo_training as training

    _heading("Load")
    model = registry.model(f"{PROJECT}/{MODEL}@prod")
    weights = training.load(Path(str(model.get_local_copy(raise_on_error=True))))
    points, rings = training.make_points(TEST_POINTS, seed=2)
    predicted = training.predict(weights, points)
    accuracy = round(float((predicted == rings).mean()), 4)
    if str(accuracy) != trained.get_metadata("accuracy"):
        raise click.ClickException(
            f"{model.ref} has the accuracy {accuracy}, not {trained.get_metadata('accuracy')}"
        )
    click.echo(
        f"The file that training wrote is deleted. {model.ref}, loaded from the registry, has the "
        f"same test accuracy: {accuracy:.1%}"
    )


def _show(registry: Registry, first: Model, second: Model, root: Path) -> None:
    overview, comparison = registry.render(), registry.compare(first, second)
    _heading("Look")
    click.echo("Pages that open in any browser, from disk, without a network or a server:")
    click.echo(f"  {_relative(overview)}   all models")
    click.echo(f"  {_relative(comparison)}   both versions, side by side")
    _heading("Try next")
    command = f"{_program()} -R {shlex.quote(str(root))}"
    for words in ("ls", f"show {PROJECT}/{MODEL}@prod", "site --open"):
        click.echo(f"  {command} {words}")


def _heading(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


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
