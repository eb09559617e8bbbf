"""Settings of every test run, and where the fixtures that tests share are defined.

=========================================================== =====================================
`registry`                                                  localreg/pytest_plugin.py
`children`: processes of their own                          support/children.py
`write_file`, `temporary_folder`, `public_folder`           support/folders.py
`small_disk`, `made_disk`: mounted file systems             support/disks.py
`stick`, `new_stick`: USB sticks, FAT and exFAT             support/sticks.py
`other_system`, `new_system`: like Windows, like a Mac      support/other_systems.py
`program`: a script that is run, and run again              support/programs.py
`site`: an HTTP server of a few files                       support/servers/file_site.py
`new_bucket`, `object_store`, `no_clouds`: clouds           support/servers/object_servers.py
`behind_proxy`: an object store that misbehaves             support/servers/object_proxy.py
`container_registry`: docker-registry, skopeo, oras         support/servers/container_registry.py
`middlemen`: proxies that lose answers, for fleets          support/fleets.py
=========================================================== =====================================

Fixtures of one folder are in its conftest.py. `pytest --fixtures FOLDER` lists all of them.
Functions to import: support/contents.py looks at files, blobs and rows, support/new_models.py
makes models, support/command_line.py runs commands, support/two_users.py changes users.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support.proofs import TIMES

pytest_plugins = [
    "support.children",
    "support.members",
    "support.folders",
    "support.disks",
    "support.sticks",
    "support.other_systems",
    "support.programs",
    "support.servers.file_site",
    "support.servers.object_servers",
    "support.servers.object_proxy",
    "support.servers.container_registry",
    "support.servers.fake_registry",
    "support.fleets",
]

# No deadlines: machines differ in speed. The same examples on every run of CI.
settings.register_profile(
    "localreg",
    deadline=None,
    max_examples=100 * TIMES,
    derandomize=bool(os.environ.get("LOCALREG_CI")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("localreg")

# Tasks of tests do not ask git about this project, whose virtual environment their script is in.
os.environ["GIT_CEILING_DIRECTORIES"] = str(Path(__file__).parent.parent)

# Some machines forbid it; each of a thousand processes would compile all modules that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_sessionfinish(session):
    """In CI a skipped test is a failure: .ci/run has to install what the test needs.

    A few things it cannot install; only for those may tests be skipped.
    """
    from support.skips import ALLOWED

    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("LOCALREG_CI") and reporter:
        reasons = {report.longrepr[2] for report in reporter.stats.get("skipped", ())}
        if forbidden := reasons - {f"Skipped: {each}" for each in ALLOWED}:
            reporter.write_line(f"In CI no test may be skipped: {sorted(forbidden)}", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _no_registry_of_the_user(tmp_path_factory, monkeypatch):
    """No test finds, or makes, a registry outside its own folders."""
    for variable in [name for name in os.environ if name.startswith("LOCALREG_")]:
        if variable != "LOCALREG_CI":
            monkeypatch.delenv(variable)
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path_factory.getbasetemp() / "no-registry"))
