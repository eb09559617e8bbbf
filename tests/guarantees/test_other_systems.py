"""The main job where Windows and macOS lack something; see support/other_system/sitecustomize.py.

It is a simulation: nothing here ran on Windows or macOS.
"""

from __future__ import annotations

import subprocess
import sys


def main_job(folder):
    """Do the main job by commands, and return what each printed."""
    import os
    import sys
    from pathlib import Path

    from support.command_line import run_cli

    os.chdir(folder)
    os.environ["LOCALREG_HOME"] = str(Path("home").resolve())
    Path("package/inner").mkdir(parents=True)
    Path("package/config.json").write_text("{}")
    Path("package/inner/net.pt").write_bytes(b"net")
    Path("gewichte ü.pt").write_bytes(b"weights")
    printed = {}

    def run(*words):
        code, out, err = run_cli(*words)
        assert code == 0, f"{words}: exit code {code}: {err}"
        printed[" ".join(words)] = out + err
        return out.strip()

    run("add", "gewichte ü.pt", "--name", "net", "--project", "p")
    run("add", "package", "--name", "pack", "--project", "p")
    run("ls")
    run("show", "p/net")
    run("get", "p/net", "-o", "out.pt")
    run("get", "p/net", "-o", "out.pt", "-f")
    run("get", "p/pack", "-o", "out")
    copies = [run("path", "p/net"), run("path", "p/pack")]
    run("report", "p/net")
    run("report", "p/net")  # it replaces the page
    run("site")
    run("verify", "--full")
    run("rm", "p/net", "p/pack")
    run("gc", "--grace", "0", "--delete")
    run("add", "package", "--name", "pack", "--project", "p")
    run("path", "p/pack")
    run("rm", "--delete-weights", "p/pack")
    run("doctor")
    printed["there"] = {
        "out.pt": Path("out.pt").read_bytes().decode(),
        "out": sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*.*")),
        "copies": [Path(path).exists() for path in copies],
        "left": [path.name for path in Path("home/tmp").iterdir()],
        "full syncs": len(getattr(sys, "full_syncs", [])),
    }
    return printed


