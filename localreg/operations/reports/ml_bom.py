"""A model as a bill of materials for auditors: CycloneDX 1.6, as JSON.

It says what a model is made of (files and their sha256), where it comes from (parent models, data
sets, the task that made it), under which licences it is, who signed it, and what the scan of its
pickles found.

The same registry gives the same text: there is no time of now in it, and its serial number is
computed from the model's id, its newest event and the rest of what it says.

The library that writes it knows no model cards and no formulation, so these are added to its JSON.
So are files, since it compares all components with each other: 10,000 took 6 s and 200 MB.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from uuid import UUID, uuid5

from localreg.errors import MissingPackageError
from localreg.operations import datasets
from localreg.operations.finding import values
from localreg.operations.finding.upstream import Found, read_each, why_absent
from localreg.operations.models.details import Details, model_details
from localreg.operations.models.written_card import CARD, written_card
from localreg.operations.reports.cards import hub_name, task_name
from localreg.operations.trust.shown import Shown, shown_signatures
from localreg.operations.weights.files import Files, ModelFile, files_of
from localreg.registry import Chain
from localreg.store.rows import event_rows, gate_rows, model_rows, task_rows
from localreg.values import dataset_names
from localreg.values.datasets import DatasetFile
from localreg.values.frozen import Frozen
from localreg.values.metrics import MONITORED
from localreg.values.records import Json, ModelRecord, TaskRecord, WeightsRecord
from localreg.values.secrets import masked_text
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cyclonedx.model import ExternalReference, HashType, Property, XsUri
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import License
    from packageurl import PackageURL

    from localreg.operations.finding.values import Values
    from localreg.store.rows.model_rows import Connection

EXTRA = "pip install 'localreg[bom]'"
NAME = "bom.json"  # the name by which tools know such a file
_FIRST = ("$schema", "bomFormat", "specVersion", "serialNumber", "version", "metadata")
_LICENSES = ("license", "license_name", "license_link")
_IN_HEAD = re.compile(r"^(license(?:_name|_link)?)[ \t]*:[ \t]*(.*?)[ \t]*(?:#.*)?$", re.MULTILINE)
_OF_SSH = re.compile(r"((?:[\w.-]+@)?[\w.-]+\.[\w-]+):(?!//)/?(.+)", re.ASCII)
_URI = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(?:[\w.~!$&*+,;=:%-]*@)?[\w.~!$&*+,;=%-]*(?::[0-9]*)?(?:[/?#].*)?",
    re.ASCII,
)
_NOT_IN_URIS = re.compile(r"[^A-Za-z0-9\-._~:/?#@!$&()*+,;=%]|%(?![0-9A-Fa-f]{2})")


class Relative(Frozen):
    """A model or data set that a model comes from.

    Attributes:
        taken: True if the task that made the model took it as an input.
        record: None if it is in no registry here; then `absent` says why.
    """

    id: str
    taken: bool
    record: ModelRecord | None
    absent: str = ""

    @property
    def is_dataset(self) -> bool:
        """True if it is a version of a data set."""
        return self.record is not None and _is_dataset(self.record)


class Contents(Frozen):
    """What a bill of materials says of a model.

    Attributes:
        event: the id of its newest event.
        people: who made and published it, and when.
        head: the YAML head of its card.
        files: None if they are not known.
        maker: the task that made it, if it is known.
        relatives: what it comes from.
        signatures: those of its weights.
        gates: what the gates of its aliases ask for, and for which reasons one was overridden.
        links: of a data set, the files that are outside.
    """

    details: Details
    event: str
    people: Json
    values: Values
    head: str
    files: Files | None
    maker: TaskRecord | None
    relatives: tuple[Relative, ...]
    signatures: Shown
    gates: Json
    links: tuple[DatasetFile, ...]

    @property
    def record(self) -> ModelRecord:
        """The full record of the model."""
        return self.details.record


def ml_bom_text(chain: Chain, found: Found) -> str:
    """Return the bill of materials of a model, as JSON text.

    Raises:
        MissingPackageError: cyclonedx-python-lib is not installed.
        ModelNotFoundError: the model was removed.
    """
    if find_spec("cyclonedx") is None:
        raise MissingPackageError(
            "a bill of materials needs the package cyclonedx-python-lib, which is not installed: "
            f"{EXTRA}",
            package="cyclonedx-python-lib",
        )
    contents = _contents(chain, found)
    bom = _with_card(_document(contents), contents)
    text = json.dumps(bom, ensure_ascii=False, sort_keys=True)
    bom["serialNumber"] = uuid5(UUID(contents.record.id), f"{contents.event}\n{text}").urn
    ordered = {key: bom[key] for key in _FIRST} | bom
    return f"{json.dumps(ordered, ensure_ascii=False, indent=2)}\n"


def _contents(chain: Chain, found: Found) -> Contents:
    details = model_details(chain, found)
    record = details.record
    with found.registry.store.read() as connection:
        newest = event_rows.events(connection, found.id, limit=1)
        gates = dict(_gates(connection, record))
        people = dict(_people(connection, record))
    written = written_card(chain, found.registry, record)
    return Contents(
        details=details,
        event=newest[0].event_id if newest else "",
        people=people,
        values=values.model_values(found.registry, [found.id])[found.id],
        head=written.head if written else "",
        files=files_of(chain, details.weights),
        maker=_task(chain, record.task),
        relatives=tuple(_relatives(chain, found, record)),
        signatures=shown_signatures(chain, found),
        gates=gates,
        links=tuple(_links(chain, found)) if _is_dataset(record) else (),
    )


def _people(connection: Connection, record: ModelRecord) -> Iterator[tuple[str, object]]:
    created = event_rows.by_id(connection, record.id)
    published = event_rows.last_of_kind(connection, record.id, "model.published")
    for what, event in (("created", created), ("published", published)):
        if event is not None and (what == "created" or record.published):
            yield what, _iso(event.change.at)
            yield f"{what}-by", event.actor


def _gates(connection: Connection, record: ModelRecord) -> Iterator[tuple[str, object]]:
    line = (record.project.name if record.project else "", record.name)
    for alias in record.aliases:
        gate = gate_rows.gate(connection, line, alias)
        if gate is not None:
            yield f"gate:{alias}", ", ".join(gate.conditions)
        target = gate_rows.target(connection, line, alias)
        if target is not None and target.override is not None:
            yield f"override:{alias}", masked_text(target.override)


def _task(chain: Chain, task_id: str | None) -> TaskRecord | None:
    if task_id is None:
        return None
    return next(
        (each for _, each in read_each(chain, lambda one: task_rows.task(one, task_id)) if each),
        None,
    )


def _is_dataset(record: ModelRecord) -> bool:
    return dataset_names.TAG in record.system_tags


def _links(chain: Chain, found: Found) -> Iterator[DatasetFile]:
    """Yield the files of a data set that are outside."""
    files = datasets.contents.contents(chain, found)
    return (files[path] for path in sorted(files) if files[path].link is not None)


def _relatives(chain: Chain, found: Found, record: ModelRecord) -> Iterator[Relative]:
    parents: tuple[str, ...] = (record.parent,) if record.parent else ()
    if _is_dataset(record):
        parents = datasets.looking.row(found).parents
    related = dict.fromkeys(parents, False)
    if record.task:
        task = record.task
        for _, inputs in read_each(chain, lambda one: task_rows.models(one, task, "input")):
            related |= dict.fromkeys(inputs.values(), True)
    related.pop(record.id, None)
    for model_id, taken in related.items():
        known = _record(chain, model_id)
        absent = "" if known else why_absent(chain, model_id)
        yield Relative(model_id, taken, known, absent)


def _record(chain: Chain, model_id: str) -> ModelRecord | None:
    answers = read_each(chain, lambda one: model_rows.current_record(one, model_id))
    return next((each for _, each in answers if each is not None), None)


# The document, by the library.


def _document(contents: Contents) -> Json:
    """Return all that the library can write, as values of JSON."""
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.tool import ToolRepository
    from cyclonedx.output.json import JsonV1Dot6

    record = contents.record
    tool = Component(
        type=ComponentType.APPLICATION, name="localreg", version=metadata.version("localreg")
    )
    model = _model(contents)
    sets = [_relative(each) for each in contents.relatives if each.is_dataset]
    bom = Bom(
        metadata=BomMetaData(
            timestamp=_time(record.updated),
            tools=ToolRepository(components=[tool]),
            component=model,
        ),
        components=sets,
        serial_number=UUID(int=0),
    )
    if sets:
        bom.register_dependency(model, sets)
    made: Json = json.loads(JsonV1Dot6(bom).output_as_string())
    return made


def _model(contents: Contents) -> Component:
    from cyclonedx.model.component import Component, Pedigree

    record, weights = contents.record, contents.details.weights
    ancestors = [_relative(each) for each in contents.relatives if not each.is_dataset]
    project, version = _line(record)
    return Component(
        type=_kind(record),
        bom_ref=record.id,
        group=project,
        name=record.name,
        version=version,
        description=masked_text(record.comment or "") or None,
        hashes=_hashes(weights),
        licenses=_licenses_of(_license_fields(contents)),
        external_references=list(_references(contents)),
        pedigree=Pedigree(ancestors=ancestors) if ancestors else None,
        properties=list(_facts(contents)),
        tags=record.tags,
    )


def _relative(relative: Relative) -> Component:
    """Return a model or data set that a model comes from."""
    from cyclonedx.model.component import Component, ComponentType

    record = relative.record
    if record is None:
        return Component(
            type=ComponentType.MACHINE_LEARNING_MODEL,
            bom_ref=relative.id,
            name=relative.id,
            properties=_properties({"id": relative.id, "absent": relative.absent}),
        )
    weights = record.current_weights
    project, version = _line(record)
    return Component(
        type=_kind(record),
        bom_ref=relative.id,
        group=project,
        name=record.name,
        version=version,
        hashes=_hashes(weights),
        purl=_purl(weights),
        properties=_properties({"id": record.id, **_digest(weights)}),
    )


def _kind(record: ModelRecord) -> ComponentType:
    from cyclonedx.model.component import ComponentType

    kinds = ComponentType
    return kinds.DATA if _is_dataset(record) else kinds.MACHINE_LEARNING_MODEL


def _line(record: ModelRecord) -> tuple[str | None, str]:
    """Return the project and the version of a model, or of a data set as people know them."""
    project = record.project.name if record.project else None
    if not _is_dataset(record):
        return project, str(record.version or "")
    named = record.metadata.get(dataset_names.VERSION)
    shown = dataset_names.shown_project(project) or None
    return shown, named.value if named else str(record.version or "")


def _hashes(weights: WeightsRecord) -> Sequence[HashType]:
    """Return the hash of a single file; a package has one for each file, and its own digest."""
    return [_sha256(weights.digest)] if weights.digest and not weights.tree else ()


def _sha256(digest: str) -> HashType:
    from cyclonedx.model import HashAlgorithm, HashType

    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _digest(weights: WeightsRecord) -> Json:
    return {"package-digest": weights.digest} if weights.tree and weights.digest else {}


def _purl(weights: WeightsRecord) -> PackageURL | None:
    from packageurl import PackageURL

    name = hub_name(weights.url) if weights.url else None
    if name is None:
        return None
    owner, _, short = name.partition("/")
    return PackageURL("huggingface", owner, short)


def _facts(contents: Contents) -> list[Property]:
    record, weights = contents.record, contents.details.weights
    single = {} if weights.tree else _inside(contents.details.facts or {})
    facts = {
        "id": record.id,
        "event": contents.event,
        "framework": record.framework,
        "state": _state(record),
        **contents.people,
        "file": None if weights.tree else weights.filename,
        "size": weights.bytes,
        **_digest(weights),
        **single,
        "scan": _scan(contents.details.facts or {}) if weights.tree else None,
        "signatures-not-checked": contents.signatures.unchecked,
    }
    found = {f"metadata:{key}": value for key, value in contents.values.metadata.items()
             if key != CARD}  # fmt: skip
    aliases = [{"alias": each} for each in record.shown_aliases]
    return _properties(facts, found, *aliases, contents.gates)


def _state(record: ModelRecord) -> str:
    if record.contested:
        return "contested"
    return "published" if record.published else "draft"


def _inside(facts: Json) -> Json:
    """Return the format of a file, and what the scan of its pickles found."""
    return {"format": facts.get("format"), "scan": _scan(facts)}


def _scan(facts: Json) -> str | None:
    """Return what the scan of pickles found, as text; None without pickles."""
    verdict = facts.get("pickle")
    if verdict is None:
        return None
    flagged = facts.get("flagged")
    if isinstance(flagged, list):
        return f"{verdict}: {', '.join(map(str, flagged))}"
    return f"{verdict}: {facts['why']}" if "why" in facts else str(verdict)


def _properties(*facts: Json) -> list[Property]:
    from cyclonedx.model import Property

    return [Property(**each) for some in facts for each in _pairs(some)]


def _text(value: object) -> str:
    if isinstance(value, list | dict | bool):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _time(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC)


def _uri(text: str) -> XsUri | None:
    """Return a URL with the characters escaped that URLs do not have; None for other texts.

    >>> str(_uri("https://example.org/a[b]#c")), str(_uri("git@example.org:me/net.git"))
    ('https://example.org/a%5Bb%5D#c', 'ssh://git@example.org/me/net.git')
    >>> _uri("/srv/net.git")
    """
    from cyclonedx.model import XsUri

    of_ssh = _OF_SSH.fullmatch(text)
    base, mark, fragment = (f"ssh://{of_ssh[1]}/{of_ssh[2]}" if of_ssh else text).partition("#")
    escaped = _NOT_IN_URIS.sub(
        lambda found: "".join(map("%{:02X}".format, found[0].encode("utf-8", "replace"))),
        f"{base}{mark}{fragment.replace('#', '%23')}",
    )
    return XsUri(escaped) if _URI.fullmatch(escaped) else None


def _references(contents: Contents) -> Iterator[ExternalReference]:
    """Yield the signatures, where the weights come from, and the source code of the task."""
    from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri

    for each in contents.signatures.signatures:
        by = f"by the trusted key {each.signer}" if each.valid else f"by {each.signer}"
        why = "" if each.valid else f", which does not count: {each.reason}"
        yield ExternalReference(
            type=ExternalReferenceType.DIGITAL_SIGNATURE,
            url=XsUri(f"sha256:{each.digest}"),
            comment=f"OpenSSF Model Signing, {by} ({each.key}){why}",
            hashes=[_sha256(each.digest)],
        )
    given = contents.details.weights.url
    url = _uri(public_url(given)) if given and not given.startswith("file:") else None
    if url is not None:
        yield ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=url)
    run = contents.maker.run if contents.maker else {}
    repository, commit = run.get("repository"), run.get("commit")
    source = _uri(masked_text(repository)) if isinstance(repository, str) else None
    if source is not None:
        comment = f"commit {commit}" if commit else None
        yield ExternalReference(type=ExternalReferenceType.VCS, url=source, comment=comment)


# Licences.


def _licenses_of(named: Json) -> list[License]:
    """Return the licences that metadata or the head of a card names."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.license import DisjunctiveLicense, LicenseAcknowledgement

    given = named.get("license")
    texts = [str(each).strip() for each in (given if isinstance(given, list) else [given]) if each]
    name, link = str(named.get("license_name") or "").strip(), str(named.get("license_link") or "")
    declared = LicenseAcknowledgement.DECLARED
    url = _uri(link)
    make = LicenseFactory()
    texts = list(dict.fromkeys(filter(None, texts)))
    if texts in ([], ["other"]) and name:
        return [make.make_with_name(name, url=url, acknowledgement=declared)]
    if len(texts) == 1:
        return [make.make_from_string(texts[0], license_url=url, license_acknowledgement=declared)]
    # Beside others there can be no expression.
    found = [make.make_from_string(each, license_acknowledgement=declared) for each in texts]
    return [
        each if isinstance(each, DisjunctiveLicense)
        else make.make_with_name(text, acknowledgement=declared)
        for text, each in zip(texts, found, strict=True)
    ]  # fmt: skip


