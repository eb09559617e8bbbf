// The overview: models, data sets, projects and tasks with search, filters, sorting and metric columns.
(function () {
  'use strict';

  const { element, data, VirtualTable, FilterMenu } = globalThis.localreg;
  const all = data('index-data');
  const { models, tasks, projects, datasets } = all;
  const metrics = new Map(all.metrics.map(([name, places, values]) => [name, { places, values }]));
  const counts = {
    models: models.ref.length, datasets: datasets.ref.length, projects: projects.length, tasks: tasks.name.length,
  };
  const FILTERS = {
    models: ['project', 'tags', 'framework', 'states'], datasets: ['project', 'tags', 'states'],
    projects: [], tasks: ['project', 'status', 'tags'],
  };
  const TITLES = {
    project: 'Project', tags: 'Tag', framework: 'Framework', states: 'State', status: 'Status',
  };
  const DEFAULT_SORT = { models: 'updated', datasets: 'updated', projects: 'updated', tasks: 'updated' };
  const NAMES = { datasets: 'data sets' };
  const picked = new Set();
  const byId = (id) => document.getElementById(id);

  // ---- the user's choices, which the address of the page stores ----
  const state = { tab: 'models', words: '', sort: null, filters: new Map(), columns: new Set() };

  function readAddress() {
    const params = new URLSearchParams(location.hash.slice(1));
    const tab = params.get('tab');
    state.tab = Object.hasOwn(counts, tab) ? tab : 'models';
    state.words = params.get('q') ?? '';
    const key = params.get('sort');
    state.sort = key ? { key, down: params.get('order') !== 'up' } : defaultSort();
    state.filters = new Map(FILTERS[state.tab].map((name) => [name, new Set(params.getAll(name))]));
    state.columns = new Set(params.getAll('metric').filter((name) => metrics.has(name)));
  }

  function defaultSort() {
    return { key: DEFAULT_SORT[state.tab], down: true };
  }

  function writeAddress() {
    const params = new URLSearchParams();
    if (state.tab !== 'models') params.set('tab', state.tab);
    if (state.words) params.set('q', state.words);
    if (state.sort.key !== DEFAULT_SORT[state.tab] || !state.sort.down) {
      params.set('sort', state.sort.key);
      params.set('order', state.sort.down ? 'down' : 'up');
    }
    for (const [name, chosen] of state.filters) for (const each of chosen) params.append(name, each);
    for (const name of state.columns) params.append('metric', name);
    const text = params.toString();
    if (text !== location.hash.slice(1)) history.replaceState(null, '', `#${text}`);
  }

  // ---- columns ----
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

  function numberText(value) {
    if (value === undefined || value === null) return '';
    if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString('en');
    const size = Math.abs(value);
    if (size >= 1e-4 && size < 1e6) return String(Number(value.toPrecision(5)));
    return value.toExponential(3).replace(/\.?0+e/, 'e').replace('e+', 'e');
  }

  const folded = (text) => String(text).toLowerCase();
  const chips = (texts, kind) => texts.slice(0, 6).map(
    (text) => element('span', { class: `chip ${kind}`, title: text }, text),
  );
  const COLOURED = ['published', 'archived', 'completed', 'failed', 'running', 'in_progress'];
  const badge = (text) => element(
    'span', { class: `badge small ${COLOURED.includes(text) ? text : ''}` }, text,
  );
  const named = (text, href) => (href
    ? element('a', { href, title: text }, text) : element('span', { title: text }, text));

  function box(i) {
    const made = element('input', { type: 'checkbox', 'aria-label': `Select ${models.ref[i]}` });
    made.checked = picked.has(i);
    made.addEventListener('change', () => {
      if (made.checked) picked.add(i);
      else picked.delete(i);
      showPicked();
    });
    return [made];
  }

  const time = (columns) => ({
    key: 'updated', title: 'Updated', width: '156px', number: true,
    // Not by the times: the rows come newest first, and a clock may have been wrong.
    value: (i) => -i, show: (i) => timeText(columns.updated[i]),
  });
  const text = (columns, key, title, width) => ({
    key, title, width, value: (i) => folded(columns[key][i] ?? '') || null,
    show: (i) => columns[key][i] ?? '',
  });

  function modelColumns() {
    const byProject = (i) => `${folded(models.project[i])}\n${folded(models.name[i])}\n`
      + String(models.version[i]).padStart(9, '0');
    return [
      { key: 'pick', title: '', label: 'Select', width: '34px', show: box },
      {
        key: 'ref', title: 'Model', width: 'minmax(200px, 2.4fr)', value: byProject,
        sticky: true,
        show: (i) => [named(models.ref[i], models.href[i])],
      },
      {
        key: 'marks', title: 'Aliases and state', width: 'minmax(120px, 1.2fr)',
        show: (i) => [...chips(models.aliases[i], 'alias'),
          ...models.states[i].map((each) => badge(each))],
      },
      ...[...state.columns].map(metricColumn),
      {
        key: 'tags', title: 'Tags', width: 'minmax(120px, 1.4fr)',
        show: (i) => chips(models.tags[i], 'tag'),
      },
      text(models, 'framework', 'Framework', 'minmax(112px, .7fr)'),
      {
        key: 'size', title: 'Size', width: '88px', number: true,
        value: (i) => models.size[i] ?? null, show: (i) => sizeText(models.size[i]),
      },
      time(models),
    ];
  }

  function datasetColumns() {
    return [
      {
        key: 'ref', title: 'Data set', width: 'minmax(200px, 2.4fr)', sticky: true,
        value: (i) => `${folded(datasets.project[i])}\n${folded(datasets.name[i])}\n`
          + String(datasets.order[i]).padStart(9, '0'),
        show: (i) => [named(datasets.ref[i], datasets.href[i])],
      },
      {
        key: 'states', title: 'State', width: 'minmax(120px, .8fr)',
        show: (i) => datasets.states[i].map((each) => badge(each)),
      },
      {
        key: 'tags', title: 'Tags', width: 'minmax(120px, 1.4fr)',
        show: (i) => chips(datasets.tags[i], 'tag'),
      },
      {
        key: 'files', title: 'Files', width: '88px', number: true,
        value: (i) => datasets.files[i] ?? null, show: (i) => numberText(datasets.files[i]),
      },
      {
        key: 'size', title: 'Size', width: '88px', number: true,
        value: (i) => datasets.size[i] ?? null, show: (i) => sizeText(datasets.size[i]),
      },
      time(datasets),
    ];
  }

  function metricColumn(name) {
    const metric = metrics.get(name);
    metric.byPlace ??= new Map(metric.places.map((place, at) => [place, metric.values[at]]));
    const of = (i) => metric.byPlace.get(i) ?? null;
    return {
      key: `metric ${name}`, title: name, width: 'minmax(96px, .8fr)', number: true, value: of,
      show: (i) => {
        const value = of(i);
        return [value === null ? element('span', { class: 'dim' }, '–')
          : element('span', { title: value }, numberText(value))];
      },
    };
  }

  function projectColumns() {
    const number = (key, title, at) => ({
      key, title, width: '110px', number: true, value: (i) => projects[i][at],
      show: (i) => projects[i][at].toLocaleString('en'),
    });
    return [
      {
        key: 'name', title: 'Project', width: 'minmax(190px, 3fr)',
        value: (i) => folded(projects[i][0]),
        show: (i) => {
          const params = new URLSearchParams({ project: projects[i][0] });
          if (!projects[i][1] && projects[i][4]) params.set('tab', 'datasets');
          return [element('a', { href: `#${params}` }, projects[i][0] || '(none)')];
        },
      },
      number('models', 'Models', 1),
      ...(counts.datasets ? [number('datasets', 'Data sets', 4)] : []),
      number('tasks', 'Tasks', 2),
      {
        key: 'updated', title: 'Updated', width: '150px', number: true,
        value: (i) => projects[i][3], show: (i) => timeText(projects[i][3]),
      },
    ];
  }

  function taskColumns() {
    return [
      {
        key: 'name', title: 'Task', width: 'minmax(190px, 2.4fr)',
        value: (i) => folded(tasks.name[i]),
        show: (i) => [named(tasks.name[i], tasks.href[i])],
      },
      text(tasks, 'project', 'Project', 'minmax(120px, 1.2fr)'),
      {
        key: 'status', title: 'Status', width: '120px',
        value: (i) => folded(tasks.status[i]),
        show: (i) => [badge(tasks.status[i]), ...(tasks.archived[i] ? [badge('archived')] : [])],
      },
      {
        key: 'tags', title: 'Tags', width: 'minmax(120px, 1.4fr)',
        show: (i) => chips(tasks.tags[i], 'tag'),
      },
      time(tasks),
    ];
  }

  // ---- search and filters ----
  const columnsOf = { models, datasets, tasks };
  const haystacks = new Map();

  function haystack(tab) {
    if (!haystacks.has(tab)) haystacks.set(tab, makeHaystack(tab));
    return haystacks.get(tab);
  }

  function makeHaystack(tab) {
    if (tab === 'projects') return projects.map(([name]) => folded(name));
    const columns = columnsOf[tab];
    const keys = {
      models: ['ref', 'tags', 'framework', 'aliases', 'id'], datasets: ['ref', 'tags', 'id'],
      tasks: ['name', 'project', 'status', 'tags', 'id'],
    }[tab];
    return columns.id.map((_, i) => folded(keys.map((key) => {
      const value = columns[key][i] ?? '';
      return Array.isArray(value) ? value.join(' ') : value;
    }).join(' ')));
  }

  /** Return true if row i passes a filter: it has all chosen tags, or one of the other values. */
  function passes(name, chosen, i) {
    if (!chosen.size) return true;
    const value = columnsOf[state.tab][name][i];
    if (name === 'tags') {
      for (const each of chosen) if (!value.includes(each)) return false;
      return true;
    }
    return Array.isArray(value) ? value.some((each) => chosen.has(each)) : chosen.has(value ?? '');
  }

  /** Return the indexes of the rows that pass the search and all filters except `without`. */
  function matching(without) {
    const words = folded(state.words).split(/\s+/).filter(Boolean);
    const texts = words.length ? haystack(state.tab) : null;
    const filters = [...state.filters].filter(([name, chosen]) => name !== without && chosen.size);
    const count = counts[state.tab];
    const found = new Uint32Array(count);
    let size = 0;
    for (let i = 0; i < count; i += 1) {
      if (texts && !words.every((word) => texts[i].includes(word))) continue;
      if (!filters.every(([name, chosen]) => passes(name, chosen, i))) continue;
      found[size] = i;
      size += 1;
    }
    return found.subarray(0, size);
  }

  function optionsOf(name) {
    const numbers = new Map();
    const add = (value) => numbers.set(value, (numbers.get(value) ?? 0) + 1);
    for (const i of matching(name === 'tags' ? null : name)) {
      const value = columnsOf[state.tab][name][i];
      if (Array.isArray(value)) new Set(value).forEach(add);
      else add(value ?? '');
    }
    for (const each of state.filters.get(name)) if (!numbers.has(each)) numbers.set(each, 0);
    return [...numbers].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  }

  // ---- selected models ----
  /** Return a reference quoted for a shell, or the id if the reference cannot be quoted safely. */
  function argument(i) {
    const ref = models.ref[i];
    if (/^[\w@%+=:,./#][\w@%+=:,./#-]*$/.test(ref) && !ref.startsWith('#')) return ref;
    const plain = /^[\p{L}\p{N}\p{P}\p{S} ]+$/u.test(ref) && !ref.startsWith('-');
    return plain ? `'${ref.replaceAll("'", "'\\''")}'` : models.id[i];
  }

  function showPicked() {
    const bar = byId('picked');
    bar.hidden = !picked.size || state.tab !== 'models';
    const command = `localreg compare ${[...picked].map(argument).join(' ')}`;
    const enough = picked.size > 1;
    byId('picked-count').textContent = enough
      ? `${picked.size} selected` : '1 selected: select another to compare';
    byId('picked-command').textContent = enough ? command : '';
    byId('picked-command').hidden = !enough;
    byId('picked-copy').hidden = !enough;
    byId('picked-copy').dataset.copy = command;
  }

  // ---- showing ----
  let table = null;
  let shownTab = null;

  function menus() {
    const made = FILTERS[state.tab]
      .filter((name) => columnsOf[state.tab][name].some((each) => each && each.length))
      .map((name) => new FilterMenu(TITLES[name], {
        options: () => optionsOf(name), chosen: state.filters.get(name), onChange: update,
      }).root);
    if (state.tab === 'models' && metrics.size) {
      const numbers = [...metrics].map(([name, { places }]) => [name, places.length]);
      made.push(new FilterMenu('Metrics', {
        options: () => numbers, chosen: state.columns,
        onChange: () => {
          columns();
          update();
        },
      }).root);
    }
    byId('menus').replaceChildren(...made);
  }

  function columns() {
    const of = {
      models: modelColumns, datasets: datasetColumns, projects: projectColumns, tasks: taskColumns,
    };
    const list = of[state.tab]();
    if (!list.some(({ key, value }) => key === state.sort.key && value)) state.sort = defaultSort();
    table.setColumns(list, state.sort);
  }

  function update() {
    const rows = matching(null);
    table.setRows(rows, counts[state.tab]);
    const total = counts[state.tab].toLocaleString('en');
    byId('count').textContent = `${rows.length.toLocaleString('en')} of ${total} ${NAMES[state.tab] ?? state.tab}`;
    writeAddress();
  }

  function show() {
    if (shownTab !== state.tab) {
      shownTab = state.tab;
      table = new VirtualTable(byId('panel'), state.tab, {
        onSort: (sort) => {
          state.sort = sort;
          columns();
          update();
          table.head.querySelector(`[data-sort="${CSS.escape(sort.key)}"]`).focus();
        },
      });
    }
    for (const tab of document.querySelectorAll('[data-tab]')) {
      const chosen = tab.dataset.tab === state.tab;
      tab.setAttribute('aria-selected', String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    }
    byId('panel').setAttribute('aria-labelledby', `tab-${state.tab}`);
    byId('search').value = state.words;
    byId('search').placeholder = `Search ${NAMES[state.tab] ?? state.tab}`;
    byId('welcome').hidden = counts.models > 0 || state.tab !== 'models';
    byId('panel').hidden = !counts[state.tab] && state.tab === 'models';
    byId('filters').hidden = !counts[state.tab];
    menus();
    columns();
    update();
    showPicked();
  }

  const tabs = [...document.querySelectorAll('[data-tab]')];
  tabs.forEach((tab, at) => {
    tab.querySelector('small').textContent = counts[tab.dataset.tab].toLocaleString('en');
    tab.addEventListener('click', () => {
      if (tab.dataset.tab === state.tab) return;
      location.hash = tab.dataset.tab === 'models' ? '' : `tab=${tab.dataset.tab}`;
    });
    tab.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(at + step + tabs.length) % tabs.length];
      next.focus();
      next.click();
    });
  });
  let typed = null;
  byId('search').addEventListener('input', () => {
    clearTimeout(typed);
    typed = setTimeout(() => {
      state.words = byId('search').value;
      update();
    }, counts[state.tab] > 20000 ? 120 : 0);
  });
  byId('picked-clear').addEventListener('click', () => {
    picked.clear();
    showPicked();
    table.refresh();
  });
  document.addEventListener('keydown', (event) => {
    const typing = event.target.closest('input, select, textarea');
    if (event.key !== '/' || typing || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    byId('search').focus();
  });
  addEventListener('hashchange', () => {
    readAddress();
    show();
  });

  readAddress();
  show();
})();
