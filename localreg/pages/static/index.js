// The overview: models, data sets, projects and tasks with search, filters, columns and selection.
(function () {
  'use strict';

  const {
    element, index, search, indexColumns, Menu, VirtualTable, FilterMenu, ColumnMenu, IndexCharts,
  } = globalThis.localreg;
  const { tables, projects } = index;
  const { plain } = indexColumns;
  const { fold } = search;
  const COMPARED = 50; // at most on one page
  const PICK = 12; // digits of an id in the address
  const TABS = ['models', 'datasets', 'projects', 'tasks'];
  const counts = {
    models: tables.models.count, datasets: tables.datasets.count, projects: projects.length, tasks: tables.tasks.count,
  };
  const FILTERS = {
    models: ['project', 'tags', 'framework', 'states'], datasets: ['project', 'tags', 'states'],
    projects: [], tasks: ['project', 'status', 'type', 'tags'],
  };
  const TITLES = {
    project: 'Project', tags: 'Tag', framework: 'Framework', states: 'State', status: 'Status', type: 'Type',
  };
  const SELECTABLE = ['models', 'tasks'];
  const NOTES = { metrics: 'metric', parameters: 'parameter', metadata: 'metadata' };
  const NAMES = { datasets: 'data sets' };
  const nameOf = (tab) => NAMES[tab] ?? tab;
  const byId = (id) => document.getElementById(id);
  const picked = { models: new Set(), tasks: new Set() };

  // ---- the user's choices, which the address of the page stores ----
  const state = {
    tab: 'models', words: '', sort: null, filters: new Map(), columns: new Set(), only: false,
    view: 'table',
  };
  const visited = new Map(); // by tab, the address that it had last

  function readAddress() {
    const params = new URLSearchParams(location.hash.slice(1));
    const tab = params.get('tab');
    state.tab = TABS.includes(tab) ? tab : 'models';
    state.words = params.get('q') ?? '';
    const key = params.get('sort');
    state.sort = key ? { key, down: params.get('order') !== 'up' } : defaultSort();
    state.filters = new Map(FILTERS[state.tab].map((name) => [name, new Set(params.getAll(name))]));
    state.only = params.has('only');
    state.view = params.get('view') === 'charts' && SELECTABLE.includes(state.tab) ? 'charts' : 'table';
    charts.read(params);
    const chosen = params.getAll('col').filter((each) => indexColumns.columnOf(state.tab, each));
    state.columns = new Set(params.has('col') ? chosen : indexColumns.defaults(state.tab));
    readPicked(params.get('pick') ?? '');
  }

  function readPicked(text) {
    for (const each of SELECTABLE) picked[each].clear();
    const wanted = new Set(text.split('.').filter(Boolean));
    if (!wanted.size) return;
    for (const tab of SELECTABLE) {
      const rows = new Map();
      tables[tab].row('id').forEach((id, i) => {
        const start = id.slice(0, PICK);
        if (wanted.has(start)) rows.set(start, i);
      });
      for (const each of wanted) if (rows.has(each)) picked[tab].add(rows.get(each)); // in their order
    }
  }

  function defaultSort() {
    return { key: 'updated', down: true };
  }

  function writeAddress() {
    const params = new URLSearchParams();
    if (state.tab !== 'models') params.set('tab', state.tab);
    if (state.words) params.set('q', state.words);
    if (state.sort.key !== 'updated' || !state.sort.down) {
      params.set('sort', state.sort.key);
      params.set('order', state.sort.down ? 'down' : 'up');
    }
    for (const [name, chosen] of state.filters) for (const each of chosen) params.append(name, each);
    const columns = [...state.columns];
    if (columns.join('\n') !== indexColumns.defaults(state.tab).join('\n')) {
      for (const each of columns.length ? columns : ['']) params.append('col', each);
    }
    if (state.only) params.set('only', '1');
    const picks = SELECTABLE.flatMap((tab) => [...picked[tab]].map((i) => tables[tab].row('id')[i].slice(0, PICK)));
    if (picks.length && picks.length <= 4 * COMPARED) params.set('pick', picks.join('.'));
    if (state.view === 'charts') {
      params.set('view', 'charts');
      charts.write(params);
    }
    const text = params.toString();
    visited.set(state.tab, text);
    if (text !== location.hash.slice(1)) history.replaceState(null, '', text ? `#${text}` : location.href.split('#', 1)[0]);
  }

  // ---- search and filters ----
  const haystacks = new Map();
  const joined = (value) => (Array.isArray(value) ? value.join(' ') : value ?? '');
  const SEARCHED = {
    models: ['project', 'name', 'version', 'tags', 'framework', 'aliases', 'comment', 'id'],
    datasets: ['ref', 'tags', 'id'],
    tasks: ['name', 'project', 'type', 'status', 'tags', 'comment', 'id'],
    makers: ['name'], // of the tasks that made models, apart from their parameters
  };
  const tableOf = (tab) => tables[tab === 'makers' ? 'tasks' : tab];

  /** Return the columns of texts that a search looks into, apart from those that all rows have. */
  const textColumns = (tab) => [...tableOf(tab).columns.values()].filter(
    ({ kind, own }) => kind !== 'metrics' && own !== null,
  );

  /** Return what must be loaded before `haystack`. */
  function searched(tab) {
    if (!SEARCHED[tab]) return [];
    const needed = [index.packsOf(tableOf(tab), SEARCHED[tab]), ...textColumns(tab)];
    return tab === 'models' ? [...needed, ...searched('makers')] : needed;
  }

  /** Return a text for each row, in which a search finds words. */
  function haystack(tab) {
    if (!haystacks.has(tab)) haystacks.set(tab, makeHaystack(tab));
    return haystacks.get(tab);
  }

  function makeHaystack(tab) {
    if (tab === 'projects') return projects.map(([name]) => fold(name));
    const table = tableOf(tab);
    const texts = new Array(table.count).fill('');
    for (const name of SEARCHED[tab]) {
      const values = table.row(name);
      for (let i = 0; i < texts.length; i += 1) texts[i] += `${joined(values[i])}\n`;
    }
    for (const column of textColumns(tab)) {
      const { values } = column;
      for (let i = 0; i < texts.length; i += 1) {
        if (values[i] !== null && values[i] !== undefined) texts[i] += `${column.key} ${values[i]}\n`;
      }
    }
    return texts.map(fold);
  }

  /** Return a function that looks for words in the texts of a row, and of the task that made it. */
  function finder(tab, words) {
    const texts = haystack(tab);
    if (tab !== 'models') return (i) => words.every((word) => texts[i].includes(word));
    const makers = haystack('makers');
    const made = tables.models.row('task');
    const found = words.map((word) => makers.map((text) => text.includes(word)));
    return (i) => words.every(
      (word, at) => texts[i].includes(word) || (made[i] !== null && found[at][made[i]]),
    );
  }

  /** Return the words, the tests and what to say about the text in the search box. */
  function understood() {
    const { words, comparisons } = search.parse(state.words);
    if (state.tab === 'projects') {
      return { words: [...words, ...comparisons.map(({ text }) => fold(text))], tests: [], needed: [], notes: [] };
    }
    const choices = comparisons.length ? indexColumns.comparable(state.tab) : [];
    const tests = [];
    const notes = [];
    for (const each of comparisons) {
      const columns = search.meant(each.key, choices);
      if (columns.length) {
        tests.push([each, columns]);
        const names = columns.slice(0, 4).map(({ name }) => plain(name));
        if (columns.length > 4) names.push('…');
        if (columns.length > 1 || fold(columns[0].name) !== fold(each.key)) {
          notes.push(`${plain(each.key)}: ${names.join(' or ')}.`);
        }
      } else {
        notes.push(`No column is named ${plain(each.key)}, so “${plain(each.text)}” is searched as text.`);
        words.push(fold(each.text.replaceAll('"', '')));
      }
    }
    const needed = tests.flatMap(([, columns]) => columns.map(needs));
    return { words, tests, notes, needed: words.length ? [...needed, ...searched(state.tab)] : needed };
  }

  /** Return what must be loaded to show a column, sort by it or compare it. */
  const needs = (column) => column.data ?? index.packsOf(tables[state.tab], column.about ?? []);

  const isIn = (project, chosen) => chosen.has(project)
    || [...chosen].some((each) => each && project.startsWith(`${each}/`));

  /** Return true if row i passes a filter: it has all chosen tags, or one of the other values. */
  function passes(values, name, chosen, i) {
    const value = values[i] ?? '';
    if (name === 'tags') {
      for (const each of chosen) if (!value.includes(each)) return false;
      return true;
    }
    if (name === 'project') return isIn(value, chosen); // with the projects below it
    return Array.isArray(value) ? value.some((each) => chosen.has(each)) : chosen.has(value);
  }

  /** Return the rows that pass the search and all filters except `without`. */
  function matching(without) {
    const { tab } = state;
    const { words, tests } = understood();
    const ways = [];
    if (state.only && picked[tab] && !without) ways.push((i) => picked[tab].has(i));
    for (const [name, chosen] of state.filters) {
      if (name === without || !chosen.size) continue;
      const values = tables[tab].row(name);
      ways.push((i) => passes(values, name, chosen, i));
    }
    for (const [comparison, columns] of tests) ways.push(search.tester(comparison, columns));
    if (words.length) ways.push(finder(tab, words));
    const count = counts[tab];
    const found = new Uint32Array(count);
    let size = 0;
    for (let i = 0; i < count; i += 1) {
      if (ways.every((way) => way(i))) {
        found[size] = i;
        size += 1;
      }
    }
    return found.subarray(0, size);
  }

  function optionsOf(name) {
    const numbers = new Map();
    const add = (value) => numbers.set(value, (numbers.get(value) ?? 0) + 1);
    const values = tables[state.tab].row(name);
    for (const i of matching(name === 'tags' ? null : name)) {
      const value = values[i] ?? '';
      if (Array.isArray(value)) new Set(value).forEach(add);
      else if (name === 'project') branches(value).forEach(add);
      else add(value);
    }
    for (const each of state.filters.get(name)) if (!numbers.has(each)) numbers.set(each, 0);
    if (name !== 'project') {
      return [...numbers].map(([value, count]) => [value, count, plain(value)])
        .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    }
    const parts = (path) => path.split('/').join('\u0000'); // so that a/b follows a, and not a-b
    return [...numbers].map(([path, count]) => {
      const depth = branches(path).length - 1;
      return [path, count, plain(depth ? path.slice(path.lastIndexOf('/') + 1) : path), depth];
    }).sort((a, b) => (parts(a[0]) < parts(b[0]) ? -1 : 1));
  }

  /** Return a project and those above it: a/b/c is in a and a/b. */
  function branches(path) {
    const found = [];
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) found.push(path.slice(0, at));
    return [...found, path];
  }

  // ---- selected rows ----
  function box(tab, i) {
    const name = plain(tab === 'tasks' ? tables.tasks.row('name')[i] : indexColumns.refOf(tab, i));
    const made = element('input', { type: 'checkbox', 'aria-label': `Select ${name}` });
    made.checked = picked[tab].has(i);
    made.addEventListener('click', (event) => {
      pick(tab, i, made.checked, event.shiftKey);
    });
    return [made];
  }

  let lastPicked = null;

  /** Select a row, or with the shift key all rows from the one that was selected before. */
  function pick(tab, i, chosen, range) {
    const rows = [...table.rows];
    const [from, to] = [rows.indexOf(lastPicked), rows.indexOf(i)].sort((a, b) => a - b);
    const some = range && from >= 0 ? rows.slice(from, to + 1) : [i];
    for (const each of some) {
      if (chosen) picked[tab].add(each);
      else picked[tab].delete(each);
    }
    lastPicked = i;
    if (some.length > 1 || state.only) update(true);
    showPicked();
    writeAddress();
  }

  function pickColumn(tab) {
    return {
      key: 'pick', title: '', width: '38px', sticky: 'first', show: (i) => box(tab, i),
      head: () => {
        const all = element('input', { type: 'checkbox', 'aria-label': 'Select all rows', id: 'pick-all' });
        all.addEventListener('click', () => {
          for (const i of table.rows) {
            if (all.checked) picked[tab].add(i);
            else picked[tab].delete(i);
          }
          update(true);
          showPicked();
        });
        return element('div', { class: 'pick' }, all);
      },
    };
  }

  function showPicked() {
    const rows = SELECTABLE.flatMap((tab) => [...picked[tab]].map((i) => [tab, i]));
    const bar = byId('picked');
    bar.hidden = !rows.length || !SELECTABLE.includes(state.tab);
    document.body.classList.toggle('has-picked', !bar.hidden);
    const all = byId('pick-all');
    if (all) {
      const some = picked[state.tab];
      all.checked = table.rows.length > 0 && some.size >= table.rows.length && [...table.rows].every((i) => some.has(i));
      all.indeterminate = !all.checked && some.size > 0;
    }
    if (bar.hidden) return;
    const both = SELECTABLE.filter((tab) => picked[tab].size)
      .map((tab) => `${picked[tab].size.toLocaleString('en')} ${picked[tab].size === 1 ? tab.slice(0, -1) : tab}`);
    const enough = rows.length > 1 && rows.length <= COMPARED;
    byId('picked-count').textContent = `${both.join(' and ')} selected${
      rows.length === 1 ? ': select another to compare' : rows.length > COMPARED ? `: at most ${COMPARED} can be compared` : ''}`;
    const command = enough ? index.command('compare', rows) : '';
    byId('picked-command').textContent = plain(command);
    byId('picked-command').hidden = !enough;
    byId('picked-copy').hidden = !enough;
    byId('picked-copy').dataset.copy = command;
    const ids = rows.map(([tab, i]) => tables[tab].row('id')[i]).sort().join(' ');
    const page = index.comparisons.find(([, those]) => [...those].sort().join(' ') === ids);
    byId('picked-page').hidden = !page;
    if (page) byId('picked-page').href = `compare/${encodeURIComponent(page[0])}`;
    byId('picked-only').hidden = !picked[state.tab].size;
    byId('picked-only').setAttribute('aria-pressed', String(state.only));
  }

  // ---- showing ----
  let table = null;
  let shownTab = null;

  function menus() {
    const made = FILTERS[state.tab]
      .filter((name) => {
        const values = tables[state.tab].row(name);
        const first = values[0];
        return Array.isArray(first) || name === 'project'
          ? values.some((each) => each && each.length) : values.some((each) => each !== first);
      })
      .map((name) => new FilterMenu(TITLES[name], {
        options: () => optionsOf(name), chosen: state.filters.get(name), onChange: () => update(),
      }).root);
    if (state.tab !== 'projects') {
      made.push(new ColumnMenu({
        groups: () => indexColumns.groups(state.tab),
        chosen: state.columns,
        onChange: () => {
          columns();
          update(true);
        },
        onReset: () => {
          state.columns.clear();
          for (const each of indexColumns.defaults(state.tab)) state.columns.add(each);
          columns();
          update(true);
        },
      }).root);
    }
    byId('menus').replaceChildren(...made);
  }

  /** Return the columns of the table, whether their values are here or not. */
  function chosenColumns() {
    const { tab } = state;
    if (tab === 'projects') return indexColumns.projectColumns(counts.datasets > 0);
    const first = indexColumns.about(tab).filter(({ sticky }) => sticky);
    const rest = [...state.columns].map((each) => indexColumns.columnOf(tab, each)).filter(Boolean);
    // Of columns with one title, those of values say what they are.
    const titles = rest.map(({ title }) => title);
    rest.forEach((each, at) => {
      if (!each.data) return;
      const twice = titles.indexOf(each.title) !== titles.lastIndexOf(each.title);
      rest[at] = Object.create(each, { note: { value: twice ? NOTES[each.kind] : null } });
    });
    return [...(SELECTABLE.includes(tab) ? [pickColumn(tab)] : []), ...first, ...rest];
  }

  let asked = 0;

  /** Show the chosen columns; those whose values are not here yet come when they are loaded. */
  function columns() {
    const list = chosenColumns();
    const sorted = indexColumns.columnOf(state.tab, state.sort.key)
      ?? list.find(({ key, value }) => key === state.sort.key && value);
    if (!sorted) state.sort = defaultSort();
    const needed = [...list, ...(sorted ? [sorted] : [])].map(needs);
    const waiting = index.load(needed);
    asked += 1;
    const mine = asked;
    if (!waiting) return table.setColumns(list, state.sort);
    const there = list.filter((each) => !index.load([needs(each)]));
    table.setColumns(there, state.sort);
    byId('panel').setAttribute('aria-busy', 'true');
    return waiting.then(() => {
      if (mine !== asked) return; // other columns were chosen meanwhile
      byId('panel').removeAttribute('aria-busy');
      table.setColumns(list, state.sort);
      update(true);
    }, failed);
  }

  function failed() {
    byId('panel').removeAttribute('aria-busy');
    note('This list was written again: reload the page to see all columns.');
  }

  function note(text) {
    byId('search-note').textContent = text;
    byId('search-note').hidden = !text;
  }

  /** Show the rows that pass; `keep` the place in the list. */
  function update(keep = false) {
    const { notes, needed } = understood();
    const isDrawn = state.view === 'charts';
    if (isDrawn) needed.push(...charts.needed(state.tab, [...state.columns]));
    const waiting = index.load(needed);
    writeAddress();
    if (waiting) {
      note('Searching …');
      waiting.then(() => update(keep), failed);
      return;
    }
    note(notes.join(' '));
    const rows = matching(null);
    table.setRows(rows, counts[state.tab], keep);
    const total = counts[state.tab].toLocaleString('en');
    byId('count').textContent = `${rows.length.toLocaleString('en')} of ${total} ${nameOf(state.tab)}`;
    showPicked();
    if (isDrawn) {
      charts.show(state.tab, table.rows, [...state.columns], (i) => picked[state.tab].has(i));
    }
  }

  const charts = new IndexCharts(byId('charts'), {
    changed: writeAddress,
    onSelect: (rows) => {
      picked[state.tab].clear();
      for (const i of rows) picked[state.tab].add(i);
      update(true);
    },
  });

  /** Show the table or the charts. */
  function showView() {
    const isDrawn = state.view === 'charts';
    byId('panel').hidden = isDrawn || (!counts[state.tab] && state.tab === 'models' && !counts.tasks);
    byId('charts').hidden = !isDrawn;
    byId('view').hidden = !SELECTABLE.includes(state.tab) || !counts[state.tab];
    byId('view').setAttribute('aria-pressed', String(isDrawn));
  }

  function sortBy(sort) {
    state.sort = sort;
    columns();
    update();
    table.head.querySelector(`[data-sort="${CSS.escape(sort.key)}"]`)?.focus();
  }

  function show() {
    if (shownTab !== state.tab) {
      shownTab = state.tab;
      table = new VirtualTable(byId('panel'), nameOf(state.tab), { onSort: sortBy });
    }
    for (const tab of document.querySelectorAll('[data-tab]')) {
      const chosen = tab.dataset.tab === state.tab;
      tab.setAttribute('aria-selected', String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    }
    byId('panel').setAttribute('aria-labelledby', `tab-${state.tab}`);
    byId('search').value = state.words;
    byId('search').placeholder = state.tab === 'projects' ? 'Search projects' : `Search ${nameOf(state.tab)}, or ${example()}`;
    byId('welcome').hidden = counts.models > 0 || counts.tasks > 0 || state.tab !== 'models';
    showView();
    byId('filters').hidden = !counts[state.tab];
    showUnpaged();
    menus();
    help();
    columns();
    update();
  }

  /** Say how many rows have no page, and how to get all pages. */
  function showUnpaged() {
    const line = byId('unpaged');
    const named = state.tab === 'tasks' ? 'tasks' : 'models';
    const lacking = tables[named].row('paged').reduce((sum, each) => sum + !each, 0);
    line.hidden = !lacking || state.tab === 'projects' || state.tab === 'datasets';
    if (line.hidden) return;
    const command = index.command('site --all');
    line.replaceChildren(
      `${lacking.toLocaleString('en')} of ${counts[named].toLocaleString('en')} ${named} have no page yet: `,
      'localreg site writes those of the 2,000 that changed last, and ',
      element('code', {}, plain(command)), ' all of them. ',
      element('button', { type: 'button', class: 'copy wide', 'data-copy': command }, 'Copy'),
    );
  }

  // ---- help for the search ----
  const bare = (name) => (/[\s"<>=!]/.test(name) ? `"${name.replaceAll('"', '')}"` : name);

  /** Return comparisons that make sense here. */
  function examples() {
    const found = [];
    const [metric] = indexColumns.ranked(state.tab, 'metrics').filter(({ rank }) => rank > 0);
    if (metric) found.push([`${bare(metric.key)}${metric.better < 0 ? '<' : '>'}0.5`, 'a metric']);
    const [parameter] = indexColumns.ranked(state.tab, 'parameters').filter(({ rank }) => rank > 0);
    if (parameter) found.push([`params.${bare(parameter.key.slice(parameter.key.lastIndexOf('/') + 1))}=1`, 'a parameter']);
    const [key] = indexColumns.ranked(state.tab, 'metadata');
    if (key) found.push([`meta.${bare(key.key)}!=0`, 'metadata']);
    if (state.tab === 'tasks') found.push(['duration>2h', 'seconds, min, h or d'], ['status=failed', '']);
    else found.push(['size>10MB', '']);
    found.push(['updated>=2026-01-31', 'a day'], ['tag=good', '']);
    return found;
  }

  const example = () => examples()[0][0];

  function help() {
    byId('search-help').hidden = state.tab === 'projects';
    if (state.tab === 'projects') return;
    const menu = new Menu('?', { label: 'What can be searched', symbol: true, wide: true });
    menu.opening = () => {
      menu.panel.replaceChildren(
        element('p', {}, 'Words are found in names, tags, comments, metadata and parameters, also of the task that made a model. All of them must be there.'),
        element('p', {}, 'Comparisons use <, <=, >, >=, = and !=:'),
        element('dl', { class: 'examples' }, ...examples().flatMap(([text, what]) => {
          const use = element('button', { type: 'button', class: 'quiet' }, element('code', {}, plain(text)));
          use.addEventListener('click', () => {
            byId('search').value = [byId('search').value.trim(), text].filter(Boolean).join(' ');
            menu.open(false);
            byId('search').focus();
            byId('search').dispatchEvent(new Event('input'));
          });
          return [element('dt', {}, use), element('dd', { class: 'dim' }, what)];
        })),
        element('p', { class: 'dim' }, 'loss<0.3 means every metric whose name begins or ends with loss. Text with blanks goes between quotes.'),
      );
    };
    byId('search-help').replaceChildren(menu.root);
  }

  // ---- events ----
  const tabs = [...document.querySelectorAll('[data-tab]')];
  tabs.forEach((tab, at) => {
    tab.querySelector('small').textContent = counts[tab.dataset.tab].toLocaleString('en');
    tab.addEventListener('click', () => {
      const name = tab.dataset.tab;
      if (name === state.tab) return;
      const params = new URLSearchParams(visited.get(name) ?? '');
      params.delete('pick');
      if (name !== 'models') params.set('tab', name);
      const pick = new URLSearchParams(location.hash.slice(1)).get('pick');
      if (pick) params.set('pick', pick);
      location.hash = params.toString();
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
    for (const each of SELECTABLE) picked[each].clear();
    state.only = false;
    update(true);
  });
  byId('picked-only').addEventListener('click', () => {
    state.only = !state.only;
    update();
  });
  byId('view').addEventListener('click', () => {
    state.view = state.view === 'charts' ? 'table' : 'charts';
    showView();
    update(true);
  });
  document.addEventListener('keydown', (event) => {
    const typing = event.target.closest('input:not([type=checkbox]), select, textarea');
    if (event.key !== '/' || typing || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    byId('search').focus();
  });
  addEventListener('hashchange', () => {
    readAddress();
    show();
  });
  let paper = null;
  addEventListener('beforeprint', () => {
    paper?.remove();
    paper = table.printed();
    byId('panel').after(paper);
  });
  addEventListener('afterprint', () => {
    paper?.remove();
    paper = null;
  });

  readAddress();
  show();
})();