def _license_fields(contents: Contents) -> Json:
    known = contents.values.metadata
    if any(known.get(key) for key in _LICENSES):
        return {key: known.get(key) for key in _LICENSES}
    return dict(_fields_of_head(contents.head))


def _fields_of_head(head: str) -> Iterator[tuple[str, object]]:
    r"""Yield the fields of a head in YAML that are about licences.

    >>> dict(_fields_of_head("license: 'mit'  # yes\ntags: [a]\nlicense_name: My own\n"))
    {'license': 'mit', 'license_name': 'My own'}
    >>> dict(_fields_of_head("license: [mit, apache-2.0]"))
    {'license': ['mit', 'apache-2.0']}
    >>> dict(_fields_of_head("license:\n  - mit\n- apache-2.0\ntags: x"))
    {'license': ['mit', 'apache-2.0']}
    """
    for found in _IN_HEAD.finditer(head):
        key, text = found[1], found[2]
        if text.startswith("["):
            yield key, [_unquoted(each) for each in text.strip("[]").split(",")]
        elif text:
            yield key, _unquoted(text)
        else:
            below = re.match(r"(?:\s*-[ \t]+.*\n?)+", head[found.end() :])
            if below:
                yield key, [_unquoted(each.strip()[1:]) for each in below[0].strip().splitlines()]


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


