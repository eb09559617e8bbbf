"""`localreg demo`: the main job, once, on a real if small classifier."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from localreg.api.models.input_model import InputModel
from localreg.api.models.model import Model
from localreg.api.registry import Registry
from localreg.api.tasks.task import Task
from localreg.cli.commands import demo_training as training
from localreg.cli.output import print_table
from localreg.values.units import size_text

HOME = "localreg-demo"
MODEL = "digits"
PROJECT = "demo"


@click.command("demo")
@click.option(
    "--home",
    default=HOME,
    show_default=True,
    metavar="DIR",
    help="Where the demo's registry is made; run it again to add two more versions.",
)
def demo_command(home: str) -> None:
    """Train a small classifier and keep it: a tour of what localreg does.

    Draws digits, learns to read them twice, keeps both models, moves the alias "prod" to the
    better one, finds it again, proves that the kept weights predict the same, and writes pages that
    show how training went and compare the two.
    """
    root = Path(home).expanduser()
    with Registry(root) as registry:
        task = Task.init(project_name=PROJECT, task_name="train digits")
        digits, held_out = _show_digits()
        first, _ = _keep("first try", training.FIRST_SETTINGS, digits, held_out)
        second, answers = _keep("second try", training.SECOND_SETTINGS, digits, held_out)
        _promote(registry, first, second)
        _find()
        _prove(registry, held_out, answers)
        task.close()
        _show(registry, first, second)
        _say_what_is_there(registry, root)


def _heading(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


def _show_digits() -> tuple[training.Digits, training.Digits]:
    digits = training.make_digits(training.TRAINING_COUNT, training.TRAINING_SEED)
    held_out = training.make_digits(training.HELD_OUT_COUNT, training.HELD_OUT_SEED)
    _heading("Learn")
    click.echo(
        f"{training.TRAINING_COUNT:,} drawn digits to learn from, {training.HELD_OUT_COUNT:,} "
        "others to be tested on. Six of them:"
    )
    picture = training.draw(digits.images[:6])
    encoding = sys.stdout.encoding or "ascii"
    click.echo(picture.encode(encoding, "replace").decode(encoding))
    return digits, held_out


def _keep(
    title: str,
    settings: training.Settings,
    digits: training.Digits,
    held_out: training.Digits,
) -> tuple[Model, training.Integers]:
    """Train a network, write its weights as anybody would, and keep them in the registry.

    Returns:
        The model, and what its network says of the digits that are held out, shape (count,).
    """
    trained = training.train(digits, settings)
    answers = trained.network.predict(held_out.images)
    accuracy = float((answers == held_out.labels).mean())
    # A place of training's own, gone afterwards: the registry has the bytes, and nothing of
    # what follows needs the file.
    with TemporaryDirectory(prefix="localreg-demo-") as folder:
        path = Path(folder) / f"{MODEL}.npz"
        trained.network.save(path)
        model = InputModel.import_model(
            path,
            name=MODEL,
            project=PROJECT,
            tags=["numpy", title.replace(" ", "-")],
            comment=f"Reads drawn digits; {settings.hidden} hidden units.",
            config_dict=asdict(settings),
            label_enumeration={f"digit {digit}": digit for digit in range(training.CLASSES)},
            metadata={"accuracy": round(accuracy, 4), "loss": round(trained.losses[-1], 4)},
            copy=True,
        )
    model.publish()
    _report(model, trained.losses, answers, held_out)
    click.echo(
        f"{title:<10}  {settings.hidden:>3} hidden units, {settings.epochs:>2} epochs: "
        f"loss {trained.losses[0]:.2f} → {trained.losses[-1]:.3f}, "
        f"held-out accuracy {accuracy:.1%}"
    )
    return model, answers


def _report(
    model: Model,
    losses: Sequence[float],
    answers: training.Integers,
    held_out: training.Digits,
) -> None:
    """Report how training went, and what the network mistakes for what."""
    for epoch, loss in enumerate(losses):
        model.report_scalar("loss", "train", loss, epoch)
    model.report_single_value("accuracy", float((answers == held_out.labels).mean()))
    confusion = [[0] * training.CLASSES for _ in range(training.CLASSES)]
    for digit, answer in zip(held_out.labels.tolist(), answers.tolist(), strict=True):
        confusion[digit][answer] += 1
    digits = [str(digit) for digit in range(training.CLASSES)]
    model.report_confusion_matrix(
        "held-out digits",
        "confusion",
        confusion,
        xaxis="the network says",
        yaxis="it is",
        xlabels=digits,
        ylabels=digits,
        yaxis_reversed=True,
    )


def _show(registry: Registry, first: Model, second: Model) -> None:
    _heading("Show")
    overview = registry.render()
    comparison = registry.compare(first, second)
    click.echo("Pages that open in any browser, from disk, with no server and no network:")
    click.echo(f"  {_shown(overview)}   every model")
    click.echo(f"  {_shown(comparison)}   both tries, side by side")


def _promote(registry: Registry, first: Model, second: Model) -> None:
    _heading("Keep")
    registry.set_alias(first, "prod")
    # Only if nobody else has moved it in the meantime.
    registry.set_alias(second, "prod", expect=first)
    for model in (first, second):
        prod = "  ← prod" if "prod" in model.aliases else ""
        click.echo(f"{model.ref}  {size_text(model.size)}  sha256 {str(model.digest)[:12]}…{prod}")


def _find() -> None:
    _heading("Find")
    click.echo(f'Model.query_models("{PROJECT}", tags=["numpy"], only_published=True):')
    found = Model.query_models(PROJECT, tags=["numpy"], only_published=True, max_results=5)
    print_table(
        ("MODEL", "TAGS", "ACCURACY"),
        ((m.ref, " ".join(m.tags), str(m.get_metadata("accuracy"))) for m in found),
    )


def _prove(registry: Registry, held_out: training.Digits, answers: training.Integers) -> None:
    model = registry.model(f"{PROJECT}/{MODEL}@prod")
    path = Path(str(model.get_local_copy(raise_on_error=True)))
    again = training.Network.load(path).predict(held_out.images)
    same = int((again == answers).sum())
    _heading("Prove")
    if same != len(answers):
        raise click.ClickException(f"only {same:,} of {len(answers):,} answers are the same")
    click.echo(
        f"The file that training wrote is deleted. {model.ref}, loaded from the registry, gives "
        f"the same answer for all {same:,} digits."
    )


def _say_what_is_there(registry: Registry, root: Path) -> None:
    _heading("There now")
    click.echo(f"{_shown(registry.path / 'registry.db')}   models, tags, metadata, history")
    click.echo(f"{_shown(registry.path / 'blobs')}         weights, by their sha256")
    click.echo(f"{_shown(registry.path / 'reports')}       pages")
    _heading("Try next")
    command = f"{_program()} -R {shlex.quote(str(root))}"
    for words in ("ls", f"show {PROJECT}/{MODEL}@prod", "site --open"):
        click.echo(f"  {command} {words}")


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _program() -> str:
    """Return how this command was called, so that the next ones can be pasted."""
    called = sys.argv[0]
    found = shutil.which("localreg")
    same = found is not None and os.path.realpath(found) == os.path.realpath(called)
    return "localreg" if same or "localreg" not in Path(called).name else shlex.quote(called)