def test_the_main_job(other_system, tmp_path):
    """After the demo; all of it prints only what the console's encoding has."""
    done = subprocess.run(
        [sys.executable, "-m", "localreg", "demo", "--home", "home"],
        cwd=tmp_path, env=other_system.environment, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"rings" in done.stdout
    printed = other_system.run(main_job, tmp_path)
    there = printed.pop("there")
    assert there.pop("full syncs") > 0 or other_system.name == "windows"
    assert there == {
        "out.pt": "weights",
        "out": ["config.json", "inner/net.pt"],
        "copies": [False, False],
        "left": [],
    }
    assert "no problems" in printed["verify --full"]
    assert "BAD" not in printed["doctor"]
    assert "p/net:1" in printed["ls"]


def test_the_fixture(other_system, tmp_path):
    """A project's tests use the pytest fixture there."""
    (tmp_path / "test_project.py").write_text(
        "def test_it(localreg_registry, tmp_path):\n"
        "    (tmp_path / 'w.pt').write_bytes(b'w')\n"
        "    model = localreg_registry.add(tmp_path / 'w.pt', 'net', 'p')\n"
        "    assert open(model.get_local_copy(), 'rb').read() == b'w'\n"
        "    assert localreg_registry.model('p/net') == model\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "localreg.pytest_plugin", tmp_path],
        cwd=tmp_path, env=other_system.environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def keep_names(folder):
    """Keep weights under names that Windows does not have; return their copies, and errors."""
    import io
    from pathlib import Path

    from localreg import Registry

    seen = {}
    with Registry(Path(folder) / "r") as registry:
        for name in ["NUL.txt", "com1", "a.", "b .", "epoch=3:x?.pt", "plain.pt"]:
            model = registry.add(io.BytesIO(name.encode()), name, filename=name)
            copy = Path(model.get_local_copy())
            own = Path(model.get_local_copy(target_folder=Path(folder) / "own"))
            seen[name] = [copy.name, own.name, copy.read_bytes() == own.read_bytes()]
            seen[name].append(Path(model.get_local_copy()) == copy)
    with Registry(Path(folder) / "second", upstream=[Path(folder) / "r"]) as registry:
        for model in registry.models():
            seen[model.name].append(Path(model.get_local_copy()).name)
    return seen


def test_names_that_windows_does_not_keep(other_system, tmp_path):
    """There a local copy gets a name like it, and not another name or a device without a word."""
    seen = other_system.run(keep_names, tmp_path)
    expected = {
        "NUL.txt": "_NUL.txt",
        "com1": "_com1",
        "a.": "a",
        "b .": "b",
        "epoch=3:x?.pt": "epoch=3_x_.pt",
        "plain.pt": "plain.pt",
    }
    for name, portable in expected.items():
        kept = portable if other_system.name == "windows" else name
        assert seen[name] == [kept, kept, True, True, kept], name


def write_over(folder):
    """Return the errors for outputs under names that Windows does not keep."""
    from pathlib import Path

    from support.command_line import run_cli

    source = Path(folder) / "net.pt"
    source.write_bytes(b"net")
    registry = Path(folder) / "r"
    assert run_cli("-R", registry, "add", source, "--name", "net")[0] == 0
    return {
        f"{command} {name}": run_cli("-R", registry, command, "net", "-o", Path(folder) / name)
        for command in ("get", "report")
        for name in ("CON", "a:b.html", "x.")
    }


def test_an_output_under_a_name_that_windows_does_not_keep(new_system, tmp_path):
    for call, (code, _, error) in new_system("windows").run(write_over, tmp_path).items():
        assert code == 1, f"{call}: {error}"
        assert "must be a name that this system keeps" in error, call


def unpack_clashes(folder):
    """Unpack packages with names that clash, or that Windows does not keep; return the errors."""
    import zipfile
    from pathlib import Path

    from localreg import Registry
    from localreg.errors import LocalregError

    packages = {
        "case": ["Net.pt", "net.PT"],
        "folders": ["Data/x", "data/y"],
        "forms": ["n\u00e9t.pt", "ne\u0301t.pt"],
        "device": ["sub/AUX.txt", "y"],
        "end": ["sub/a.", "y"],
    }
    seen = {}
    with Registry(Path(folder) / "r") as registry:
        for name, members in packages.items():
            place = Path(folder) / f"{name}.zip"
            with zipfile.ZipFile(place, "w") as archive:
                for member in members:
                    archive.writestr(member, member)
            try:
                tree = registry.add(place, name).get_local_copy(
                    extract_archive=True, raise_on_error=True
                )
                seen[name] = sorted(path.name for path in Path(tree).rglob("*"))
            except LocalregError as error:
                seen[name] = str(error)
        seen["left"] = [path.name for path in (Path(folder) / "r/trees").glob(".*")]
    return seen


def test_packages_with_names_that_clash(other_system, tmp_path):
    """An error names both; nothing is left, and nothing is written over."""
    seen = other_system.run(unpack_clashes, tmp_path)
    for name in ("case", "folders"):
        assert "have the same name there" in seen[name]
    assert "'Net.pt' and 'net.PT'" in seen["case"]
    assert "'Data' and 'data'" in seen["folders"]
    assert seen["left"] == []
    if other_system.name == "mac":
        assert "have the same name there" in seen["forms"]
    else:
        assert "does not keep the name 'sub/AUX.txt'" in seen["device"]
        assert "does not keep the name 'sub/a.'" in seen["end"]


def busy_files(folder):
    """Return the errors of what Windows refuses while a file is open, and what works later."""
    import shutil
    from pathlib import Path

    from localreg import Registry
    from localreg.errors import LocalregError

    source = Path(folder) / "net.pt"
    source.write_bytes(b"net")
    errors = {}

    def attempt(name, call):
        try:
            call()
        except (LocalregError, OSError) as error:
            errors[name] = f"{type(error).__name__}: {error}"

    with Registry(Path(folder) / "r") as registry:
        model = registry.add(source, "net")
        page = Path(model.report())
        with open(page) as reader:
            model.comment = "changed"
            attempt("page", model.report)
            assert reader.read()
        assert "changed" in Path(model.report()).read_text(encoding="utf-8")
        with open(model.get_local_copy(), "rb"):
            model.remove(model)
            failed = registry.gc(grace_seconds=0, dry_run=False).failed
        attempt("registry", lambda: shutil.rmtree(registry.path))
        registry.models()
        done = registry.gc(grace_seconds=0, dry_run=False)
    shutil.rmtree(Path(folder) / "r", ignore_errors=True)
    return [errors, len(failed), len(done.failed)]


def test_files_that_are_open(new_system, tmp_path):
    """What Windows refuses is an error that says so, and works when the file is closed."""
    errors, failed, later = new_system("windows").run(busy_files, tmp_path)
    assert "StorageError" in errors["page"]
    assert "has it open: close it and try again" in errors["page"]
    assert "PermissionError" in errors["registry"]
    assert (failed, later) == (1, 0)


def sync_and_clone(folder):
    """Return what was synced and cloned for weights, and how SQLite syncs."""
    import os
    import sys
    from contextlib import closing
    from pathlib import Path

    from localreg import Registry
    from localreg.registry import open_registry

    source = Path(folder) / "net.pt"
    source.write_bytes(b"net")
    source.chmod(0o444)
    seen = {}
    for durability in ("fast", "full"):
        sys.full_syncs.clear()
        root = Path(folder) / durability
        with Registry(root, durability=durability) as registry:
            copy = Path(registry.add(source, "net").get_local_copy(target_folder=root / "own"))
        seen[durability] = bool(sys.full_syncs)
        with (
            closing(open_registry(root, durability=durability)) as opened,
            opened.store.read() as connection,
        ):
            seen[f"{durability} database"] = [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("fullfsync", "checkpoint_fullfsync")
            ]
    seen["own"] = [copy.read_bytes().decode(), os.access(copy, os.W_OK), oct(copy.stat().st_mode)]
    seen["clones"] = sorted({Path(path).parent.name for path in sys.clones})
    return seen


def test_syncs_and_clones_of_a_mac(new_system, tmp_path):
    """durability="full" reaches the disk, by F_FULLFSYNC; copies share bytes, by clonefile."""
    seen = new_system("mac").run(sync_and_clone, tmp_path)
    assert (seen["fast"], seen["full"]) == (False, True)
    assert (seen["fast database"], seen["full database"]) == ([0, 0], [1, 1])
    assert seen["own"] == ["net", True, "0o100644"]
    assert seen["clones"] == ["own", "tmp"]


def look_for_processes():
    """Return if this process, one that ended, and one of another machine run."""
    import subprocess
    import sys

    from localreg.filesystem.temporary_owners import is_alive, owner_mark

    here = f"x{owner_mark()}"
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = f"{here.rpartition('-')[0]}-{child.pid}"
    seen = [is_alive(here), is_alive(name)]
    child.communicate(b"\n")
    return [*seen, is_alive(name), is_alive(here.replace(here[2:14], "0" * 12))]


def test_whether_a_process_runs(other_system):
    """To look never ends it: on Windows os.kill would."""
    assert other_system.run(look_for_processes) == [True, True, False, None]


def use_long_paths(folder):
    """Return the errors of a registry, and of a file in one, with more than 259 characters."""
    from pathlib import Path

    from localreg import Registry
    from localreg.errors import LocalregError

    source = Path(folder) / "net.pt"
    source.write_bytes(b"net")
    errors = []
    deep = Path(folder) / ("d" * (119 - len(folder)))  # the longest that has room for all of ours
    with Registry(deep) as registry:
        model = registry.add(source, "net")
        copy = Path(model.get_local_copy())
        for place in (Path(folder) / ("x" * 120) / ("y" * 120), deep.with_name("z" * 170)):
            try:
                if place.parent.name[0] == "x":
                    model.get_local_copy(target_folder=place, raise_on_error=True)
                else:
                    Registry(place).add(source, "net")
            except LocalregError as error:
                errors.append(str(error))
    return [errors, copy.read_bytes().decode()]


def test_paths_that_windows_finds_too_long(new_system, tmp_path):
    """The error says how long the path is, and what helps; Windows says that nothing is there."""
    errors, copy = new_system("windows").run(use_long_paths, tmp_path)
    assert copy == "net"
    assert len(errors) == 2
    for error in errors:
        assert "and Windows allows 259 unless long paths are switched on" in error


def compare_trees(folder):
    """Return what verify finds in unpacked packages with names that a Mac decomposes."""
    import os
    import zipfile
    from pathlib import Path

    from localreg import Registry

    package, archive = Path(folder) / "package", Path(folder) / "made_on_linux.zip"
    (package / "d\u00e9").mkdir(parents=True)
    (package / "d\u00e9" / "\u00fc.pt").write_bytes(b"net")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("d\u00e9/\u00fc.pt", b"net")
    seen = []
    with Registry(Path(folder) / "r") as registry:
        for source in (package, archive):
            model = registry.add(source, "net")
            tree = Path(model.get_local_copy(extract_archive=True))
            read = (tree / "d\u00e9" / "\u00fc.pt").read_bytes().decode()
            seen.append([read, [ascii(name) for name in os.listdir(tree)]])
        found = registry.verify(full=True)
    return [seen, found.ok]


def test_names_that_a_mac_decomposes(new_system, tmp_path):
    seen, ok = new_system("mac").run(compare_trees, tmp_path)
    assert seen == [["net", [r"'de\u0301'"]]] * 2
    assert ok


def run_again(folder):
    """Run the script of a task again; return the exit code and the status."""
    import os
    from pathlib import Path

    from support.command_line import run_cli

    from localreg import Registry, Task

    script = Path(folder) / "script.py"
    script.write_text("from localreg import Task\ntask = Task.init(task_name='t')\n")
    os.environ["LOCALREG_HOME"] = str(Path(folder) / "r")
    with Registry(Path(folder) / "r"):
        task = Task.create(project_name="p", task_name="t", script=str(script))
        code, _, error = run_cli("task", "run", task.id)
        return [code, error, Task.get_task(task_id=task.id).status]


def test_a_task_is_run_again(other_system, tmp_path):
    code, error, status = other_system.run(run_again, tmp_path)
    assert (code, status) == (0, "completed"), error


def download(folder, url, missing):
    """Download weights, and what a server does not have; return what came of it."""
    from pathlib import Path

    from localreg import InputModel, Registry
    from localreg.errors import DigestMismatchError, DownloadError

    seen = []
    with Registry(Path(folder) / "r"):
        model = InputModel.import_model(url, name="net", copy=True)
        seen.append(len(Path(model.get_local_copy()).read_bytes()))
        for address, digest in ((missing, None), (f"{url}?again", "0" * 64)):
            try:
                InputModel.import_model(address, name="x", copy=True, expected_sha256=digest)
            except (DigestMismatchError, DownloadError) as error:
                seen.append(type(error).__name__)
        seen.append([path.name for path in (Path(folder) / "r" / "tmp").iterdir()])
    return seen


def test_downloads(other_system, site, tmp_path):
    """A part that nobody can continue is closed before it is deleted."""
    seen = other_system.run(download, tmp_path, site.url(), site.url("/missing"))
    assert seen == [len(site.files["/net.pt"]), "DownloadError", "DigestMismatchError", []]
