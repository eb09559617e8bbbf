-- The schema of a new registry, format 1. The docstring of localreg.store gives the reasons. It is
-- frozen: a change here needs a migration in migrations.py, a test of it, and a higher FORMAT_VERSION.
-- Times are microseconds since 1970, UTC, unless a comment says otherwise: what the clock said, to be
-- shown. A `stamp` gives the order: it grows with every change, even if the clock goes back.

-- `registry_id`, `journal` ("wal" or "truncate"), `shared` (name of a group of users), `origin` (the
-- id that new events carry), `machine` and `inode` (where it was then: a copy gets another origin),
-- and what users set (`origin.name` and others).
CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- A project is its name; of several ids that registries gave to one name, all are in `project_id`.
-- Project 0 is "no project".
CREATE TABLE project (
    pk INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL
);
INSERT INTO project VALUES (0, '', '', 0);

CREATE TABLE project_id (
    id TEXT NOT NULL PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES project (pk)
) WITHOUT ROWID;
CREATE INDEX project_id_project ON project_id (project);

-- Who claims which version number: by being created, moved or renumbered. A claim stays when the
-- model is removed or moved away, so that a number never comes to mean another model in silence. The
-- next number is 1 + the largest here. `released` 1: the model gave the number up.
-- `event`: the id of the event that claims; its place in the order is that of the claim.
CREATE TABLE claim (
    project INTEGER NOT NULL REFERENCES project (pk),
    name TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number > 0),
    model TEXT NOT NULL,
    released INTEGER NOT NULL CHECK (released IN (0, 1)),
    event TEXT NOT NULL,
    PRIMARY KEY (project, name, number, model)
) WITHOUT ROWID;
CREATE INDEX claim_model ON claim (model);

-- `task` and `parent` are ids as text: they stay when the task or model is removed, and a parent may
-- be a model of an upstream registry. `birth` is the stamp of the creation, `stamp` that of the last
-- change; `created` and `updated` are the times of both. Two registries may have given one version
-- number twice, and merged. `contested` 1: it was published twice, with different content.
CREATE TABLE model (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (length(id) = 32),
    name TEXT NOT NULL,
    project INTEGER NOT NULL REFERENCES project (pk),
    version INTEGER NOT NULL CHECK (version > 0),
    comment TEXT,
    framework TEXT,
    package INTEGER NOT NULL CHECK (package IN (0, 1)),
    published INTEGER NOT NULL CHECK (published IN (0, 1)),
    contested INTEGER NOT NULL CHECK (contested IN (0, 1)),
    archived INTEGER NOT NULL CHECK (archived IN (0, 1)),
    task TEXT,
    parent TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    birth INTEGER NOT NULL,
    stamp INTEGER NOT NULL
);
CREATE INDEX model_version ON model (project, name, version);
CREATE INDEX model_newest ON model (stamp DESC, id);
CREATE INDEX model_newest_active ON model (stamp DESC, id) WHERE archived = 0;
CREATE INDEX model_birth ON model (birth);
CREATE INDEX model_name ON model (name, stamp DESC);
CREATE INDEX model_project ON model (project, stamp DESC);
CREATE INDEX model_task ON model (task) WHERE task IS NOT NULL;
CREATE INDEX model_parent ON model (parent) WHERE parent IS NOT NULL;
CREATE INDEX model_contested ON model (pk) WHERE contested = 1;

