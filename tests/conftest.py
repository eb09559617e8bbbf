"""What the tests share."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest
from hypothesis import HealthCheck, settings
from support.servers.object_proxy import ObjectProxy
from support.servers.object_servers import SERVERS, ObjectServers, no_clouds_of_the_user
from support.vfat import Vfat

# One machine's pace is not another's: no deadlines, and the same examples on every run of CI.
settings.register_profile(
    "localreg",
    deadline=None,
    derandomize=bool(os.environ.get("LOCALREG_CI")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("localreg")


def pytest_sessionfinish(session):
    """In CI a skipped test is a failure: what it needs is there, or .ci/run has to install it."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("LOCALREG_CI") and reporter and reporter.stats.get("skipped"):
        reporter.write_line("In CI no test may be skipped.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _no_registry_of_the_user(tmp_path_factory, monkeypatch):
    """No test finds, or makes, a registry outside its own folders."""
    for variable in [name for name in os.environ if name.startswith("LOCALREG_")]:
        if variable != "LOCALREG_CI":
            monkeypatch.delenv(variable)
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path_factory.getbasetemp() / "nobody-chose-one"))


_ALONE = """
import json, sys
source, name, arguments = json.loads(sys.argv[1])
exec(source)
print(json.dumps(globals()[name](*arguments)))
"""
_CROWD = """
import json, multiprocessing, os, sys, traceback
import localreg.api.models.input_model, localreg.api.registry, localreg.operations.models.adding
import localreg.operations.models.importing, localreg.operations.models.recording
count, (source, name, arguments) = json.loads(sys.argv[1])
exec(source)
barrier = multiprocessing.get_context("fork").Barrier(count)
results = []
for number in range(count):
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            result = [True, globals()[name](number, barrier, *arguments)]
        except BaseException:
            barrier.abort()
            result = [False, traceback.format_exc()]
        with open(writer, "w") as file:
            json.dump(result, file)
        os._exit(0)
    os.close(writer)
    results.append(open(reader))
for file in results:
    with file:
        print(file.read())
"""


HANGS_AFTER = 120  # seconds; only a test that fails waits for so long


class Children:
    """Runs functions of a test in processes of their own.

    Such a function is sent as source: it imports what it needs, sees no name of its module, and
    takes and returns what JSON can hold.
    """

    def start(self, function, *arguments):
        """Return a process that runs it, with pipes to its standard input and output."""
        return self._python(_ALONE, self._order(function, arguments))

    def run(self, function, *arguments):
        """Return what it returned."""
        return json.loads(self._output(self.start(function, *arguments))[-1])

    def crowd(self, count, function, *arguments):
        """Return what it returned in processes that are forked from one, each with a number.

        The function gets the number, and a barrier for all of them, before its own arguments.
        """
        process = self._python(_CROWD, [count, self._order(function, arguments)])
        results = [json.loads(line) for line in self._output(process)]
        failures = [result for succeeded, result in results if not succeeded]
        assert not failures, "\n".join(failures)
        return [result for _, result in results]

    def _order(self, function, arguments):
        source = textwrap.dedent(inspect.getsource(function))
        return [source, function.__name__, json.loads(json.dumps(arguments, default=str))]

    def _python(self, source, order):
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", source, json.dumps(order)],
            stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True,
        )  # fmt: skip

    def _output(self, process):
        try:
            output, errors = process.communicate(timeout=HANGS_AFTER)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with those that it forked
            pytest.fail(f"it hangs; until then it said: {process.communicate()}")
        assert process.returncode == 0, errors
        return output.splitlines()


@pytest.fixture(scope="session")
def children():
    """Processes of their own for a test's functions."""
    return Children()


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of a few megabytes in a folder, or another; only root can."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def mount(*options, folder=folder):
        done = subprocess.run(["mount", *options, folder], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
        if not any("remount" in str(option) for option in options):
            mounted.append(folder)
        return folder

    yield mount
    for each in reversed(mounted):  # not by os.path.ismount, which sees no bind mount
        subprocess.run(["umount", each], check=True)


@pytest.fixture(scope="session")
def object_servers(tmp_path_factory):
    """Object stores by name, each started when it is first asked for."""
    servers = ObjectServers(tmp_path_factory.mktemp)
    yield servers
    servers.stop()


@pytest.fixture
def no_clouds(monkeypatch):
    """No variable leads to a cloud, or through a proxy."""
    no_clouds_of_the_user(monkeypatch)


@pytest.fixture
def new_bucket(object_servers, no_clouds, monkeypatch):
    """Make empty buckets by the name of their server, and set the variables that lead to it."""

    def new_bucket(server):
        bucket = object_servers[server].bucket()
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        return bucket

    return new_bucket


@pytest.fixture(params=SERVERS)
def object_store(request, new_bucket):
    """An empty bucket of each object store in turn: what one does, all have to."""
    return new_bucket(request.param)


@pytest.fixture
def behind_proxy(monkeypatch):
    """Put a middleman before the server of a bucket, and set the variables that lead to it."""
    proxies = []

    def behind_proxy(bucket):
        proxies.append(ObjectProxy(bucket))
        for name, value in proxies[-1].environment.items():
            monkeypatch.setenv(name, value)
        return proxies[-1]

    yield behind_proxy
    for proxy in proxies:
        proxy.down()
        assert proxy.failures == []


@pytest.fixture
def made_disk(tmp_path, small_disk):
    """Make a file system in a file, and mount it in a folder; only root can."""

    def make(kind, megabytes):
        if shutil.which(f"mkfs.{kind}") is None:
            pytest.skip(f"mkfs.{kind} is missing")
        image = tmp_path / f"{kind}.img"
        with open(image, "wb") as file:
            file.truncate(megabytes * 1_000_000)
        subprocess.run([f"mkfs.{kind}", image], check=True, capture_output=True)
        return small_disk("-t", kind, "-o", "loop", image)

    return make


@pytest.fixture
def vfat(tmp_path):
    """Return a FAT file system of so many megabytes, as on a USB stick."""

    def make(megabytes=100):
        return Vfat(tmp_path, megabytes)

    return make
