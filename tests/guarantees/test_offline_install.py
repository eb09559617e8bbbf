"""P24: installed and used where there is no network.

The wheel of this project is built and installed into a fresh virtual environment, by pip, without
an index, in a network namespace that has no network. Its dependencies are links to those of the
environment that runs the tests, and only what the wheel declares is linked: that shows that the
declared ones are enough, and that nothing is fetched. It does not show that their own wheels
can be carried over; that is pip's business, and the guide says how.
"""

from __future__ import annotations

import email
import os
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from support import foreign_signatures

from localreg import Registry

PROJECT = Path(__file__).parents[2]
ALONE = ["unshare", "--net"]  # a process without any network but its own

# Loaded at the start of every Python of the new environment.
TRIPWIRE = """
import os, sys
def _tell(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        with open(os.environ["TRIPWIRE"], "a") as file:
            file.write(f"{event} {arguments[-1 if event == 'socket.connect' else 0]}\\n")
sys.addaudithook(_tell)
"""

SCRIPT = """
from pathlib import Path
from localreg import InputModel, Model, Registry, Task

Path("w.pt").write_bytes(b"weights")
with Registry("made") as registry:
    task = Task.init(project_name="p", task_name="t")
    model = registry.add("w.pt", "m", "p", tags=["t"])
    InputModel.import_model("https://example.org/x.pt", name="remote")
    for step in range(20_000):  # so many that they are thinned for drawing
        model.report_scalar("loss", "train", 0.5, step)
    assert [each.name for each in Model.query_models(tags=["t"])] == ["m"]
    assert Path(model.get_local_copy()).read_bytes() == b"weights"
    assert "loss" in Path(model.report()).read_text()
    task.close()
    registry.render()
    assert registry.verify(full=True).ok
"""

# Each command that needs a package of an extra names it; nothing else needs one. One process, since
# each takes a second to begin.
EXTRAS_SCRIPT = """
import importlib.util, io
from contextlib import redirect_stderr, redirect_stdout
from localreg.cli.main import main

for name in ("cryptography", "oras", "cyclonedx", "deltalake", "obstore"):
    assert importlib.util.find_spec(name) is None, name

def run(command):
    said = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(said):
        code = main(["-R", "made", *command.split()])
    return code, " ".join(said.getvalue().split())

for command in (
    "show p/signed",
    "ls",
    "history p/signed",
    "get p/signed -o off.pt",  # nothing is checked
    "export --all -o all.tar",  # signatures are files
    "-R copy import all.tar",
    "protect p/m@prod --require published",
    "publish p/m:1",
    "alias p/m:1 prod",
    "card p/m",
    "site",
    "gc",
    "key ls",
    "config trust.mode enforce",
):
    code, said = run(command)
    assert code == 0, (command, said)
for command, extra in {
    "sign p/m --key key.pem": "sign",
    "verify p/m --key key.pub": "sign",
    "key add key.pub": "sign",
    "ls --signed": "sign",
    "get p/signed -o none.pt": "sign",
    "card p/m --format ml-bom": "bom",
    "export p/m -o oci://127.0.0.1:9/a/b:1": "oci",
    "import oci://127.0.0.1:9/a/b:1": "oci",
}.items():
    code, said = run(command)
    assert code not in (0, 2) and f"localreg[{extra}]" in said, (command, code, said)
"""


def requirements(wheel):
    """Return the requirements that a wheel declares."""
    with zipfile.ZipFile(wheel) as file:
        (name,) = (each for each in file.namelist() if each.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(file.read(name)).get_all("Requires-Dist")


def needed(lines, extras=()):
    """Yield the names of the required distributions, and of those that they require in turn."""
    for need in map(Requirement, lines):
        marker = need.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield need.name
            yield from needed(distribution(need.name).requires or (), need.extras)


def link(name, site):
    """Make the files of an installed distribution appear in another environment."""
    found = distribution(name)
    for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
        if not (site / top).exists():
            (site / top).symlink_to(Path(str(found.locate_file(top))).resolve())


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def wheel(tmp_path):
    """The wheel of this project, which takes a build backend to make."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    # Without isolation: else pip would fetch the backend, which is in the extra "test".
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", tmp_path / "house"]
    run([*pip, *options, PROJECT])
    (wheel,) = (tmp_path / "house").iterdir()
    return wheel


@pytest.fixture
def alone(tmp_path):
    """Return a function that runs a command without network, with no variable of the user."""
    if subprocess.run([*ALONE, "true"], capture_output=True).returncode != 0:
        pytest.skip("a network namespace cannot be made here")
    work = tmp_path / "work"
    work.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    settings = {"HOME": str(work), "TRIPWIRE": str(tmp_path / "tripwire"), "NO_COLOR": "1"}

    def run_alone(*command):
        return run([*ALONE, *command], cwd=work, env=kept | settings)

    return run_alone


@pytest.fixture
def environment(tmp_path, wheel, alone):
    """A virtual environment into which localreg was installed without a network."""
    folder = tmp_path / "new"
    run([sys.executable, "-m", "venv", "--without-pip", folder])
    (site,) = folder.glob("lib/python*/site-packages")
    for name in sorted(set(needed(requirements(wheel)))):
        link(name, site)
    (site / "tripwire.py").write_text(TRIPWIRE)
    (site / "tripwire.pth").write_text("import tripwire\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", f"--python={folder}"]
    alone(*pip, "install", "--no-index", f"--find-links={wheel.parent}", "localreg")
    assert (site / "localreg/__init__.py").is_file()
    return folder / "bin"


def add_signed(work):
    """Let the registry of the other environment have a signed model, and trust its key."""
    key = foreign_signatures.new_key()
    (work / "key.pem").write_bytes(foreign_signatures.private_pem(key))
    (work / "key.pub").write_bytes(foreign_signatures.public_pem(key))
    with Registry(work / "made", durability="fast") as registry:
        registry.sign(registry.add(work / "w.pt", "signed", "p"), work / "key.pem")
        registry.add_key(work / "key.pub")


def test_localreg_is_installed_and_used_without_a_network(environment, alone, tmp_path):
    """P24: without a network everything local works, and nothing tries to use one."""
    python, localreg = environment / "python", environment / "localreg"
    alone(python, "-W", "error", "-c", SCRIPT)
    assert "p/m" in alone(localreg, "-R", "made", "ls")
    alone(localreg, "-R", "made", "add", "w.pt", "-n", "p/cli")
    alone(localreg, "-R", "made", "get", "p/cli", "-o", "copy.pt")
    assert (tmp_path / "work/copy.pt").read_bytes() == b"weights"
    alone(localreg, "-R", "made", "report", "p/cli")
    alone(localreg, "-R", "made", "site")
    alone(localreg, "-R", "made", "verify", "--full")
    alone(localreg, "-R", "made", "gc")
    alone(localreg, "-R", "made", "doctor")
    add_signed(tmp_path / "work")
    alone(python, "-W", "error", "-c", EXTRAS_SCRIPT)
    assert not (tmp_path / "work" / "none.pt").exists()
    assert not (tmp_path / "tripwire").exists()
    # Proof that the network is cut off: this call needs it and fails.
    command = [*ALONE, localreg, "-R", "made", "get", "p/remote"]
    settings = {"TRIPWIRE": str(tmp_path / "tripwire"), "LOCALREG_DOWNLOAD_DEADLINE": "1"}
    done = subprocess.run(
        command, cwd=tmp_path / "work", env=os.environ | settings, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "example.org" in done.stderr
    assert "socket.getaddrinfo example.org" in (tmp_path / "tripwire").read_text()