# What the library does not know.


def _with_card(bom: Json, contents: Contents) -> Json:
    """Return a document with the model card, the data sets, how it was made, and completeness."""
    record, sets = contents.record, [each for each in contents.relatives if each.is_dataset]
    model = bom["metadata"]["component"]
    if contents.details.weights.tree and contents.files is not None:
        model["components"] = [_file(record.id, each) for each in contents.files.files]
    if contents.links:
        links = [_link(record.id, each) for each in contents.links]
        model["components"] = [*model.get("components", ()), *links]
    if _is_dataset(record):
        model["data"] = [_data(record)]
    else:
        model["modelCard"] = _card(contents, sets)
    named = {each.id: each.record for each in sets}
    for component in bom.get("components", ()):
        known = named.get(component["bom-ref"])
        if known is not None:
            component["data"] = [_data(known)]
    if contents.maker is not None:
        bom["formulation"] = [{"workflows": [_workflow(contents, contents.maker)]}]
    complete = "complete" if contents.files else "unknown"
    bom["compositions"] = [{"aggregate": complete, "assemblies": [record.id]}]
    return bom


def _data(record: ModelRecord) -> Json:
    """Return what a data set says of itself."""
    found: Json = {"type": "dataset", "name": record.name}
    comment = masked_text(record.comment or "")
    return found | ({"description": comment} if comment else {})


