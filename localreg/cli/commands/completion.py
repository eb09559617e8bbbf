"""Print the script that lets a shell complete what is typed."""

from __future__ import annotations

import click

from localreg.cli.output import AS_JSON, print_json
from localreg.cli.shells import SHELLS, script


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS), metavar="|".join(SHELLS))
@AS_JSON
def completion_command(shell: str, as_json: bool) -> None:
    """Print the script that lets a shell complete commands and names.

    Names of models, tags, projects, tasks, metrics and more come from the registry. For bash put
    `eval "$(localreg completion bash)"` into ~/.bashrc; for zsh likewise into ~/.zshrc; for fish
    `localreg completion fish | source` into ~/.config/fish/config.fish.
    """
    text = script(shell, click.get_current_context().find_root().command)
    if as_json:
        print_json({"shell": shell, "script": text})
    else:
        click.echo(text, nl=False)
