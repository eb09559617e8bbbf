// The columns that the tables of the overview can show.
(function () {
  'use strict';

  const { element, index, search, visible } = globalThis.localreg;
  const { tables, projects } = index;
  const { fold } = search;

  // ---- texts ----
  const day = new Intl.DateTimeFormat('en-CA', { dateStyle: 'short', timeZone: 'UTC' });
  function timeText(seconds) {
    if (seconds === null || seconds === undefined) return '';
    const at = new Date(seconds * 1000);
    if (Number.isNaN(at.getTime())) return '';
    return `${day.format(at)} ${at.toISOString().slice(11, 16)}`;
  }

  function sizeText(bytes) {
    if (bytes === null || bytes === undefined) return '';
    const units = ['B', 'kB', 'MB', 'GB', 'TB'];
    let value = bytes;
    let unit = 0;
    while (value >= 999.5 && unit < units.length - 1) {
      value /= 1000;
      unit += 1;
    }
    return `${unit && value < 99.5 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
  }

  function durationText(seconds) {
    if (seconds === null || seconds < 0) return '';
    if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
    if (seconds < 60) return `${seconds.toFixed(1)} s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return `${hours} h ${minutes % 60} min`;
    return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  }

  function numberText(value) {
    if (value === undefined || value === null) return '';
    if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString('en');
    const size = Math.abs(value);
    if (size >= 1e-4 && size < 1e6) { // a column shows nine digits
      return String(Number(value.toPrecision(size < 1e-3 ? 4 : 5)));
    }
    return value.toExponential(3).replace(/\.?0+e/, 'e').replace('e+', 'e');
  }

  const plain = (text) => visible(String(text));

  // ---- pieces of cells ----
  const chips = (texts, kind) => texts.slice(0, 6).map(
    (text) => element('bdi', { class: `chip ${kind}`, title: plain(text) }, plain(text)),
  );
  const COLOURED = ['published', 'archived', 'completed', 'failed', 'running', 'in_progress'];
  const badge = (text) => element(
    'span', { class: `badge small ${COLOURED.includes(text) ? text : ''}` }, plain(text),
  );
  const text = (value) => (value === null || value === undefined || value === ''
    ? [] : [element('bdi', { title: plain(value) }, plain(value))]);
  const dash = () => [element('span', { class: 'dim' }, '–')];

  const ID = /^[0-9a-f]{32}$/;
  const FOLDERS = { models: 'models', datasets: 'models', tasks: 'tasks' };

  /** Return the address of the page of a row, or null if it has none. */
  function pageOf(tab, i) {
    const table = tables[tab];
    const id = table.row('id')[i];
    return table.row('paged')[i] && ID.test(id) ? `${FOLDERS[tab]}/${id}.html` : null;
  }

  /** Return a name in one or two parts; only the first is cut, because the end tells more. */
  function parts(name) {
    if (name.length <= 16 || !/^[\x20-\x7e]*$/.test(name)) return [element('bdi', {}, plain(name))];
    return [element('bdi', {}, name.slice(0, -8)), element('span', {}, name.slice(-8))];
  }

  /** Return project, name and version of a row; each is isolated from the direction of the others. */
  function nameNodes(tab, i) {
    const table = tables[tab];
    const project = table.row('project')[i];
    if (tab === 'tasks') return parts(table.row('name')[i]);
    if (tab === 'datasets') return [element('bdi', {}, plain(table.row('ref')[i]))];
    return [
      ...(project ? [element('bdi', { class: project.length > 8 ? 'in-project' : 'whole' }, plain(project)), element('span', {}, '/')] : []),
      ...parts(table.row('name')[i]), element('span', {}, `:${table.row('version')[i]}`),
    ];
  }

  /** Return the reference of a row: what a command line takes. */
  function refOf(tab, i) {
    const table = tables[tab];
    if (tab === 'tasks') return table.row('id')[i];
    if (tab === 'datasets') return table.row('ref')[i];
    const project = table.row('project')[i];
    return `${project ? `${project}/` : ''}${table.row('name')[i]}:${table.row('version')[i]}`;
  }

  function nameCell(tab, i) {
    const href = pageOf(tab, i);
    const nodes = nameNodes(tab, i);
    const title = tab === 'tasks' ? plain(tables.tasks.row('name')[i]) : plain(refOf(tab, i));
    if (href) return [element('a', { href, title, class: 'name' }, ...nodes)];
    const copy = element('button', {
      type: 'button', class: 'copy', title: 'No page yet: copy the command that writes it',
      'aria-label': `Copy the command that writes the page of ${title}`,
      'data-copy': index.command('report', [[tab, i]]),
    });
    copy.append(icon());
    return [element('span', { title, class: 'name' }, ...nodes), copy];
  }

  function icon() {
    const made = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    for (const [name, value] of Object.entries({
      width: 13, height: 13, viewBox: '0 0 16 16', fill: 'none', stroke: 'currentColor',
      'stroke-width': 1.5, 'aria-hidden': 'true',
    })) made.setAttribute(name, value);
    for (const d of ['M6 2h7a1 1 0 0 1 1 1v8H7a1 1 0 0 1-1-1z', 'M6 5H3a1 1 0 0 0-1 1v7a1 1 0 0 0 1 1h7v-3']) {
      const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
      path.setAttribute('d', d);
      made.append(path);
    }
    return made;
  }

  // ---- columns of all rows ----
  const cache = new Map();
  const once = (key, make) => {
    if (!cache.has(key)) cache.set(key, make());
    return cache.get(key);
  };

  /** A column of texts. */
  const words = (tab, key, title, width) => ({
    key, name: key, title, width, about: [key],
    get values() { return tables[tab].row(key); },
    value: (i) => fold(tables[tab].row(key)[i] ?? '') || null,
    show: (i) => text(tables[tab].row(key)[i]),
  });
  const listed = (tab, key, title, show) => ({
    key, name: key, title, width: 'minmax(104px, 1.3fr)', about: [key],
    get values() { return tables[tab].row(key); },
    value: (i) => fold(tables[tab].row(key)[i].join(' ')) || null,
    show,
  });
  const measured = (tab, key, title, width, show, more = {}) => ({
    key, name: key, title, width, number: true, about: [key],
    get numbers() {
      return once(`${tab} ${key}`, () => Float64Array.from(
        tables[tab].row(key), (each) => (each === null ? NaN : each),
      ));
    },
    value: (i) => tables[tab].row(key)[i],
    show: (i) => show(tables[tab].row(key)[i]),
    ...more,
  });
  const times = (tab, key, title) => measured(tab, key, title, '148px', timeText, { time: true });
  const updated = (tab) => ({
    ...times(tab, 'updated', 'Updated'),
    // Not by the times: the rows come newest first, and a clock may have been wrong.
    key: 'updated', value: (i) => -i, byPlace: true,
  });
  const identifier = (tab) => ({
    ...words(tab, 'id', 'ID', '270px'), show: (i) => [element('code', {}, tables[tab].row('id')[i])],
  });

  const task = (i) => tables.models.row('task')[i];
  const ofTask = (i) => {
    const at = task(i);
    if (at === null) return [];
    const href = pageOf('tasks', at);
    const nodes = nameNodes('tasks', at);
    const title = plain(tables.tasks.row('name')[at]);
    return [element(href ? 'a' : 'span', { href, title }, ...nodes)];
  };

  const ABOUT = {
    models: () => [
      {
        key: 'ref', name: 'name', title: 'Model', narrow: '150px', narrow: '150px', width: 'minmax(200px, 2.4fr)', sticky: 'second',
        get values() { return tables.models.row('name'); },
        value: (i) => `${fold(tables.models.row('project')[i] ?? '')}\n${fold(tables.models.row('name')[i])}\n`
          + String(tables.models.row('version')[i]).padStart(9, '0'),
        show: (i) => nameCell('models', i),
      },
      {
        ...listed('models', 'aliases', 'Aliases, state', (i) => [
          ...chips(tables.models.row('aliases')[i], 'alias'),
          ...tables.models.row('states')[i].map(badge),
        ]),
        value: (i) => fold([...tables.models.row('aliases')[i], ...tables.models.row('states')[i]].join(' ')) || null,
        about: ['aliases', 'states'],
      },
      words('models', 'project', 'Project', 'minmax(110px, 1fr)'),
      measured('models', 'version', 'Version', '84px', String),
      listed('models', 'tags', 'Tags', (i) => chips(tables.models.row('tags')[i], 'tag')),
      words('models', 'framework', 'Framework', 'minmax(104px, .7fr)'),
      {
        key: 'task', name: 'task', title: 'Task', width: 'minmax(130px, 1fr)', about: ['task'],
        get values() {
          return once('models task', () => tables.models.row('task').map(
            (at) => (at === null ? null : tables.tasks.row('name')[at]),
          ));
        },
        value: (i) => (task(i) === null ? null : fold(tables.tasks.row('name')[task(i)])),
        show: ofTask,
      },
      measured('models', 'size', 'Size', '88px', sizeText),
      times('models', 'created', 'Created'),
      updated('models'),
      words('models', 'comment', 'Comment', 'minmax(160px, 2fr)'),
      identifier('models'),
    ],
    datasets: () => [
      {
        key: 'ref', name: 'name', title: 'Data set', narrow: '150px', width: 'minmax(200px, 2.4fr)', sticky: 'first',
        get values() { return tables.datasets.row('name'); },
        value: (i) => `${fold(tables.datasets.row('project')[i] ?? '')}\n${fold(tables.datasets.row('name')[i])}\n`
          + String(tables.datasets.row('order')[i]).padStart(9, '0'),
        show: (i) => nameCell('datasets', i),
      },
      listed('datasets', 'states', 'State', (i) => tables.datasets.row('states')[i].map(badge)),
      listed('datasets', 'tags', 'Tags', (i) => chips(tables.datasets.row('tags')[i], 'tag')),
      measured('datasets', 'files', 'Files', '88px', numberText),
      measured('datasets', 'size', 'Size', '88px', sizeText),
      updated('datasets'),
      identifier('datasets'),
    ],
    tasks: () => [
      {
        key: 'name', name: 'name', title: 'Task', narrow: '150px', width: 'minmax(200px, 2.2fr)', sticky: 'second',
        get values() { return tables.tasks.row('name'); },
        value: (i) => fold(tables.tasks.row('name')[i]),
        show: (i) => nameCell('tasks', i),
      },
      words('tasks', 'project', 'Project', 'minmax(100px, 1fr)'),
      {
        ...words('tasks', 'status', 'Status', '104px'),
        show: (i) => [
          badge(tables.tasks.row('status')[i]),
          ...(tables.tasks.row('archived')[i] ? [badge('archived')] : []),
        ],
      },
      words('tasks', 'type', 'Type', '100px'),
      listed('tasks', 'tags', 'Tags', (i) => chips(tables.tasks.row('tags')[i], 'tag')),
      {
        key: 'duration', name: 'duration', title: 'Duration', width: '98px', number: true,
        about: ['ended'],
        get numbers() {
          return once('duration', () => {
            const ended = tables.tasks.row('ended');
            return Float64Array.from(tables.tasks.row('created'), (begun, i) => {
              const took = ended[i] === null ? NaN : ended[i] - begun;
              return took >= 0 ? took : NaN; // else a clock was wrong
            });
          });
        },
        value(i) { return this.numbers[i]; },
        show(i) { return Number.isNaN(this.numbers[i]) ? '' : durationText(this.numbers[i]); },
      },
      times('tasks', 'created', 'Created'),
      times('tasks', 'ended', 'Ended'),
      updated('tasks'),
      words('tasks', 'comment', 'Comment', 'minmax(160px, 2fr)'),
      identifier('tasks'),
    ],
  };
  // Columns that are shown first, if the rows have anything there.
  const SHOWN = {
    models: ['aliases', '*', 'tags', 'framework', 'size', 'updated'],
    datasets: ['states', 'tags', 'files', 'size', 'updated'],
    tasks: ['project', 'status', '*', 'tags', 'duration', 'updated'],
  };

  const about = (tab) => once(`about ${tab}`, ABOUT[tab] ?? (() => []));

  /** Return true if a row of a table has something in one of some of its columns. */
  function used(tab, names) {
    return names.some((name) => {
      if (!index.isHere(tables[tab], name)) return true;
      return tables[tab].row(name).some((each) => (Array.isArray(each) ? each.length : each !== null && each !== ''));
    });
  }

  // ---- metrics, parameters and metadata ----
  const DIGITS = /^(?=.{9})[+-]?\d+\.\d+(e[+-]?\d+)?$/i; // a cut one would look like another number
  const MONITORED = /^:monitor:(machine|gpu)\//;
  const last = (name) => name.slice(name.lastIndexOf('/') + 1) || name;

  /** Return the column of the table for a column of the data. */
  function valueColumn(tab, column) {
    return once(`${tab} ${column.id}`, () => {
      const { kind, key, part } = column;
      const short = kind === 'parameters' ? last(key) : key;
      const title = plain(part && part !== 'last' ? `${short} ${part}` : short);
      // Six pixels for a letter, and the arrow; nine digits of a number.
      const width = Math.min(200, Math.max(98, title.length * 6.4 + 34));
      return {
        key: column.id, name: key, kind, title, data: column,
        hint: plain(`${key}${part ? `: ${part === 'last' ? 'last value' : part}` : ''}`),
        width: `minmax(${Math.round(width)}px, .7fr)`,
        better: column.better,
        get number() { return kind === 'metrics' || !index.isLoaded(column) || Boolean(column.numbers); },
        get numbers() { return column.numbers; },
        get values() { return column.values; },
        value: (i) => {
          const value = column.values[i];
          return value === null || value === undefined ? null : fold(value);
        },
        show: (i) => {
          const value = column.values[i];
          if (value === null || value === undefined) return dash();
          if (typeof value === 'number') return [element('span', { title: value }, numberText(value))];
          const number = DIGITS.test(value) ? Number(value) : NaN;
          if (Number.isFinite(number)) return [element('span', { title: value }, numberText(number))];
          return text(value);
        },
      };
    });
  }

  const EVALUATED = /(^|[/_ .-])(val|valid|validation|test|eval|dev)([/_ .-]|$)/i;
  const INCIDENTAL = /(seed|path|dir|file|name|id|output|device|host|port)s?$/i; // differ, and say little
  const isUsual = (tab, { present, key }) => present * 2 >= tables[tab].count && !MONITORED.test(key);
  // What differs and most rows have comes first, then what is known to be better or worse, or varies.
  const useful = (a, b) => b.rank - a.rank || b.present - a.present || b.different - a.different
    || (a.key < b.key ? -1 : 1);

  /** Return the data columns of a kind, the most useful first. */
  function ranked(tab, kind) {
    return once(`ranked ${tab} ${kind}`, () => {
      const found = [...tables[tab].columns.values()].filter(
        (each) => each.kind === kind && (each.part === null || each.part === 'last'),
      );
      for (const each of found) {
        each.rank = (each.differs ? 8 : 0) + (isUsual(tab, each) ? 4 : 0) + (each.better ? 2 : 0);
        if (kind === 'metrics' && EVALUATED.test(each.key)) each.rank += 1;
        if (kind === 'parameters' && !INCIDENTAL.test(each.key)) each.rank += 1;
        if (MONITORED.test(each.key)) each.rank = -1;
      }
      return found.sort(useful);
    });
  }

  const pixels = ({ width }) => Number(/(\d+)px/.exec(width)[1]);

  /** Return the values that a table has room for beside other columns: some of each kind. */
  function fitting(tab, others) {
    const about = others.map((key) => columnOf(tab, key));
    let room = Math.min(innerWidth, 1600) - 50 - 38 - (tab === 'models' ? 250 : 200) - about.reduce((sum, each) => sum + pixels(each), 0);
    const kinds = tab === 'tasks' ? ['metrics', 'parameters'] : ['metrics', 'metadata', 'parameters'];
    const found = new Map(kinds.map((kind) => [kind, []]));
    const lists = kinds.map((kind) => ranked(tab, kind).filter((each) => each.differs && isUsual(tab, each)));
    for (let at = 0; at < 5; at += 1) {
      for (const list of lists) {
        if (!list[at]) continue;
        const width = pixels(valueColumn(tab, list[at]));
        if (at && width > room) continue;
        room -= width;
        found.get(list[at].kind).push(list[at].id);
      }
    }
    return [...found.values()].flat();
  }

  /** Return the keys of the columns that a table shows until the reader chooses. */
  function defaults(tab) {
    return once(`defaults ${tab}`, () => {
      if (!SHOWN[tab]) return [];
      const base = SHOWN[tab].filter((key) => key !== '*' && used(tab, about(tab).find((each) => each.key === key).about));
      const values = fitting(tab, base);
      return SHOWN[tab].flatMap((key) => {
        if (key === '*') return values;
        return base.includes(key) ? [key] : [];
      });
    });
  }

  /** Return the groups of the menu of columns. */
  function groups(tab) {
    const line = (each) => ({
      title: plain(each.title ?? each.key), present: null, parts: [[each.key, '']],
    });
    const found = [['About', about(tab).filter(({ sticky }) => !sticky).map(line)]];
    const values = (kind) => ranked(tab, kind).map((each) => ({
      title: plain(each.key), present: each.present.toLocaleString('en'), rank: each.rank,
      section: kind === 'parameters' ? each.key.slice(0, each.key.indexOf('/')) : '',
      parts: kind === 'metrics'
        ? ['last', 'min', 'max'].map((part) => [part === 'last' ? each.id : `${each.id}|${part}`, part])
        : [[each.id, '']],
    }));
    const metrics = values('metrics');
    found.push(['Metrics', metrics.filter(({ rank }) => rank >= 0)]);
    const sections = new Map();
    for (const each of values('parameters')) {
      if (!sections.has(each.section)) sections.set(each.section, []);
      sections.get(each.section).push(each);
    }
    for (const [section, lines] of sections) found.push([`Parameters: ${plain(section)}`, lines]);
    found.push(['Metadata', values('metadata')]);
    found.push(['Machine', metrics.filter(({ rank }) => rank < 0)]);
    return found.filter(([, lines]) => lines.length);
  }

  /** Return the column of a key, or null. */
  function columnOf(tab, key) {
    const data = tables[tab]?.columns.get(key);
    return data ? valueColumn(tab, data) : about(tab).find((each) => each.key === key) ?? null;
  }

  /** Return all that a comparison in the search box can name. */
  function comparable(tab) {
    const given = [...about(tab)];
    if (tab === 'models') {
      given.push({ name: 'state', get values() { return tables.models.row('states'); } });
      given.push({ name: 'alias', get values() { return tables.models.row('aliases'); } });
    }
    given.push({ name: 'tag', get values() { return tables[tab].row('tags'); } });
    for (const each of tables[tab].columns.values()) {
      if (each.part === null || each.part === 'last') given.push(valueColumn(tab, each));
      else given.push(extreme(each));
    }
    return given;
  }
  /** The least or greatest values of a metric, as loss/train.min. */
  const extreme = (each) => ({
    name: `${each.key}.${each.part}`, part: each.part, kind: each.kind, data: each, key: each.id,
    get numbers() { return each.numbers; },
    get values() { return each.values; },
  });

  function projectColumns(hasDatasets) {
    const number = (key, title, at) => ({
      key, title, width: '110px', number: true, value: (i) => projects[i][at],
      show: (i) => projects[i][at].toLocaleString('en'),
    });
    return [
      {
        key: 'name', title: 'Project', width: 'minmax(190px, 3fr)', value: (i) => fold(projects[i][0]),
        show: (i) => {
          const [name, models, tasks, , datasets] = projects[i];
          const params = new URLSearchParams({ project: name });
          if (!models && (tasks || datasets)) params.set('tab', tasks ? 'tasks' : 'datasets');
          return [element('a', { href: `#${params}` }, element('bdi', {}, plain(name) || '(none)'))];
        },
      },
      number('models', 'Models', 1),
      ...(hasDatasets ? [number('datasets', 'Data sets', 4)] : []),
      number('tasks', 'Tasks', 2),
      {
        key: 'charts', title: 'Charts', width: '84px',
        show: (i) => {
          const [name, models, tasks] = projects[i];
          if (!models && !tasks) return [];
          const params = new URLSearchParams({ project: name, view: 'charts' });
          if (tasks) params.set('tab', 'tasks');
          return [element('a', { href: `#${params}`, 'aria-label': `Charts of ${plain(name) || 'no project'}` }, 'Charts')];
        },
      },
      {
        key: 'updated', title: 'Updated', width: '150px', number: true,
        value: (i) => projects[i][3], show: (i) => timeText(projects[i][3]),
      },
    ];
  }

  globalThis.localreg.indexColumns = {
    about, comparable, columnOf, defaults, groups, nameNodes, pageOf, plain, projectColumns, ranked,
    refOf,
  };
})();