def _file(model_id: str, file: ModelFile) -> Json:
    facts = {"size": file.size, **_inside(file.facts)}
    return {
        "type": "file",
        "bom-ref": f"{model_id}/{file.path}",
        "name": file.path,
        "hashes": [{"alg": "SHA-256", "content": file.digest}],
        "properties": [*_pairs(facts)],
    }


def _link(model_id: str, file: DatasetFile) -> Json:
    """Return a file of a data set that is outside."""
    shown = public_url(file.link or "")
    url = None if shown.startswith("file:") else _uri(shown)
    found: Json = {
        "type": "file",
        "bom-ref": f"{model_id}/{file.path}",
        "name": file.path,
        "hashes": [{"alg": "SHA-256", "content": file.digest}] if file.digest else None,
        "externalReferences": [{"type": "distribution", "url": str(url)}] if url else None,
        "properties": [*_pairs({"size": file.size, "outside": True})],
    }
    return {key: value for key, value in found.items() if value}


def _pairs(facts: Json) -> Iterator[Json]:
    for name, value in facts.items():
        if value is not None:
            yield {"name": f"localreg:{name}", "value": _text(value)}


def _card(contents: Contents, sets: Sequence[Relative]) -> Json:
    known = contents.values.metadata
    facts = contents.details.facts or {}
    architecture = facts.get("architecture")
    parameters: Json = {
        "task": known.get("pipeline_tag") or task_name(str(architecture or "")),
        "architectureFamily": facts.get("model_type"),
        "modelArchitecture": architecture,
        "datasets": [{"ref": each.id} for each in sets] + _hub_datasets(known.get("datasets")),
        "inputs": _formats(facts.get("inputs")),
        "outputs": _formats(facts.get("outputs")),
    }
    metrics = [
        {"type": name, "value": "nan" if each.last is None else repr(each.last)}
        for name, each in contents.values.metrics.items()
        if not name.startswith(tuple(f"{title}/" for title in MONITORED))
    ]
    hyper = contents.values.parameters.items()
    card: Json = {
        "modelParameters": {
            key: value if isinstance(value, list) else _text(value)
            for key, value in parameters.items()
            if value
        },
        "quantitativeAnalysis": {"performanceMetrics": metrics} if metrics else None,
        "properties": [*_pairs({f"parameter:{name}": value for name, value in hyper})],
    }
    return {key: value for key, value in card.items() if value}