-- Removed models: `restore` needs their version numbers, and the id shows that one was removed.
CREATE TABLE tombstone (
    id TEXT NOT NULL PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES project (pk),
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    stamp INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX tombstone_name ON tombstone (project, name);

-- Models that are removed from this registry only: no event says so, and others keep them.
CREATE TABLE forgotten (
    model TEXT NOT NULL PRIMARY KEY
) WITHOUT ROWID;

-- Not in `model`, to keep its rows small. No row: no configuration and no labels.
CREATE TABLE design (
    model INTEGER PRIMARY KEY REFERENCES model (pk) ON DELETE CASCADE,
    config TEXT NOT NULL,
    labels TEXT NOT NULL
);

-- Bytes that are here, were here, or are upstream.
--   verified      when they were last hashed; NULL if never, or if they were damaged
--   ctime         the file's change time then, nanoseconds; while it is the same, no one wrote to it
--   sample        a digest of the first and last bytes: a file with another one is another file
--   unreferenced  since when nothing refers to them; 0: their deletion was asked for
--   facts         JSON: what their headers say
--   upstream      the directory of the upstream registry that keeps them; NULL if they came here
--   total         of the manifest of a package: the bytes of its files; NULL for any other blob
CREATE TABLE blob (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 64 AND digest NOT GLOB '*[^0-9a-f]*'),
    size INTEGER NOT NULL CHECK (size >= 0),
    added INTEGER NOT NULL,
    verified INTEGER,
    ctime INTEGER,
    sample TEXT,
    unreferenced INTEGER,
    facts TEXT,
    upstream TEXT,
    total INTEGER CHECK (total >= 0)
);
CREATE INDEX blob_size ON blob (size);
CREATE INDEX blob_total ON blob (total) WHERE total IS NOT NULL;

-- The files of packages, as their manifests list them. `tree` is the blob of the manifest. `blob` is
-- NULL for an empty folder.
CREATE TABLE tree_file (
    tree INTEGER NOT NULL REFERENCES blob (pk) ON DELETE CASCADE,
    path TEXT NOT NULL,
    blob INTEGER REFERENCES blob (pk),
    size INTEGER NOT NULL CHECK (size >= 0),
    executable INTEGER NOT NULL CHECK (executable IN (0, 1)),
    PRIMARY KEY (tree, path)
) WITHOUT ROWID;
CREATE INDEX tree_file_blob ON tree_file (blob) WHERE blob IS NOT NULL;

-- The packages that archives were unpacked to, by the sha256 of the archive, which need not be here.
-- They are a cache, like `url`. `made` is 1 for the zip that localreg itself makes of a package.
CREATE TABLE unpacked (
    archive TEXT NOT NULL PRIMARY KEY
        CHECK (length(archive) = 64 AND archive NOT GLOB '*[^0-9a-f]*'),
    tree INTEGER NOT NULL REFERENCES blob (pk) ON DELETE CASCADE,
    made INTEGER NOT NULL CHECK (made IN (0, 1))
) WITHOUT ROWID;
CREATE INDEX unpacked_tree ON unpacked (tree);

-- Digests of files outside the registry. Adding an unchanged file again costs one stat. For a folder:
-- the digest of its package; `size` is the number of entries, `modified` and `changed` are a digest
-- of their names and of the facts of their files.
CREATE TABLE known_file (
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (device, inode)
) WITHOUT ROWID;

-- The revisions of a model's weights.
--   id        of the event that added it; the first revision has the id of its model
--   revision  its number, for people; registries that merged may both have given one
--   url       where they come from; NULL if the file was added
--   pinned    the sha256 that the user required
--   kept      1: the registry must keep the bytes; 0: they are a cache of what `url` serves
--   uploaded  1: the registry uploaded them to `url`
--   current   1: the revision that the model has now
--   package   1: the model is a package while this revision is current
--   tree      1: `blob` is the manifest of a package
--   archive   the sha256 of the archive that `url` serves, if it serves the package as one
--   archive_size   the number of bytes of that archive
CREATE TABLE weights (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    model INTEGER NOT NULL REFERENCES model (pk) ON DELETE CASCADE,
    id TEXT NOT NULL CHECK (length(id) = 32),
    revision INTEGER NOT NULL,
    url TEXT,
    blob INTEGER REFERENCES blob (pk),
    filename TEXT,
    pinned TEXT CHECK (length(pinned) = 64),
    kept INTEGER NOT NULL CHECK (kept IN (0, 1)),
    uploaded INTEGER NOT NULL CHECK (uploaded IN (0, 1)),
    current INTEGER NOT NULL CHECK (current IN (0, 1)),
    package INTEGER NOT NULL CHECK (package IN (0, 1)),
    tree INTEGER NOT NULL CHECK (tree IN (0, 1)),
    archive TEXT CHECK (length(archive) = 64),
    archive_size INTEGER CHECK (archive_size >= 0),
    at INTEGER NOT NULL,
    UNIQUE (model, id)
);
CREATE UNIQUE INDEX weights_current ON weights (model) WHERE current = 1;
CREATE INDEX weights_later ON weights (model, revision) WHERE revision > 1;
CREATE INDEX weights_url ON weights (url) WHERE url IS NOT NULL;
CREATE INDEX weights_blob ON weights (blob) WHERE blob IS NOT NULL;

