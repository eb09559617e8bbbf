"""What pages say about packages: of models, and of artifacts that are folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from localreg import Task


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "bert"
    (made / "logs").mkdir(parents=True)
    (made / "a.bin").write_bytes(b"a" * 1_000)
    (made / "b&c.bin").write_bytes(b"b" * 500)
    return made


def page_of(owner):
    return Path(owner.report()).read_text()


def test_the_page_of_a_package_lists_its_files_and_empty_folders(localreg_registry, folder):
    model = localreg_registry.add(folder)
    page = page_of(model)
    assert "2 files, 1.5 kB (1,500 bytes)" in page
    assert "<h2>Files <small>2</small></h2>" in page
    assert '<th scope="row">b&amp;c.bin</th><td class="number">500 B</td>' in page
    assert '<th scope="row">logs/</th>' in page
    assert model.files[0].digest[:12] in page
    assert "not listed" not in page


def test_a_page_lists_the_first_files_of_a_large_package_and_says_how_to_see_all(
    localreg_registry, folder
):
    for number in range(150):
        (folder / f"layer{number:03}").write_bytes(b"%d" % number)
    page = page_of(localreg_registry.add(folder))
    assert "<h2>Files <small>152</small></h2>" in page
    assert "layer097" in page
    assert "layer098" not in page
    assert "52 more files are not listed. <code>localreg files bert:1</code> lists all." in page


def test_the_page_of_a_single_file_has_no_list_of_files(localreg_registry, folder):
    page = page_of(localreg_registry.add(folder / "a.bin"))
    assert 'id="files"' not in page
    assert "1.0 kB (1,000 bytes)" in page


def test_the_page_of_a_task_says_how_many_files_an_artifact_has(localreg_registry, folder):
    task = Task.init("p", "t")
    task.upload_artifact("folder", folder)
    task.upload_artifact("file", folder / "a.bin")
    page = page_of(task)
    assert '<td>package</td><td class="number">2 files, 1.5 kB</td>' in page
    assert '<td>file</td><td class="number">1.0 kB</td>' in page
