"""P18, P26: every path that a user gives, where something else than a plain file is.

`support/path_calls.py` is the table. A call succeeds where that is right, or raises an error of
localreg; it never hangs, and what is at the path stays what it is.
"""

from __future__ import annotations

import inspect
import re

import click
import pytest
from support.path_calls import API, COMMANDS
from support.two_users import need_root

import localreg
from localreg.cli import main

# What else has a name like that of a path.
NO_PATHS = {
    "WeightsMethods.get_weights_package(return_path)": "a bool",
    "WeightsMethods.get_local_copy(file)": "a path in a package",
    "Model.remove(delete_weights_file)": "a bool",
    "MetadataMethods.set_all_metadata(replace)": "a bool",
    "Logger.report_image(image)": "pixels",
    "Logger.report_media(stream)": "an open file",
    "Logger.report_media(file_extension)": "a suffix",
    "OutputModel.update_weights(target_filename)": "a name",
    "OutputModel.update_weights(auto_delete_file)": "a bool",
    "OutputModel.update_weights_package(target_filename)": "a name",
    "OutputModel.update_weights_package(auto_delete_file)": "a bool",
    "Registry.add(filename)": "a name",
    "Registry.export(image)": "a bool",
    "SearchMethods.clone(source_task)": "a task",
    "Dataset.add_files(dataset_path)": "in the data set",
    "Dataset.add_external_files(dataset_path)": "in the data set",
    "Dataset.remove_files(dataset_path)": "in the data set",
    "Dataset.list_files(dataset_path)": "in the data set",
    "Dataset.sync_folder(dataset_path)": "in the data set",
    "Dataset.get_local_copy(files)": "in the data set",
    "Dataset.delete(delete_files)": "a bool",
    "Dataset.delete(delete_external_files)": "a bool",
    "Dataset.update_changed_files(num_files_added)": "a number",
    "Dataset.update_changed_files(num_files_modified)": "a number",
    "Dataset.update_changed_files(num_files_removed)": "a number",
    "ModelMethods.update_output_model(auto_delete_file)": "a bool",
    "OlderMethods.get_output_destination(extra_path)": "a part of a URL",
    "StorageManager.get_metadata(return_full_path)": "a bool",
    "StorageManager.list(return_full_path)": "a bool",
    "StorageManager.set_cache_file_limit(cache_file_limit)": "a number, ignored",
    "Task.create(packages)": "a list",
    "Task.create(docker_bash_setup_script)": "ignored",
    "Task.create(force_single_script_file)": "a bool, ignored",
    "NoOpMethods.set_credentials(files_host)": "a host, ignored",
    "NoOpMethods.set_credentials(store_conf_file)": "a bool, ignored",
    "NoOpMethods.set_base_docker(docker_image)": "ignored",
    "NoOpMethods.set_base_docker(docker_setup_bash_script)": "ignored",
}
_WORDS = re.compile(
    r"path|file|folder|csv|url|uri|director|\bsource|script\b|output|destination|cwd|place\b|root"
    r"|upstream|\bimage\b|\bstream\b|packages|\bconfiguration\b|artifact_object|python|docker_image"
)


def public_functions():
    """Yield the name and the function of everything that users call."""
    for name in localreg.__all__:
        thing = getattr(localreg, name)
        if not inspect.isclass(thing):
            if callable(thing):
                yield name, thing
            continue
        for member, function in inspect.getmembers(thing, callable):
            if member == "__init__" or not member.startswith("_"):
                yield getattr(function, "__qualname__", f"{name}.{member}"), function


def test_the_table_has_every_path_of_the_api():
    """By its annotation or its name; what is no path is in the list of those above."""
    found = set()
    for name, function in public_functions():
        try:
            parameters = inspect.signature(function).parameters.values()
        except ValueError:  # a built-in, such as the __init__ of an error
            continue
        for each in parameters:
            if "PathLike" in str(each.annotation) or _WORDS.search(each.name):
                found.add(f"{name}({each.name})")
    assert found == {*(each.partition(", ")[0] for each in API), *NO_PATHS}


def commands(command, words=()):
    if not isinstance(command, click.Group):
        yield " ".join(words), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from commands(command.get_command(context, name), (*words, name))


def test_the_table_has_every_path_of_the_commands():
    """By what their help says the option takes, or by their name."""
    (group,) = (each for each in vars(main).values() if isinstance(each, click.Group))
    found = set()
    for words, command in commands(group):
        for each in command.params:
            says = f"{each.metavar} {each.name}" if not getattr(each, "is_flag", False) else ""
            if "-R" in each.opts:
                found.add("-R")
            elif isinstance(each.type, click.Path) or re.search(
                r"FILE|PATH|DIR|file\b|directory|output|python", says
            ):
                option = each.opts[-1]
                found.add(f"{words} {option}")
    in_packages = {"get --file", "path --file"}
    assert found - {"add --filename"} - in_packages == {
        each.partition(", ")[0] for each in COMMANDS
    }


def call_everything(table, folder):
    """Make all calls of a table at each kind of place; return what is wrong."""
    import warnings
    from pathlib import Path

    from support import path_calls

    warnings.simplefilter("ignore")
    folder = Path(folder)
    world = path_calls.World(folder)

    def places(number):
        (folder / str(number)).mkdir()
        return path_calls.make_places(folder / str(number))

    trained = {("demo --home", kind) for kind in ("folder", "link to folder")}
    return path_calls.outcomes(getattr(path_calls, table), world, places, trained)


def call_everything_as_another_user(table, folder):
    """Make all calls at a file that only root may read, in a folder of root's."""
    import os
    import warnings
    from pathlib import Path

    from support import path_calls
    from support.two_users import BOB, become

    warnings.simplefilter("ignore")
    folder = Path(folder)
    (folder / "root's").mkdir()
    file = folder / "root's" / "file"
    file.write_bytes(b"a,b\n1,2\n")
    file.chmod(0o600)
    made = {"file of another user": file}
    made |= path_calls.linked(made, file.parent)
    (folder / "mine").mkdir()
    os.chown(folder / "mine", BOB, BOB)
    (folder / "mine" / "rehearsal").mkdir()
    path_calls.rehearse(folder / "mine" / "rehearsal")
    become(BOB, 0o022, pages=True)
    os.chdir(folder / "mine")
    (folder / "mine" / "own").mkdir()
    world = path_calls.World(folder / "mine" / "own")
    return path_calls.outcomes(getattr(path_calls, table), world, lambda number: made, set())


@pytest.mark.parametrize("table", ["API", "COMMANDS"])
def test_no_call_is_fooled_by_what_is_at_a_path(table, children, temporary_folder):
    assert children.run(call_everything, table, temporary_folder) == {}


@pytest.mark.parametrize("table", ["API", "COMMANDS"])
def test_no_call_is_fooled_by_a_file_of_another_user(table, children, public_folder):
    need_root()
    assert children.run(call_everything_as_another_user, table, public_folder) == {}