-- The files of data sets that are not finalized, as they are now: on this machine only, without events.
-- Finalizing makes a package of them. `changes` grows with each change; `stored` is what it was when
-- the files became weights of the model. The sums are what changed since the data set was made.
CREATE TABLE open_dataset (
    model INTEGER PRIMARY KEY REFERENCES model (pk) ON DELETE CASCADE,
    changes INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    added INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    removed INTEGER NOT NULL
);

-- `link` is the URL of a file that is outside; then `blob` is NULL, `size` and `digest` are what is
-- known of it, and may be NULL. Of other files `digest` is NULL: it is that of the blob.
CREATE TABLE open_dataset_file (
    model INTEGER NOT NULL REFERENCES open_dataset (model) ON DELETE CASCADE,
    path TEXT NOT NULL,
    blob INTEGER REFERENCES blob (pk),
    size INTEGER CHECK (size >= 0),
    executable INTEGER NOT NULL CHECK (executable IN (0, 1)),
    link TEXT,
    digest TEXT CHECK (length(digest) = 64),
    PRIMARY KEY (model, path)
) WITHOUT ROWID;
CREATE INDEX open_dataset_file_blob ON open_dataset_file (blob) WHERE blob IS NOT NULL;

-- What a process writes outside the registry's directory, or is about to delete there. The
-- transaction that records the weights deletes the row; gc deletes what others left.
--   id        part of the name of the unfinished file; in the metadata of the object
--   url       where it goes; in a folder, other bytes of this name change the name a little
--   owner     the mark of the process
--   modified  mtime of the file in nanoseconds: one with another mtime is not ours; NULL for objects
--   etag      of an object that is deleted; NULL for uploads
CREATE TABLE upload (
    id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    url TEXT NOT NULL,
    owner TEXT NOT NULL,
    at INTEGER NOT NULL,
    modified INTEGER,
    etag TEXT
) WITHOUT ROWID;

-- URLs that no event may hold: they have a secret, or a path of this machine. They stay when their
-- model is removed, so that it can be restored completely. `revision` is the id of weights.
CREATE TABLE private_url (
    revision TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL
) WITHOUT ROWID;

-- `model` is an id as text: what was set last. It is the target only while there is such a model of
-- this project and name: readers look.
--   gate      the id of the event that made the gate which the model passed when the alias was set
--   override  the reason for which it was set although the model did not pass; else NULL
CREATE TABLE alias (
    project INTEGER NOT NULL REFERENCES project (pk),
    name TEXT NOT NULL,
    alias TEXT NOT NULL,
    model TEXT NOT NULL,
    gate TEXT,
    override TEXT,
    PRIMARY KEY (project, name, alias)
) WITHOUT ROWID;
CREATE INDEX alias_model ON alias (model);

-- What a model must have, so that the alias may be set to it. `conditions`: JSON, a list of texts.
-- `event`: the id of the event that made it. While `alias.gate` is another one, the alias is held:
-- it was set without this check, and it leads to no model.
CREATE TABLE gate (
    project INTEGER NOT NULL REFERENCES project (pk),
    name TEXT NOT NULL,
    alias TEXT NOT NULL,
    conditions TEXT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (project, name, alias)
) WITHOUT ROWID;

-- Aliases that came from another registry without a check, and were checked here since: the model
-- passed the gate. Then the alias is not held here.
CREATE TABLE gate_passed (
    project INTEGER NOT NULL REFERENCES project (pk),
    name TEXT NOT NULL,
    alias TEXT NOT NULL,
    model TEXT NOT NULL,
    gate TEXT NOT NULL,
    PRIMARY KEY (project, name, alias)
) WITHOUT ROWID;

-- The alias events that name a model, for its history.
CREATE TABLE alias_event (
    model TEXT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (model, event)
) WITHOUT ROWID;

