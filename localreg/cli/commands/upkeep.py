"""Commands that keep a registry sound and small: verify, repair, adopt, gc, du, cache, doctor."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click

from localreg.cli.output import AS_JSON, IN_REGISTRY, opened, print_json, print_table, say
from localreg.errors import InvalidValueError
from localreg.operations.finding.references import resolve_model
from localreg.operations.upkeep import adopt, cache, doctor, du, gc, repair, verify
from localreg.progress import shown_progress
from localreg.values.frozen import Frozen, values
from localreg.values.units import size_text

DELETE = click.option(
    "--delete/--dry-run",
    "delete",
    default=False,
    help="Really delete; by default only say what would be.",
)
CORRUPT = 4


@click.command("verify")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--full", is_flag=True, help="Hash every byte, unpacked files too.")
@AS_JSON
@IN_REGISTRY
def verify_command(
    models: tuple[str, ...], full: bool, as_json: bool, registry: str | None
) -> None:
    """Check the database, and that all weights are whole and unchanged.

    Without --full, files that nobody touched since they were hashed last are not read again.
    Leaves with 4 when something is wrong.
    """
    with opened(registry) as target, shown_progress("Verifying") as progress:
        chosen = [resolve_model(target, model) for model in models] if models else None
        found = verify.verify_chosen(target, chosen, full=full, progress=progress)
    if as_json:
        print_json(_json(found) | {"ok": found.ok})
    else:
        _print_problems(found.problems)
        say(
            f"{_blobs(found.checked)}, {size_text(found.size)}, {found.hashed:,} of them hashed: "
            + ("all as they should be." if found.ok else f"{_count(found.problems)}.")
        )
        if found.elsewhere:
            say(f"{_blobs(found.elsewhere)} more at URLs only, where nobody looked.")
    if not found.ok:
        sys.exit(CORRUPT)


@click.command("repair")
@click.option("--full", is_flag=True, help="Hash every byte first.")
@AS_JSON
@IN_REGISTRY
def repair_command(full: bool, as_json: bool, registry: str | None) -> None:
    """Verify, and mend what is found from wherever the right bytes still are.

    Damaged files go to the registry's folder quarantine. Leaves with 4 when something is lost.
    """
    with opened(registry) as target, shown_progress("Verifying") as progress:
        done = repair.repair(target, full=full, progress=progress)
    if as_json:
        print_json(_json(done))
    else:
        print_table(("REPAIRED", "HOW"), ((_where(each.problem), each.how) for each in done.mended))
        _print_problems(done.lost)
        say(_repaired(done))
    if done.lost:
        sys.exit(CORRUPT)


def _repaired(done: repair.Repair) -> str:
    if not done.mended and not done.lost:
        return "Nothing to repair."
    text = f"{len(done.mended)} repaired"
    return (
        f"{text}, nothing lost."
        if not done.lost
        else (
            f"{text}, {len(done.lost)} not: no source gives the right bytes. `localreg add` of the "
            "same file brings them back."
        )
    )


@click.command("adopt")
@AS_JSON
@IN_REGISTRY
def adopt_command(as_json: bool, registry: str | None) -> None:
    """Copy here what the registry's models have only in upstream registries.

    Then it needs none of those any more. Leaves with 4 when something cannot be had.
    """
    with opened(registry) as target, shown_progress("Adopting") as progress:
        done = adopt.adopt(target, progress=progress)
    if as_json:
        print_json(_json(done))
    else:
        print_table(
            ("WEIGHTS", "SIZE", "FROM", "MODELS"),
            (
                (each.digest[:12], size_text(each.size), each.upstream, " ".join(each.models))
                for each in done.adopted
            ),
        )
        for each in done.failed:
            say(f"Not adopted: {each}")
        if done.adopted:
            say(f"Copied {size_text(done.size)} ({_blobs(len(done.adopted))}) to {target.root}.")
        elif not done.failed:
            say("Nothing to adopt: no weights are only upstream.")
    if done.failed:
        sys.exit(CORRUPT)


@click.command("gc")
@click.option(
    "--grace",
    default="1d",
    show_default=True,
    metavar="TIME",
    help="Spare what was needed or touched so recently: 30m, 12h, 7d.",
)
@DELETE
@AS_JSON
@IN_REGISTRY
def gc_command(grace: str, delete: bool, as_json: bool, registry: str | None) -> None:
    """Delete weights that no model has, and leftovers of processes that are gone."""
    seconds = _seconds("--grace", grace)
    with opened(registry) as target:
        done = gc.collect(target, grace_seconds=seconds, dry_run=not delete)
    if as_json:
        print_json(_json(done))
    else:
        columns = ("KIND", "SIZE", "WHY", "FILE")
        print_table(
            columns,
            ((each.kind, size_text(each.size), each.why, each.path) for each in done.garbage),
        )
        _say_deleted(len(done.garbage), done.freed, done.failed, dry_run=done.dry_run)
    if done.failed:
        sys.exit(1)


def _say_deleted(count: int, size: int, failed: Iterable[str], *, dry_run: bool) -> None:
    for each in failed:
        say(f"Not deleted: {each}")
    if not count:
        say("Nothing to delete.")
    elif dry_run:
        say(f"--delete would free {size_text(size)} ({_things(count)}).")
    else:
        say(f"Freed {size_text(size)} ({_things(count)}).")


@click.command("du")
@click.option("--by", type=click.Choice(["project", "model", "blob"]), default="project")
@AS_JSON
@IN_REGISTRY
def du_command(by: str, as_json: bool, registry: str | None) -> None:
    """Show where the bytes are.

    ALONE is what nobody else has: what removing it would free. Weights that several have are in
    the SIZE of each of them.
    """
    with opened(registry) as target:
        found = du.usage(target)
    if as_json:
        print_json(_json(found) | {"total": found.total})
        return
    shares = {"project": found.projects, "model": found.lines, "blob": found.blobs}[by]
    print_table(
        (by.upper(), "SIZE", "ALONE", "BLOBS", "VERSIONS"),
        (
            (each.name, size_text(each.size), size_text(each.alone), str(each.blobs),
             str(each.models))
            for each in shares
        ),
    )  # fmt: skip
    parts = [
        ("kept", found.kept),
        ("cache", found.cached),
        ("local copies", found.copies),
        ("unpacked", found.trees),
        ("in no model", found.unused),
        ("temporary", found.temporary),
        ("database", found.database),
    ]
    told = ", ".join(f"{name} {size_text(size)}" for name, size in parts if size)
    say(f"{size_text(found.total)} in all: {told}.")
    if found.upstream:
        say(f"{size_text(found.upstream)} more are left to upstream registries.")


@click.group("cache")
def cache_command() -> None:
    """List and delete what can be fetched or unpacked again; never what the registry keeps."""


@cache_command.command("ls")
@AS_JSON
@IN_REGISTRY
def cache_ls_command(as_json: bool, registry: str | None) -> None:
    """List the cache, used last first."""
    with opened(registry) as target:
        found = cache.cached(target)
    if as_json:
        print_json([_json(each) for each in found])
        return
    _print_cached(found)
    if not found:
        say("The cache is empty.")


@cache_command.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@IN_REGISTRY
def cache_rm_command(names: tuple[str, ...], registry: str | None) -> None:
    """Delete single things from the cache, each by its NAME or the first digits of it."""
    with opened(registry) as target:
        found = [each for name in names for each in cache.remove(target, name)]
    say(f"Freed {size_text(sum(each.size for each in found))} ({_things(len(found))}).")


@cache_command.command("prune")
@click.option("--max-size", metavar="SIZE", help="Keep at most so much, as in 20GB.")
@click.option("--older-than", metavar="TIME", help="Delete what was not used for so long: 30d.")
@click.option("--partials", is_flag=True, help="Delete rests of downloads.")
@DELETE
@AS_JSON
@IN_REGISTRY
def cache_prune_command(
    max_size: str | None,
    older_than: str | None,
    partials: bool,
    delete: bool,
    as_json: bool,
    registry: str | None,
) -> None:
    """Delete from the cache what was not used for longest."""
    if not (max_size or older_than or partials):
        raise click.UsageError("say what to delete: --max-size, --older-than or --partials")
    with opened(registry) as target:
        done = cache.prune(
            target,
            max_size=max_size,
            older_than=older_than,
            partials=partials,
            dry_run=not delete,
        )
    if as_json:
        print_json(_json(done))
    else:
        _print_cached(done.deleted)
        _say_deleted(len(done.deleted), done.freed, done.failed, dry_run=done.dry_run)
    if done.failed:
        sys.exit(1)


def _print_cached(found: Iterable[cache.Cached]) -> None:
    print_table(
        ("NAME", "KIND", "SIZE", "FROM", "MODELS"),
        (
            (each.name[:12] if each.kind != "partial" else each.name, each.kind,
             size_text(each.size), each.source, " ".join(each.models))
            for each in found
        ),
    )  # fmt: skip


@click.command("doctor")
@AS_JSON
@IN_REGISTRY
def doctor_command(as_json: bool, registry: str | None) -> None:
    """Examine the registry's place: file system, locks, space, leftovers. Takes two seconds.

    Leaves with 1 when something should be done.
    """
    with opened(registry) as target:
        findings = doctor.examine(target)
    if as_json:
        print_json([_json(each) for each in findings])
    else:
        marks = {"ok": "ok", "note": "note", "bad": "BAD"}
        print_table(
            ("WHAT", "", "FOUND"), ((each.what, marks[each.state], each.text) for each in findings)
        )
    if any(each.state == "bad" for each in findings):
        sys.exit(1)


def _print_problems(problems: Iterable[verify.Problem]) -> None:
    print_table(
        ("DAMAGED", "WHAT", "MODELS"),
        ((_where(each), each.text, " ".join(each.models)) for each in problems),
    )


def _where(problem: verify.Problem) -> str:
    return problem.digest[:12] if problem.digest and problem.kind != "file" else problem.path


def _count(problems: tuple[verify.Problem, ...]) -> str:
    return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"


def _blobs(count: int) -> str:
    return "1 blob" if count == 1 else f"{count:,} blobs"


def _things(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _seconds(option: str, text: str) -> float:
    try:
        return cache.parse_span(int(text) if text.isdecimal() else text)
    except InvalidValueError as error:
        raise click.UsageError(f"{option}: {error}") from error


def _json(record: Frozen) -> dict[str, object]:
    def plain(value: object) -> object:
        if isinstance(value, Frozen):
            return _json(value)
        if isinstance(value, tuple):
            return [plain(each) for each in value]
        return value

    return {name: plain(value) for name, value in values(record).items()}
