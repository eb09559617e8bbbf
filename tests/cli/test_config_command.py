"""`localreg config`: the settings of a registry."""

from __future__ import annotations

import json

import pytest
from support.command_line import run_cli
from support.new_models import imported

from localreg import Registry
from localreg.filesystem.machine import short_host_name


@pytest.fixture
def root(tmp_path):
    with Registry(tmp_path / "registry", durability="fast") as registry:
        imported("first", registry=registry)
    return tmp_path / "registry"


def config(root, *arguments):
    return run_cli("-R", root, "config", *arguments)


def test_a_setting_is_shown_set_and_unset(root):
    assert config(root, "origin.name") == (0, f"{short_host_name()}\n", "")
    assert config(root, "origin.name", "laptop") == (0, "", "Set origin.name to laptop.\n")
    code, out, err = config(root, "origin.name", "laptop")
    assert (code, out, err) == (0, "", "Nothing changed: origin.name is laptop.\n")
    assert config(root, "origin.name") == (0, "laptop\n", "")
    code, out, err = config(root)
    assert (code, err) == (0, "")
    assert out.startswith("origin.name\tlaptop\t\t")
    default = f"origin.name has its default, {short_host_name()}"
    assert config(root, "origin.name", "--unset") == (0, "", f"{default} again.\n")
    assert config(root, "origin.name", "--unset")[2] == f"Nothing changed: {default}.\n"
    assert config(root)[1].startswith(f"origin.name\t{short_host_name()}\tdefault\t")
    assert json.loads(config(root, "--json")[1])["origin.name"] == short_host_name()


def test_the_history_shows_the_name(root):
    config(root, "origin.name", "laptop")
    with Registry(root) as registry:
        assert {each.origin for each in registry.history()} == {"laptop"}


def test_an_unknown_setting_is_an_error_with_names_like_it(root):
    code, out, err = config(root, "orign.name", "x")
    assert (code, out) == (1, "")
    assert "there is no setting 'orign.name'; did you mean origin.name?" in err
    assert "the settings are origin.name" in config(root, "zzz")[2]


@pytest.mark.parametrize("name", ["", "two words", "a/b", "a:b", "a@b", "~a", "x" * 65])
def test_a_name_that_references_could_not_hold_is_refused(root, name):
    code, _, err = config(root, "origin.name", name)
    assert code == 1
    assert "origin.name" in err
    assert config(root, "origin.name")[1] == f"{short_host_name()}\n"


@pytest.mark.parametrize("arguments", [["--unset"], ["origin.name", "x", "--unset"]])
def test_unset_needs_a_key_and_no_value(root, arguments):
    assert config(root, *arguments)[0] == 2


def test_a_registry_that_is_only_read_cannot_be_set(root, tmp_path, small_disk):
    disk = small_disk("--bind", root)
    small_disk("-o", "remount,bind,ro")
    assert config(disk, "origin.name")[0] == 0
    code, _, err = config(disk, "origin.name", "x")
    assert code == 1
    assert "nothing can be changed here" in err
