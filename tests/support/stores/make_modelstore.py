"""Make a store of modelstore, and write what its own API says about it.

Run it by hand, in a scratch environment that has modelstore 0.0.82, with a home of its own and no
repository around it::

    env -i HOME=/tmp/anna LOGNAME=anna python make_modelstore.py modelstore.zip modelstore.json
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import zipfile
from pathlib import Path

from modelstore.model_store import ModelStore

DATA = Path("/data/of-modelstore")  # made here, and deleted at the end
ROOT = DATA / "models"


def upload(store, domain, name, content, **kwargs):
    """Upload a file as a model; wait, since times have whole seconds."""
    place = DATA / name
    place.write_bytes(content)
    found = store.upload(domain, model=str(place), **kwargs)
    time.sleep(1.1)
    return found["model"]["model_id"]


def make(store):
    """Upload models into two domains, and set states; one model is deleted."""
    notes = DATA / "notes.txt"
    notes.write_text("trained on a laptop\n", encoding="utf-8")
    upload(store, "churn", "net.bin", b"\x00\x01" * 50, extra_metadata={"accuracy": 0.91})
    second = upload(
        store,
        "churn",
        "net.bin",
        b"\x00\x02" * 50,
        model_id="second-try",
        extra_files=str(notes),
        extra_metadata={"accuracy": 0.93, "classes": ["no", "yes"], "by": "Ännä", "best": True},
    )
    third = upload(store, "churn", "net.bin", b"\x00\x03" * 50)
    gone = upload(store, "churn", "net.bin", b"\x00\x04" * 50)
    other = upload(store, "vision/cats", "cats.onnx", b"onnx" * 20, extra_metadata={"n": 3})
    for state in ("production", "staging"):
        store.create_model_state(state)
    store.set_model_state("churn", second, "production")
    store.set_model_state("churn", second, "staging")
    store.set_model_state("churn", third, "staging")
    store.set_model_state("vision/cats", other, "production")
    store.delete_model("churn", gone, skip_prompt=True)


def described_by(store):
    """Return what the API says: models by domain, the newest first, as it lists them."""
    found = {}
    for domain in ("churn", "vision/cats"):  # a domain with "/" is not in `list_domains`
        models = []
        for model_id in store.list_models(domain):
            folder = DATA / "out" / model_id
            folder.mkdir(parents=True)
            store.download(str(folder), domain, model_id)
            files = {
                each.relative_to(folder).as_posix(): each.read_bytes().hex()
                for each in sorted(folder.rglob("*"))
                if each.is_file()
            }
            info = store.get_model_info(domain, model_id)
            states = store.get_model_states(domain, model_id)
            models.append({"info": info, "states": states, "files": files})
        latest = store.get_domain(domain)["model"]["model_id"]
        found[domain] = {"models": models, "latest": latest}
    return found


def main():
    """Make the store, the zip and the JSON."""
    packed, described = map(Path, sys.argv[1:])
    DATA.mkdir(parents=True)
    store = ModelStore.from_file_system(root_directory=str(ROOT), create_directory=True)
    make(store)
    described.write_text(
        json.dumps(described_by(store), indent=1, ensure_ascii=False), encoding="utf-8"
    )
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(ROOT.rglob("*")):
            archive.write(each, each.relative_to(ROOT))
    shutil.rmtree(DATA)


if __name__ == "__main__":
    main()