-- The signatures of models. Each is a file in the format of OpenSSF Model Signing, kept as a blob.
--   id      of the event that recorded it
--   digest  of the weights that were signed: of other weights of the model it says nothing
--   signer  which key or certificate it names; "" for none. Only a check shows that it is true
CREATE TABLE signature (
    model INTEGER NOT NULL REFERENCES model (pk) ON DELETE CASCADE,
    id TEXT NOT NULL CHECK (length(id) = 32),
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    blob INTEGER NOT NULL REFERENCES blob (pk),
    signer TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (model, id)
) WITHOUT ROWID;
CREATE INDEX signature_blob ON signature (blob);

-- The keys and certificates that this registry trusts. They never come from another registry.
--   id    of a key the sha256 of its PEM text; of a certificate that of its DER bytes
--   pem   the public key, or the certificate of an authority
CREATE TABLE trusted_key (
    id TEXT NOT NULL PRIMARY KEY
        CHECK (length(id) = 64 AND id NOT GLOB '*[^0-9a-f]*'),
    kind TEXT NOT NULL CHECK (kind IN ('key', 'certificate')),
    name TEXT NOT NULL UNIQUE,
    pem TEXT NOT NULL,
    added INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE tag (
    pk INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    system INTEGER NOT NULL CHECK (system IN (0, 1)),
    UNIQUE (name, system)
);

-- A tag is there while one addition is that no drop saw. `born` 1: that of the event which created
-- the model is; later ones are in `addition`.
CREATE TABLE model_tag (
    model INTEGER NOT NULL REFERENCES model (pk) ON DELETE CASCADE,
    tag INTEGER NOT NULL REFERENCES tag (pk),
    stamp INTEGER NOT NULL,
    born INTEGER NOT NULL CHECK (born IN (0, 1)),
    PRIMARY KEY (model, tag)
) WITHOUT ROWID;
CREATE UNIQUE INDEX model_tag_newest ON model_tag (tag, stamp DESC, model);

-- The events that added a tag after the model or task was made, without those that a drop saw.
CREATE TABLE addition (
    subject TEXT NOT NULL,
    tag INTEGER NOT NULL REFERENCES tag (pk),
    event TEXT NOT NULL,
    PRIMARY KEY (subject, tag, event)
) WITHOUT ROWID;

-- `number`: what the value is if it is the text of a number, else NULL; orders and comparisons read
-- it by its index. It is a column, and no index on an expression: SQLite's versions round some texts
-- differently, and an index that was written by another version would seem damaged.
CREATE TABLE metadata (
    model INTEGER NOT NULL REFERENCES model (pk) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    type TEXT NOT NULL,
    number NUMERIC CHECK (typeof(number) IN ('null', 'integer', 'real')),
    PRIMARY KEY (model, key)
) WITHOUT ROWID;
CREATE INDEX metadata_value ON metadata (key, value, model);
CREATE INDEX metadata_number ON metadata (key, number, model) WHERE number IS NOT NULL;

CREATE TABLE task (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (length(id) = 32),
    project INTEGER NOT NULL REFERENCES project (pk),
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    published INTEGER NOT NULL CHECK (published IN (0, 1)),
    progress INTEGER CHECK (progress BETWEEN 0 AND 100),
    comment TEXT,
    parent TEXT,
    run TEXT NOT NULL,
    created INTEGER NOT NULL,
    ended INTEGER,
    updated INTEGER NOT NULL,
    stamp INTEGER NOT NULL
);
CREATE INDEX task_newest ON task (stamp DESC, id);
CREATE INDEX task_name ON task (name, project, stamp DESC);
CREATE INDEX task_project ON task (project, stamp DESC);
CREATE INDEX task_status ON task (status, stamp DESC);

CREATE TABLE task_design (
    task INTEGER PRIMARY KEY REFERENCES task (pk) ON DELETE CASCADE,
    config TEXT NOT NULL,
    labels TEXT NOT NULL
);

-- The input and output models of tasks, by name. `model` is an id as text: the entry stays when the
-- model is removed.
CREATE TABLE task_model (
    task INTEGER NOT NULL REFERENCES task (pk) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('input', 'output')),
    name TEXT NOT NULL,
    model TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    PRIMARY KEY (task, role, name)
) WITHOUT ROWID;
CREATE INDEX task_model_use ON task_model (model, role, stamp DESC);

