// The comparison of runs: rows that differ, hidden runs, a baseline, axes, and one slider for plots.
(function () {
  'use strict';

  const {
    data, element, address, bindAll, runs: drawn, redrawRuns, drawParallel, drawScatter,
  } = globalThis.localreg;
  const { runs, columns, axes } = data('compare-data');
  const { hidden } = drawn; // positions of runs; the charts leave them out
  const byId = (id) => document.getElementById(id);
  const only = byId('only-differences');
  const baseline = byId('baseline');
  const showAll = byId('show-all');
  const tables = [...document.querySelectorAll('table.compared')];
  const rows = tables.flatMap((table) => [...table.querySelectorAll('tbody tr:not(.group)')])
    .map((row) => ({
      row,
      differs: row.classList.contains('differs'),
      texts: [...row.cells].slice(1).map((cell) => cell.textContent.replace(/^–$/, '')),
    }));
  const hiding = document.head.appendChild(element('style'));
  const lighting = document.head.appendChild(element('style'));
  runs.forEach((run, i) => {
    run.color = `var(--series-${i % 50})`;
  });
  let parallel = null;
  let scatter = null;

  const visible = () => runs.filter((_, i) => !hidden.has(i));

  // ---- rows ----
  function filterRows() {
    for (const { row, differs, texts } of rows) {
      const shown = hidden.size ? texts.filter((_, i) => !hidden.has(i)) : texts;
      const differ = hidden.size ? new Set(shown).size > 1 : differs;
      row.classList.toggle('differs', differ);
      row.classList.toggle('same', !differ);
      row.classList.toggle('blank', !shown.some(Boolean));
    }
    for (const table of tables) {
      table.classList.toggle('only-differences', only.checked);
      for (const body of table.tBodies) {
        body.classList.toggle('none-differs', !body.querySelector('tr.differs'));
      }
      const nothing = only.checked && !table.querySelector('tr.differs');
      table.parentElement.hidden = nothing;
      table.parentElement.nextElementSibling.hidden = !nothing;
    }
  }

  function numberOf(run, key) {
    const value = Object.hasOwn(run.values, key) ? run.values[key] : null;
    return value === null || value === '' ? NaN : Number(value);
  }

  /** Show by how many percent numbers differ from those of the baseline. */
  function showDeltas() {
    for (const old of document.querySelectorAll('.delta')) old.remove();
    const chosen = runs[Number(baseline.value) - 1];
    if (!chosen) return;
    for (const { row } of rows) {
      const { key } = row.dataset;
      const base = key ? numberOf(chosen, key) : NaN;
      if (!Number.isFinite(base) || base === 0) continue;
      runs.forEach((run, i) => {
        const value = numberOf(run, key);
        if (run === chosen || !Number.isFinite(value)) return;
        const part = ((value - base) / Math.abs(base)) * 100;
        const digits = Math.abs(part) < 10 ? 1 : 0;
        const text = `${part >= 0 ? '+' : '−'}${Math.abs(part).toFixed(digits)} %`;
        const small = element('small', { class: 'delta' }, text);
        const before = row.cells[i + 1].querySelector('small');
        if (before) before.before(small);
        else row.cells[i + 1].append(small);
      });
    }
  }

  // ---- runs ----
  function showRuns() {
    hiding.textContent = [...hidden].map((i) => (
      `.compared tr > :nth-child(${i + 2}):not([colspan]), .joint-plots > :nth-child(${i + 1}) { display: none; }`
    )).join('\n');
    for (const table of tables) table.style.setProperty('--runs', runs.length - hidden.size);
    for (const button of document.querySelectorAll('.run-button')) {
      button.setAttribute('aria-pressed', String(!hidden.has(Number(button.dataset.run))));
    }
    showAll.hidden = !hidden.size;
    showAll.textContent = `Show all runs (${hidden.size} hidden)`;
    filterRows();
  }

  function hide(some) {
    if (some.size >= runs.length) return; // one stays
    hidden.clear();
    for (const i of some) hidden.add(i);
    address.set('hide', [...hidden].sort((one, other) => one - other).map((i) => i + 1).join(','));
    drawn.lit = null;
    showRuns();
    redrawRuns();
    parallel?.show(visible());
    scatter?.show(visible());
    offerSelected();
  }

  function toggle(i) {
    const some = new Set(hidden);
    if (!some.delete(i)) some.add(i);
    hide(some);
  }

  /** Emphasize a run everywhere, or none for null. */
  function light(i, inCharts) {
    lighting.textContent = i === null ? ''
      : `.compared tbody tr > td:nth-child(${i + 2}) { background: var(--accent-soft); }`;
    const run = i === null ? null : runs[i];
    parallel?.light(run);
    scatter?.light(run);
    if (!inCharts || drawn.lit === i) return;
    drawn.lit = i;
    redrawRuns(i === null);
  }

  let waiting = 0;
  for (const each of document.querySelectorAll('.run-button, .compared thead th[data-run]')) {
    const i = Number(each.dataset.run);
    each.addEventListener('pointerenter', () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        if (!hidden.has(i)) light(i, true);
      }, 150);
    });
    each.addEventListener('pointerleave', () => {
      clearTimeout(waiting);
      if (drawn.lit !== null) light(null, true);
    });
  }
  for (const button of document.querySelectorAll('.run-button, .hide-run')) {
    button.addEventListener('click', () => {
      clearTimeout(waiting);
      light(null, false);
      toggle(Number(button.dataset.run));
    });
  }
  showAll.addEventListener('click', () => hide(new Set()));

  // ---- what the address stores ----
  for (const text of (address.get('hide') ?? '').split(',')) {
    const i = Number(text) - 1;
    if (text && Number.isInteger(i) && i >= 0 && i < runs.length) hidden.add(i);
  }
  if (hidden.size >= runs.length) hidden.clear();
  only.checked = address.get('only') !== 'no';
  baseline.value = runs[Number(address.get('baseline')) - 1] ? address.get('baseline') : '';
  function storedState(name) {
    try {
      const found = JSON.parse(address.get(name) ?? '{}');
      return found && typeof found === 'object' ? found : {};
    } catch {
      return {}; // somebody changed the address
    }
  }
  only.addEventListener('change', () => {
    address.set('only', only.checked ? null : 'no');
    filterRows();
  });
  baseline.addEventListener('change', () => {
    address.set('baseline', baseline.value);
    showDeltas();
  });
  for (const button of document.querySelectorAll('.show-same')) {
    button.addEventListener('click', () => {
      only.checked = false;
      address.set('only', 'no');
      filterRows();
    });
  }
  addEventListener('hashchange', () => {
    // Back, or another address: the choices are read again.
    if (address.params().toString() !== address.kept) location.reload();
  });

  // ---- axes ----
  function offerSelected() {
    const offer = document.querySelector('.only-selected');
    const count = parallel?.selected().length ?? 0;
    if (offer) offer.hidden = !count || count === visible().length;
  }
  const indexOf = (run) => (run ? runs.indexOf(run) : null);
  /** Return the parameter that a scatter shows first: the learning rate, or what has most values. */
  function bestX() {
    let best = axes[0];
    let most = 1;
    for (const key of columns.map((each) => each.key)) {
      if (!key.startsWith('parameter ')) continue;
      const count = new Set(runs.map((run) => numberOf(run, key)).filter(Number.isFinite)).size;
      if (count > 1 && /[/_ .](lr|learning_rate)$/i.test(key)) return key;
      if (count > most) [best, most] = [key, count];
    }
    return best;
  }
  function drawAxes() {
    const given = storedState('parallel');
    parallel = drawParallel(byId('parallel'), visible(), columns, {
      state: { ...given, axes: Array.isArray(given.axes) ? given.axes : axes },
      changed(state) {
        address.set('parallel', JSON.stringify(state));
        offerSelected();
      },
      lit: (run) => light(indexOf(run), false),
    });
    const known = (key) => columns.some((each) => each.key === key);
    const first = bestX();
    const second = axes.find((key) => key.startsWith('metric ') && key !== first) ?? axes[1];
    const { x, y, xScale, yScale } = storedState('scatter');
    scatter = drawScatter(
      byId('scatter'), visible(), known(x) ? x : first, known(y) ? y : second,
      {
        columns, xScale, yScale,
        changed: (state) => address.set('scatter', JSON.stringify(state)),
        lit: (run) => light(indexOf(run), false),
      },
    );
    byId('only-selected').addEventListener('click', () => {
      const some = new Set(parallel.selected());
      hide(new Set([...runs.keys()].filter((i) => !some.has(runs[i]))));
    });
  }
  if (byId('parallel')) drawAxes();
  showRuns();
  showDeltas();
  offerSelected();

  // ---- all tables scroll sideways together ----
  const boxes = tables.map((table) => table.parentElement);
  for (const box of boxes) {
    box.addEventListener('scroll', () => {
      for (const each of boxes) if (each.scrollLeft !== box.scrollLeft) each.scrollLeft = box.scrollLeft;
    }, { passive: true });
  }

  for (const joint of document.querySelectorAll('.joint')) {
    bindAll(joint.querySelector('.joint-stepper'), joint);
  }
})();