def _hub_datasets(given: object) -> list[Json]:
    names = given if isinstance(given, list) else [given]
    return [{"type": "dataset", "name": str(each)} for each in names if each]


def _formats(given: object) -> list[Json]:
    """Return inputs or outputs of a model, as its file names them."""
    found = given if isinstance(given, list) else []
    texts = []
    for each in found:
        if isinstance(each, dict):
            shape = each.get("shape")
            sizes = f" [{', '.join(map(str, shape))}]" if isinstance(shape, list) else ""
            texts.append(f"{each.get('name', '')} {each.get('dtype', '')}".strip() + sizes)
        else:
            texts.append(str(each))
    return [{"format": each} for each in texts]


def _workflow(contents: Contents, task: TaskRecord) -> Json:
    """Return the task that made a model."""
    made: Json = {
        "bom-ref": f"task:{task.id}",
        "uid": task.id,
        "name": task.name,
        "description": masked_text(task.comment or ""),
        "taskTypes": ["other"],
        "inputs": [{"resource": {"ref": each.id}} for each in contents.relatives if each.taken],
        "outputs": [{"type": "artifact", "resource": {"ref": contents.record.id}}],
        "timeStart": _iso(task.created),
        "timeEnd": None if task.ended is None else _iso(task.ended),
        "properties": [*_pairs({"type": task.type, "status": task.status, **_code(task)})],
    }
    return {key: value for key, value in made.items() if value}


def _code(task: TaskRecord) -> Json:
    run = task.run
    known = {name: run[name] for name in ("python", "commit", "branch") if run.get(name)}
    return known | ({"uncommitted-changes": True} if run.get("changed") else {})


def _iso(microseconds: int) -> str:
    return _time(microseconds).isoformat()