CREATE TABLE task_tag (
    task INTEGER NOT NULL REFERENCES task (pk) ON DELETE CASCADE,
    tag INTEGER NOT NULL REFERENCES tag (pk),
    born INTEGER NOT NULL CHECK (born IN (0, 1)),
    PRIMARY KEY (task, tag)
) WITHOUT ROWID;
CREATE INDEX task_tag_tasks ON task_tag (tag, task);

-- Facts of a run that are valid on this machine only (JSON): paths, arguments, the process. Like
-- `private_url` it is not part of the events.
CREATE TABLE task_place (
    task TEXT NOT NULL PRIMARY KEY,
    place TEXT NOT NULL
) WITHOUT ROWID;

-- The named configurations of a task. The configuration for its models is in `task_design`.
CREATE TABLE configuration (
    task INTEGER NOT NULL REFERENCES task (pk) ON DELETE CASCADE,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (task, name)
) WITHOUT ROWID;

CREATE TABLE parameter (
    task INTEGER NOT NULL REFERENCES task (pk) ON DELETE CASCADE,
    section TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    type TEXT NOT NULL,
    PRIMARY KEY (task, section, name)
) WITHOUT ROWID;
CREATE INDEX parameter_name ON parameter (name, section);

CREATE TABLE artifact (
    task INTEGER NOT NULL REFERENCES task (pk) ON DELETE CASCADE,
    name TEXT NOT NULL,
    blob INTEGER NOT NULL REFERENCES blob (pk),
    filename TEXT NOT NULL,
    kind TEXT NOT NULL,
    details TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (task, name)
) WITHOUT ROWID;
CREATE INDEX artifact_blob ON artifact (blob);

