"""Facts about a package: totals of what is inside its files, and what it lacks."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from localreg.blobs.headers.needed_files import joined, needed_files, part_of
from localreg.blobs.headers.pickle_scan import FLAGGED, MOST_NAMES, UNSCANNED
from localreg.values.frameworks import Framework, infer_framework
from localreg.values.manifest import PackageFile

Facts = dict[str, object]
Files = Sequence[tuple[PackageFile, Facts | None]]

MOST_LISTED = 50  # names of a list
MOST_LOOKED_FOR = 100_000
# A model that is in several formats is counted once, in the first of these.
_COUNTED = (
    "safetensors", "gguf", "onnx", "tensorflow checkpoint", "openvino", "npz", "npy",
)  # fmt: skip
_PRECISION = re.compile(
    r"(?:[-._/]|\A)(?:fp?(?:16|32|8)|bf16|i?q\d\w*|tq\d_\d|u?int[48]|quantized|bnb4|mxfp4\w*)"
    r"(?=[-._/]|\Z)",
    re.IGNORECASE,
)
_FORMATS = {
    "safetensors": Framework.pytorch,
    "pytorch": Framework.pytorch,
    "torch checkpoint index": Framework.pytorch,
    "torchscript": Framework.torchscript,
    "savedmodel": Framework.tensorflow,
    "tensorflow checkpoint": Framework.tensorflow,
    "keras": Framework.keras,
    "openvino": Framework.openvino,
    "onnx": Framework.onnx,
    "gguf": "GGUF",
}
# These endings are those of tokenizers, configurations, data and scalers, too.
_OTHER_USES = (
    ".model", ".cfg", ".prototxt", ".meta", ".pbtxt", ".pb", ".pkl", ".joblib", ".parquet", ".npz",
    "model.json", ".h5", ".hdf5",
)  # fmt: skip


def package_facts(files: Files) -> Facts:
    """Return the facts about a package as JSON values.

    Args:
        files: its files, each with what is inside it (`contents.inside`); None if that is not
            known.

    Returns:
        ``files`` and ``bytes``; ``formats`` with the number of files of each; ``parameters`` and
        ``dtypes``, of one format if the model is in several; ``architecture`` and the like if one
        file says it; ``pickles`` with the worst verdict; ``problems``: files that are damaged;
        ``missing``: names of files that it needs and lacks.
    """
    known = [(file, facts) for file, facts in files if facts]
    formats = Counter(str(facts["format"]) for _, facts in known)
    if len(files) > len(known):
        formats["other"] = len(files) - len(known)
    facts: Facts = {
        "format": "package",
        "files": len(files),
        "bytes": sum(file.size for file, _ in files),
        "formats": dict(formats.most_common()),
    }
    facts |= _parameters(known)
    facts |= _said_once(known)
    facts |= _pickles([facts for _, facts in known])
    damaged = [file.path for file, facts in known if "problem" in facts]
    missing = list(_missing(files))
    for name, paths in (("problems", damaged), ("missing", missing)):
        if paths:
            facts[name] = sorted(paths)[:MOST_LISTED]
        if len(paths) > MOST_LISTED:
            facts[f"more_{name}"] = len(paths) - MOST_LISTED
    return facts


def framework_of(facts: Facts | None, names: Iterable[str]) -> str | None:
    """Return the framework of a package; None if its files suggest none.

    Args:
        facts: as `package_facts` returns them; None if they are not known.
        names: the paths of its files.

    >>> framework_of(None, ["config.json", "model.safetensors"])
    'PyTorch'
    """
    formats = (facts or {}).get("formats")
    if isinstance(formats, dict):
        for name, framework in _FORMATS.items():
            if name in formats:
                return framework
    found = [(name, infer_framework(name)) for name in names]
    for sure in (True, False):
        frameworks = Counter(
            framework
            for name, framework in found
            if framework is not None and sure != name.lower().endswith(_OTHER_USES)
        )
        if len(frameworks) == 1 or (frameworks and sure):
            return frameworks.most_common(1)[0][0]
    return None


def _parameters(known: list[tuple[PackageFile, Facts]]) -> Facts:
    """Return the number of parameters of one format.

    Files whose names differ only in the precision are the same model: the largest counts.
    """
    for name in _COUNTED:
        variants: dict[str, dict[str, list[Facts]]] = defaultdict(lambda: defaultdict(list))
        for file, facts in known:
            if facts["format"] == name and isinstance(facts.get("parameters"), int):
                whole = _without_part(file.path)
                variants[_PRECISION.sub("", whole)][whole].append(facts)
        counted = [max(same.values(), key=_sum) for same in variants.values()]
        if not counted:
            continue
        dtypes: Counter[str] = Counter()
        for facts in (facts for group in counted for facts in group):
            found = facts.get("dtypes")
            dtypes.update(found if isinstance(found, dict) else {})
            if "dtype" in facts:
                dtypes[str(facts["dtype"])] += _count(facts)
        total = sum(_sum(group) for group in counted)
        return {"parameters": total, "dtypes": dict(sorted(dtypes.items())), "counted": name}
    return {}


def _without_part(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    part = part_of(name)
    return path if part is None else f"{folder}{slash}{part[0].rstrip('-.')}{part[3]}"


def _count(facts: Facts) -> int:
    found = facts.get("parameters")
    return found if isinstance(found, int) else 0


def _sum(group: list[Facts]) -> int:
    return sum(map(_count, group))


def _said_once(known: list[tuple[PackageFile, Facts]]) -> Facts:
    """Return what the files agree on, or only one of the outermost files says."""
    found: Facts = {}
    for name in ("architecture", "model_type", "quantization", "context_length"):
        said = [(file.path.count("/"), facts[name]) for file, facts in known if name in facts]
        outermost = min((depth for depth, _ in said), default=0)
        values = {value for depth, value in said if depth == outermost}
        if len(values) == 1:
            found[name] = values.pop()
    return found


def _pickles(known: list[Facts]) -> Facts:
    """Return the number of pickles, and the worst verdict on them."""
    with_pickles = [facts for facts in known if "pickle" in facts]
    if not with_pickles:
        return {}
    counts = [facts.get("pickles", 1) for facts in with_pickles]
    found: Facts = {"pickles": sum(each for each in counts if isinstance(each, int))}
    verdicts = [str(facts["pickle"]) for facts in with_pickles]
    if FLAGGED in verdicts:
        flagged = [facts for facts in with_pickles if facts["pickle"] == FLAGGED]
        names = {str(name) for facts in flagged for name in _list(facts.get("flagged"))}
        scanner = flagged[0].get("scanner")
        return (
            found
            | {"pickle": FLAGGED, "flagged": sorted(names)[:MOST_NAMES]}
            | ({} if scanner is None else {"scanner": scanner})
        )
    if UNSCANNED in verdicts:
        why = next(facts.get("why") for facts in with_pickles if facts["pickle"] == UNSCANNED)
        return found | {"pickle": UNSCANNED} | ({} if why is None else {"why": why})
    return found | {"pickle": verdicts[0]}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _missing(files: Files) -> Iterator[str]:
    """Yield the paths that the package needs and lacks, each once."""
    sizes = {file.path: file.size for file, _ in files}
    seen: set[str] = set()
    sets: set[tuple[str, str, int, str]] = set()
    for file, facts in files:
        folder, _, name = file.path.rpartition("/")
        first = None
        part = part_of(name)
        if part is not None:
            before, _, count, after = part
            if (folder, before, count, after) in sets:  # its parts were looked for
                continue
            sets.add((folder, before, count, after))
            zero = joined(folder, f"{before}00000-of-{count:05}{after}")
            first = 0 if zero in sizes else None
        for needed in needed_files(name, facts or {}, first):
            path = joined(folder, needed.name)
            shown = needed.name if path is None else path
            if shown in seen:
                continue
            if len(seen) == MOST_LOOKED_FOR:
                return
            seen.add(shown)
            if needed.name.startswith("*"):
                ends = [each for each in sizes if each.endswith(needed.name[1:])]
                if not any(each.rpartition("/")[0] == folder for each in ends):
                    yield shown
            elif path is None or path not in sizes:
                yield shown
            elif sizes[path] < needed.size:
                yield f"{path} ({sizes[path]:,} of {needed.size:,} bytes)"
