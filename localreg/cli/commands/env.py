"""Show which registry is used, and why."""

from __future__ import annotations

import os

import click

from localreg.api import ambient
from localreg.cli.output import AS_JSON, IN_REGISTRY, opened, print_facts, print_json
from localreg.operations.upkeep import doctor
from localreg.values import settings
from localreg.values.secrets import masked


@click.command("env")
@AS_JSON
@IN_REGISTRY
def env_command(as_json: bool, directory: str | None) -> None:
    """Show which registry is used, why, and its settings."""
    chosen = directory or click.get_current_context().find_root().obj
    reason = "-R" if chosen else ambient.locate()[1]
    with opened(directory) as chain:
        facts = {
            "registry": str(chain.first.root),
            "chosen by": reason,
            **doctor.facts(chain),
        }
        remotes = doctor.remotes(chain.first)
    upstream = [str(each.root) for each in chain.others]
    absent = {str(each.root): each.reason for each in chain.absent}
    variables = {
        name: masked(name, value)
        for name, value in sorted(os.environ.items())
        if name.startswith("LOCALREG_")
    }
    if as_json:
        plain = {name.replace(" ", "_"): fact for name, fact in facts.items()}
        more = {"upstream": upstream, "upstream_left_out": absent}
        more |= {"remotes": remotes, "variables": variables}
        print_json(plain | {"models": int(facts["models"])} | more)
        return
    if chosen and settings.UPSTREAM in variables:
        variables[settings.UPSTREAM] += "  (not used with -R)"
    left_out = "\n".join(f"{root}: {why}" for root, why in absent.items())
    named = "\n".join(f"{name}: {url}" for name, url in remotes.items())
    others = [("upstream", "\n".join(upstream)), ("left out", left_out), ("remotes", named)]
    print_facts([*facts.items(), *others, *variables.items()])
