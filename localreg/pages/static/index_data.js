// The data of the overview: tables of columns, some of which are loaded when they are needed.
(function () {
  'use strict';

  const raw = globalThis.localreg.data('index-data');
  const packs = new Map(raw.packs);
  const fileOf = new Map();
  for (const [name, numbers] of raw.files) for (const each of numbers) fileOf.set(each, name);

  // ---- files ----
  const loading = new Map();

  /** Called by a file of columns, which is a script because a page on disk may read nothing else. */
  globalThis.localreg.arrived = (name, text) => {
    for (const [number, pack] of JSON.parse(text)) packs.set(number, pack);
  };

  function loadFile(name) {
    if (!loading.has(name)) {
      loading.set(name, new Promise((resolve, reject) => {
        const script = document.createElement('script');
        script.src = `columns/${encodeURIComponent(name)}`;
        script.addEventListener('load', resolve);
        script.addEventListener('error', () => {
          loading.delete(name);
          reject(new Error(`${script.src} is missing`));
        });
        document.head.append(script);
      }));
    }
    return loading.get(name);
  }

  /** Load what some columns need; return null if all is there, else a promise. */
  function load(columns) {
    const names = new Set();
    for (const column of columns) {
      for (const pack of column.packs) if (!packs.has(pack)) names.add(fileOf.get(pack));
    }
    return names.size ? Promise.all([...names].map(loadFile)) : null;
  }

  // ---- packed columns ----
  const unpacked = new Map();

  /** Return the value of each row of a packed column; null where there is none. */
  function values(number, count) {
    if (!unpacked.has(number)) {
      const { d, p, v, u } = packs.get(number);
      let made = d;
      if (!d) {
        made = new Array(count).fill(null);
        p.forEach((place, at) => { made[place] = v[at]; });
      }
      if (u) made = made.map((place) => (place === null ? null : u[place]));
      unpacked.set(number, made);
      packs.set(number, null); // its memory can go
    }
    return unpacked.get(number);
  }

  const NUMBER = /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i;

  /** Return texts as numbers if all of them are numbers, else null. */
  function asNumbers(found) {
    const numbers = new Float64Array(found.length).fill(NaN);
    let any = false;
    for (let i = 0; i < found.length; i += 1) {
      const value = found[i];
      if (value === null || value === undefined) continue;
      if (typeof value === 'string' && !NUMBER.test(value)) return null;
      if (typeof value !== 'string' && typeof value !== 'number') return null;
      numbers[i] = Number(value);
      any = true;
    }
    return any ? numbers : null;
  }

  /**
   * A column that only some rows have: a metric, a parameter, an entry of metadata. `own` is the pack
   * of its values; `inherited` that of the tasks, which count where a model has no value itself.
   */
  class Column {
    constructor(table, fields) {
      this.table = table;
      Object.assign(this, fields);
      this.differs = this.different > 1;
      this.packs = [this.own, this.inherited].filter((each) => each !== null);
    }

    /** Return the value of each row: a number, a text or null. The column must be loaded. */
    get values() {
      if (!this.found) {
        const { count } = this.table;
        const own = this.own === null ? null : values(this.own, count);
        if (this.inherited === null) this.found = own;
        else {
          const tasks = tables.tasks;
          const those = values(this.inherited, tasks.count);
          const made = this.table.row('task');
          this.found = made.map((task, i) => own?.[i] ?? (task === null ? null : those[task]));
        }
      }
      return this.found;
    }

    /** The values as numbers, NaN where there is none; null if one of them is no number. */
    get numbers() {
      if (this.measured === undefined) this.measured = asNumbers(this.values);
      return this.measured;
    }
  }

  const KINDS = ['last', 'min', 'max'];

  class Table {
    constructor({ count, rows, columns }) {
      this.count = count;
      this.rows = rows;
      this.described = columns;
      this.columns = new Map();
    }

    /** Return the values of a column that all rows have. */
    row(name) {
      return values(this.rows[name], this.count);
    }

    add(kind, key, part, fields) {
      const id = `${kind}.${key}${part && part !== 'last' ? `|${part}` : ''}`;
      this.columns.set(id, new Column(this, { id, kind, key, part, ...fields }));
    }
  }

  const tables = {};
  for (const [name, table] of Object.entries(raw.tables)) tables[name] = new Table(table);

  for (const [kind, key, present, , different, better, ...own] of tables.tasks.described) {
    for (const [at, part] of (kind === 'metrics' ? KINDS : [null]).entries()) {
      tables.tasks.add(kind, key, part, {
        present, different, better, own: own[at] ?? own[0], inherited: null,
      });
    }
  }
  const inherited = new Map();
  for (const [kind, key, , present, different, better, ...packed] of tables.tasks.described) {
    if (present) inherited.set(`${kind}.${key}`, {
      kind, key, present, different, better, packed,
    });
  }
  for (const [kind, key, present, , different, better, ...own] of tables.models.described) {
    const those = inherited.get(`${kind}.${key}`);
    inherited.delete(`${kind}.${key}`);
    for (const [at, part] of (kind === 'metrics' ? KINDS : [null]).entries()) {
      tables.models.add(kind, key, part, {
        present: Math.min(tables.models.count, present + (those?.present ?? 0)),
        different: Math.max(different, those?.different ?? 0),
        better,
        own: own[at] ?? own[0],
        inherited: those ? those.packed[at] ?? those.packed[0] : null,
      });
    }
  }
  for (const { kind, key, packed, ...rest } of inherited.values()) {
    for (const [at, part] of (kind === 'metrics' ? KINDS : [null]).entries()) {
      tables.models.add(kind, key, part, {
        ...rest, own: null, inherited: packed[at] ?? packed[0],
      });
    }
  }

  const isHere = (table, name) => !(name in table.rows) || unpacked.has(table.rows[name])
    || packs.has(table.rows[name]);

  // ---- commands ----
  /** Return the registry's directory, which this page lies in, or null if a server sends the page. */
  function root() {
    if (location.protocol !== 'file:') return null;
    const path = decodeURIComponent(new URL('..', location.href).pathname);
    return path.replace(/^\/([A-Za-z]:)/, '$1').replace(/(.)\/$/, '$1');
  }

  /** Return a text quoted for a shell, or null if it cannot be quoted safely. */
  function quoted(text) {
    if (/^[\w@%+=:,./#][\w@%+=:,./#-]*$/.test(text) && !text.startsWith('#')) return text;
    const plain = /^[\p{L}\p{N}\p{P}\p{S} ]+$/u.test(text) && !text.startsWith('-');
    return plain ? `'${text.replaceAll("'", "'\\''")}'` : null;
  }

  /** Return the command line for some rows, as [tab, row]; a name that cannot be quoted is an id. */
  function command(name, rows = []) {
    const place = root();
    const words = rows.map(([tab, i]) => {
      const { refOf } = globalThis.localreg.indexColumns;
      return quoted(refOf(tab, i)) ?? tables[tab].row('id')[i];
    });
    const where = place === null ? [] : ['-R', quoted(place) ?? '.'];
    return ['localreg', name, ...words, ...where].join(' ');
  }

  globalThis.localreg.index = {
    tables, load, command, isHere, projects: raw.projects, comparisons: raw.comparisons,
    isLoaded: (column) => column.packs.every((each) => packs.has(each)),
    /** Return what `load` takes for columns that all rows have. */
    packsOf: (table, names) => ({ packs: names.map((name) => table.rows[name]).filter((each) => each !== undefined) }),
  };
})();
