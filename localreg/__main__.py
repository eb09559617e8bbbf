"""``python -m localreg``: the same as the `localreg` command."""

import sys

from localreg.cli.main import main

sys.exit(main())
