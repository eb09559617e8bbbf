r"""Make a repository of DVC, and write what its own API says about it.

Run it by hand, in a scratch environment that has DVC 3.67, with a home of its own and git::

    env -i HOME=/tmp/anna PATH=/usr/bin:/bin DVC_NO_ANALYTICS=1 python make_dvc.py dvc.zip dvc.json

The folder ``old`` in it has the cache of DVC 2: that one is written here, by its rules, and read by
DVC 3. DVC keeps text files in it by the md5 that they have with the line ends of Unix.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import dvc.api
from dvc.repo import Repo

DATA = Path("/data/of-dvc")  # made here, and deleted at the end
ROOT = DATA / "churn"
STAGES = """\
stages:
  prepare:
    cmd: mkdir -p data/prepared && sort data/raw.csv > data/prepared/sorted.csv
    deps: [data/raw.csv]
    outs: [data/prepared]
  train:
    desc: Trains the net.
    cmd: cat data/prepared/sorted.csv params.yaml > model.bin && cp scores.txt metrics.json
    deps: [data/prepared, scores.txt]
    params: [train, seed]
    outs:
      - model.bin:
          desc: The net.
          labels: [binary]
    metrics:
      - metrics.json:
          cache: false
artifacts:
  net:
    path: model.bin
    type: model
    desc: Predicts who leaves.
    labels: [churn, v1]
    meta: {framework: numpy}
  customers:
    path: data/raw.csv
    type: dataset
"""


def run(*words):
    """Run DVC in the repository."""
    command = [sys.executable, "-m", "dvc", *words]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def make():
    """Track files and folders, and run a pipeline."""
    (ROOT / "data/images/cats").mkdir(parents=True)
    run("init", "--no-scm")
    (ROOT / "data/raw.csv").write_bytes(b"b,2\r\na,1\r\n")
    (ROOT / "data/images/cats/1.png").write_bytes(b"\x89PNG\0one")
    (ROOT / "data/images/2.png").write_bytes(b"\x89PNG\0two")
    (ROOT / "data/images/again.png").write_bytes(b"\x89PNG\0two")
    (ROOT / "scores.txt").write_text(
        '{"accuracy": 0.93, "loss": {"train": 0.1, "test": 0.2}, "note": "good"}', encoding="utf-8"
    )
    (ROOT / "params.yaml").write_text(
        "seed: 7\ntrain: {lr: 0.001, layers: [8, 4], name: net}\nother: 1\n", encoding="utf-8"
    )
    run("remote", "add", "-d", "storage", "/data/of-dvc/remote")
    run("add", "data/raw.csv", "data/images")
    annotated = (ROOT / "data/images.dvc").read_text(encoding="utf-8")
    annotated = annotated.replace(
        "  path: images\n",
        "  path: images\n  desc: Cats.\n  type: dataset\n  labels: [cats]\n  meta: {by: Ännä}\n",
    )
    (ROOT / "data/images.dvc").write_text(annotated, encoding="utf-8")
    (ROOT / "dvc.yaml").write_text(STAGES, encoding="utf-8")
    run("repro")
    make_old()
    # Only the cache has them: as after `git clone` and `dvc fetch`.
    shutil.rmtree(ROOT / "data/images")
    (ROOT / "model.bin").unlink()


def make_old():
    """Track a text and a folder as DVC 2 did."""
    texts = {"notes.txt": b"one\r\ntwo\r\n", "words/a.txt": b"a\r\n", "words/b.bin": b"\0\r\n"}
    for name, content in texts.items():
        place = ROOT / "old" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    digests = {
        name: keep(content, content.replace(b"\r\n", b"\n") if b"\0" not in content else content)
        for name, content in texts.items()
    }
    listed = [{"md5": digests[f"words/{each}"], "relpath": each} for each in ("a.txt", "b.bin")]
    text = json.dumps(listed, sort_keys=True).encode()
    folder = f"{keep(text, text, '.dir')}.dir"
    (ROOT / "old/notes.txt.dvc").write_text(
        f"outs:\n- md5: {digests['notes.txt']}\n  size: 10\n  path: notes.txt\n", encoding="utf-8"
    )
    (ROOT / "old/words.dvc").write_text(
        f"outs:\n- md5: {folder}\n  size: 6\n  nfiles: 2\n  path: words\n", encoding="utf-8"
    )


def keep(content, hashed, ending=""):
    """Put bytes into the cache of DVC 2; return their md5."""
    digest = hashlib.md5(hashed, usedforsecurity=False).hexdigest()
    place = ROOT / ".dvc/cache" / digest[:2] / f"{digest[2:]}{ending}"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return digest


def described():
    """Return what the API says."""
    run("checkout")
    os.chdir(ROOT)
    with Repo(str(ROOT)) as repo:
        outs = {}
        for out in repo.index.outs:
            path = Path(out.fspath)
            name = path.relative_to(ROOT).as_posix()
            files = [each for each in sorted(path.rglob("*")) if each.is_file()] or [path]
            outs[name] = {
                "md5": out.hash_info.value,
                "size": out.meta.size,
                "cached": out.use_cache,
                "metric": bool(out.metric),
                "annotations": out.annot.to_dict(),
                "stage": None if out.stage.is_data_source else out.stage.name,
                "files": {
                    each.relative_to(path).as_posix() if each != path else path.name: (
                        dvc.api.read(each.relative_to(ROOT).as_posix(), str(ROOT), mode="rb").hex()
                    )
                    for each in files
                },
            }
        artifacts = {
            name: each.to_dict() for name, each in repo.artifacts.read()["dvc.yaml"].items()
        }
    return {
        "outs": outs,
        "artifacts": artifacts,
        "metrics": dvc.api.metrics_show(),
        "params": dvc.api.params_show(stages="train"),
    }


def main():
    """Make the repository, the zip and the JSON."""
    packed, said = map(Path, sys.argv[1:])
    make()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(ROOT.rglob("*")):
            name = each.relative_to(DATA)
            if each.is_file() and name.parts[1:3] not in ((".dvc", "tmp"),):
                archive.write(each, name)
    said.write_text(
        json.dumps(described(), indent=1, ensure_ascii=False, default=str), encoding="utf-8"
    )
    shutil.rmtree(DATA)


if __name__ == "__main__":
    main()
