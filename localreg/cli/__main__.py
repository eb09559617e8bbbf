"""``python -m localreg.cli``: the same as the `localreg` command."""

from localreg.cli.main import main

main()