-- What each URL served last. `etag` and `modified` are headers of the answer.
CREATE TABLE url (
    url TEXT NOT NULL PRIMARY KEY,
    blob INTEGER NOT NULL REFERENCES blob (pk),
    etag TEXT,
    modified TEXT,
    fetched INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX url_blob ON url (blob);

-- `joined` counts how often points came from another registry: then pages are written again.
CREATE TABLE series (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    model INTEGER REFERENCES model (pk) ON DELETE CASCADE,
    task INTEGER REFERENCES task (pk) ON DELETE CASCADE,
    title TEXT NOT NULL,
    name TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    points INTEGER NOT NULL,
    last REAL,
    low REAL,
    high REAL,
    joined INTEGER NOT NULL DEFAULT 0,
    CHECK ((model IS NULL) <> (task IS NULL))
);
CREATE UNIQUE INDEX series_model ON series (model, title, name) WHERE model IS NOT NULL;
CREATE UNIQUE INDEX series_task ON series (task, title, name) WHERE task IS NOT NULL;
CREATE INDEX series_model_last ON series (title, name, last) WHERE model IS NOT NULL;
CREATE INDEX series_task_last ON series (title, name, last) WHERE task IS NOT NULL;

-- The points of a series. A NULL value is NaN. `ms` counts from `series.epoch`, which is
-- milliseconds since 1970.
CREATE TABLE scalar (
    series INTEGER NOT NULL REFERENCES series (pk) ON DELETE CASCADE,
    iteration INTEGER NOT NULL,
    value REAL,
    ms INTEGER NOT NULL,
    PRIMARY KEY (series, iteration)
) WITHOUT ROWID;

CREATE TABLE single (
    model INTEGER REFERENCES model (pk) ON DELETE CASCADE,
    task INTEGER REFERENCES task (pk) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value REAL,
    at INTEGER NOT NULL,
    CHECK ((model IS NULL) <> (task IS NULL))
);
CREATE UNIQUE INDEX single_model ON single (model, name) WHERE model IS NOT NULL;
CREATE UNIQUE INDEX single_task ON single (task, name) WHERE task IS NOT NULL;
CREATE INDEX single_model_value ON single (name, value) WHERE model IS NOT NULL;
CREATE INDEX single_task_value ON single (name, value) WHERE task IS NOT NULL;

-- `data` is what was reported; `shown` is what is drawn, if that is less. Both are the last columns:
-- to read a column, SQLite reads through all columns before it.
CREATE TABLE plot (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    model INTEGER REFERENCES model (pk) ON DELETE CASCADE,
    task INTEGER REFERENCES task (pk) ON DELETE CASCADE,
    title TEXT NOT NULL,
    series TEXT NOT NULL,
    iteration INTEGER NOT NULL,
    kind TEXT NOT NULL,
    spec TEXT NOT NULL,
    blob INTEGER REFERENCES blob (pk),
    at INTEGER NOT NULL,
    shown BLOB,
    data BLOB,
    CHECK ((model IS NULL) <> (task IS NULL))
);
CREATE UNIQUE INDEX plot_model ON plot (model, title, series, iteration) WHERE model IS NOT NULL;
CREATE UNIQUE INDEX plot_task ON plot (task, title, series, iteration) WHERE task IS NOT NULL;
CREATE INDEX plot_blob ON plot (blob) WHERE blob IS NOT NULL;

-- The lines of the log of a task or model, in the order of `stamp`, which grows with every line.
CREATE TABLE message (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    model INTEGER REFERENCES model (pk) ON DELETE CASCADE,
    task INTEGER REFERENCES task (pk) ON DELETE CASCADE,
    stamp INTEGER NOT NULL,
    at INTEGER NOT NULL,
    level INTEGER NOT NULL,
    text TEXT NOT NULL,
    CHECK ((model IS NULL) <> (task IS NULL))
);
CREATE INDEX message_model ON message (model, stamp) WHERE model IS NOT NULL;
CREATE INDEX message_task ON message (task, stamp) WHERE task IS NOT NULL;

-- The last report. Reports have no events, but they set `stamp` and `updated`.
CREATE TABLE reported (
    model INTEGER REFERENCES model (pk) ON DELETE CASCADE,
    task INTEGER REFERENCES task (pk) ON DELETE CASCADE,
    stamp INTEGER NOT NULL,
    at INTEGER NOT NULL,
    CHECK ((model IS NULL) <> (task IS NULL))
);
CREATE UNIQUE INDEX reported_model ON reported (model) WHERE model IS NOT NULL;
CREATE UNIQUE INDEX reported_task ON reported (task) WHERE task IS NOT NULL;

CREATE TABLE actor (
    pk INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- The registries that events were made in. `name` is for people; one registry has a new id after it
-- was copied.
CREATE TABLE origin (
    pk INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (length(id) = 32),
    name TEXT NOT NULL
);

-- Every change: the source of truth. `pk` is the order in which they came here; they are folded in
-- the order of (position, none last; lamport; event_id).
--   event_id  the event that creates a model, task or project has the id of what it creates
--   seq       number of the event in its origin
--   grp       the `pk` of the first event of its transaction
--   lamport   greater than that of every event that its registry knew
--   stamp     not less than the clock and all stamps that its registry knew: newest first, with
--             lamport and event_id where two are the same
--   at        time of the change
--   v         version of the kind's payload
--   subject   id of the model, task or project; of an alias, see `alias_id`
--   field     the alias, metadata key, tag or column that changed
--   payload   JSON: old and new values
-- These are local, and change:
--   arrived   when it came from another registry; NULL if it was made here
--   remote, position, positioned   its place in the order of a remote, and since when it is known
--   outcome   NULL: in effect; 'same', 'lost', 'kept': see `judging.py`
CREATE TABLE event (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE CHECK (length(event_id) = 32),
    origin INTEGER NOT NULL REFERENCES origin (pk),
    seq INTEGER NOT NULL,
    grp INTEGER NOT NULL,
    lamport INTEGER NOT NULL,
    stamp INTEGER NOT NULL,
    at INTEGER NOT NULL,
    actor INTEGER NOT NULL REFERENCES actor (pk),
    kind TEXT NOT NULL,
    v INTEGER NOT NULL,
    subject TEXT NOT NULL,
    field TEXT,
    payload TEXT NOT NULL,
    arrived INTEGER,
    remote TEXT,
    position INTEGER,
    positioned INTEGER,
    outcome TEXT
);
CREATE INDEX event_subject ON event (subject, stamp, lamport);
CREATE INDEX event_origin ON event (origin, seq);
CREATE INDEX event_lamport ON event (lamport);
CREATE INDEX event_newest ON event (stamp, lamport);
CREATE INDEX event_outcome ON event (outcome, pk) WHERE outcome IS NOT NULL;
CREATE INDEX event_position ON event (position) WHERE position IS NOT NULL;
CREATE TRIGGER event_is_never_changed
BEFORE UPDATE OF
    pk, event_id, origin, seq, grp, lamport, stamp, at, actor, kind, v, subject, field, payload,
    arrived
ON event
BEGIN
    SELECT RAISE(ABORT, 'events are never changed');
END;
CREATE TRIGGER event_is_never_deleted
BEFORE DELETE ON event
BEGIN
    SELECT RAISE(ABORT, 'events are never deleted');
END;

-- Who wrote a register last: ids of events, with blanks between. Without a row it is the event that
-- created the subject. See `registers.py`.
CREATE TABLE writer (
    subject TEXT NOT NULL,
    register TEXT NOT NULL,
    events TEXT NOT NULL,
    PRIMARY KEY (subject, register)
) WITHOUT ROWID;

-- What imports and merges brought, and what was different afterwards (JSON: a list of lines).
CREATE TABLE arrival (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    source TEXT NOT NULL,
    events INTEGER NOT NULL,
    differences TEXT NOT NULL
);

-- Models, tasks, projects and aliases that were folded again without a new event, since their events
-- got another order. `pk` grows each time.
CREATE TABLE refolded (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL UNIQUE
);

-- Other places that this registry pushes to, and pulls from.
--   table_id  the id of what is at `url`; NULL until it was seen first
--   mirror    0: it orders the events; at most one does. 1: it does not
--   cursor    the version of its table up to which all rows are here; -1 for none
--   last, last_place   id and place of the last row up to there: another one there shows that the
--             remote was replaced, or restored from an older copy
--   commit_id the id of the commit at the cursor: no other commit has it
--   seen      JSON: what that commit looked like, so that "nothing is new" costs one look
--   sent      the key up to which all events are there
--   pushed    the key after which the changes of the last push come that were made here; NULL: none
CREATE TABLE remote (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL UNIQUE,
    table_id TEXT,
    mirror INTEGER NOT NULL CHECK (mirror IN (0, 1)),
    cursor INTEGER NOT NULL,
    last TEXT,
    last_place INTEGER,
    commit_id TEXT,
    seen TEXT,
    sent INTEGER NOT NULL,
    pushed INTEGER
);
CREATE UNIQUE INDEX remote_order ON remote (mirror) WHERE mirror = 0;

-- The events that a mirror has. Of the remote that orders them, it is those with a position.
CREATE TABLE mirrored (
    remote INTEGER NOT NULL REFERENCES remote (pk) ON DELETE CASCADE,
    event INTEGER NOT NULL REFERENCES event (pk),
    PRIMARY KEY (remote, event)
) WITHOUT ROWID;

-- Bytes that a remote should have, since its events name them, and has not.
CREATE TABLE remote_gap (
    remote INTEGER NOT NULL REFERENCES remote (pk) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (remote, digest)
) WITHOUT ROWID;

-- What was last sent to a remote, or came from it, of the reports of a model or task: the sha256 of
-- their stream. `stamp`: that of the last report then.
CREATE TABLE remote_report (
    remote INTEGER NOT NULL REFERENCES remote (pk) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('model', 'task')),
    owner TEXT NOT NULL,
    digest TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    PRIMARY KEY (remote, kind, owner)
) WITHOUT ROWID;

-- What is deleted from a remote, or was: the digests, as JSON, that a note there said. Who needs such
-- bytes waits until it has ended, and looks again.
CREATE TABLE remote_deletion (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    remote INTEGER NOT NULL REFERENCES remote (pk) ON DELETE CASCADE,
    begin TEXT NOT NULL,
    digests TEXT NOT NULL,
    ended INTEGER NOT NULL CHECK (ended IN (0, 1)),
    UNIQUE (remote, begin)
);
