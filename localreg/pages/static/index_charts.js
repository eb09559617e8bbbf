// The charts of the overview: its rows as lines over parallel axes, and as dots.
(function () {
  'use strict';

  const { element, index, indexColumns, drawParallel, drawScatter } = globalThis.localreg;
  const { tables } = index;
  const DRAWN = 2000; // rows
  const OFFERED = { parameters: 12, metrics: 8, metadata: 4 }; // columns, with those of the table
  const AXES = { parameters: 5, metadata: 1, metrics: 3 }; // at the beginning
  const HEADINGS = { parameters: 'Parameters', metrics: 'Metrics', metadata: 'Metadata' };

  class Charts {
    /** `changed()` is called when the reader has chosen; `onSelect(rows)` when rows shall be selected. */
    constructor(into, { changed, onSelect }) {
      this.into = into;
      this.changed = changed;
      this.onSelect = onSelect;
      this.state = { parallel: {}, scatter: {} };
      this.shown = '';
    }

    /** Take the choices from the address; anything may be there. */
    read(params) {
      for (const name of ['parallel', 'scatter']) {
        try {
          const found = JSON.parse(params.get(name) ?? '{}');
          this.state[name] = found && typeof found === 'object' ? found : {};
        } catch {
          this.state[name] = {};
        }
      }
      this.shown = '';
    }

    write(params) {
      for (const [name, value] of Object.entries(this.state)) {
        if (Object.keys(value).length) params.set(name, JSON.stringify(value));
      }
    }

    /** Return the columns that can be axes: those of the table, and others that differ. */
    columns(tab, chosen) {
      return Object.keys(OFFERED).flatMap((kind) => {
        const ranked = indexColumns.ranked(tab, kind);
        const some = new Set(ranked.filter(({ differs, rank }) => differs && rank > 0).slice(0, OFFERED[kind]));
        const mine = chosen.map((each) => tables[tab].columns.get(each)).filter((each) => each?.kind === kind);
        return [...new Set([...mine, ...some])];
      });
    }

    /** Return what must be loaded before `show`. */
    needed(tab, chosen) {
      return this.columns(tab, chosen);
    }

    /** Draw rows of a list; `isPicked` says which are selected. */
    show(tab, rows, chosen, isPicked) {
      const columns = this.columns(tab, chosen);
      const runs = [...rows.subarray(0, DRAWN)].map((i) => ({
        i,
        name: indexColumns.plain(tab === 'tasks' ? tables.tasks.row('name')[i] : indexColumns.refOf(tab, i)),
        href: indexColumns.pageOf(tab, i),
        color: isPicked(i) ? 'var(--series-1)' : 'var(--series-0)',
        values: Object.fromEntries(columns.map((each) => [each.id, each.values[i] ?? null])),
      }));
      this.runs = runs;
      const shape = [tab, ...columns.map(({ id }) => id)].join('\n');
      if (this.shown === shape) {
        this.parallel?.show(runs);
        this.scatter?.show(runs);
      } else {
        this.shown = shape;
        this.draw(tab, runs, columns);
      }
      this.offer();
      this.rest.hidden = rows.length <= DRAWN;
      this.rest.textContent = `The first ${DRAWN.toLocaleString('en')} of ${rows.length.toLocaleString('en')} rows are drawn, in the order of the table.`;
    }

    draw(tab, runs, columns) {
      const named = columns.map((each) => ({
        key: each.id, group: HEADINGS[each.kind],
        name: indexColumns.plain(each.part && each.part !== 'last' ? `${each.key} ${each.part}` : each.key),
      }));
      this.rest = element('p', { class: 'note' });
      this.select = element('button', { type: 'button', class: 'copy wide' });
      this.select.addEventListener('click', () => this.onSelect(this.passing.map(({ i }) => i)));
      if (columns.length < 2) {
        this.parallel = null;
        this.scatter = null;
        this.into.replaceChildren(this.rest, element('p', { class: 'empty' }, 'There are no two columns of parameters, metrics or metadata that differ.'));
        return;
      }
      const lines = element('div', {});
      const dots = element('div', {});
      this.into.replaceChildren(
        this.rest,
        element('section', {}, element('h2', {}, 'Parallel axes'), lines, this.select),
        element('section', {}, element('h2', {}, 'Scatter'), dots),
      );
      const known = (key) => columns.some(({ id }) => id === key);
      const first = columns.filter(({ kind }) => kind === 'metrics');
      const best = first.find(({ better }) => better) ?? first[0];
      const { parallel, scatter } = this.state;
      // A line ends at an axis that its row has no value for.
      const usual = columns.filter(({ id }) => runs.filter(({ values }) => values[id] !== null).length * 2 >= runs.length);
      const offered = usual.length > 1 ? usual : columns;
      const axes = Array.isArray(parallel.axes) && parallel.axes.some(known) ? parallel.axes : Object.keys(AXES).flatMap(
        (kind) => offered.filter((each) => each.kind === kind).slice(0, AXES[kind]).map(({ id }) => id),
      );
      this.parallel = drawParallel(lines, runs, named, {
        state: { ...parallel, axes, colour: known(parallel.colour) ? parallel.colour : parallel.axes ? null : best?.id },
        changed: (state) => {
          this.state.parallel = state;
          this.offer();
          this.changed();
        },
        lit: (run) => this.scatter?.light(run),
      });
      const x = columns.find(({ kind, key }) => kind === 'parameters' && /(^|[/_ .])(lr|learning_rate)$/i.test(key))
        ?? columns.find(({ kind, numbers }) => kind === 'parameters' && numbers) ?? columns[0];
      const y = best && best !== x ? best : columns.find((each) => each !== x);
      this.scatter = drawScatter(
        dots, runs, known(scatter.x) ? scatter.x : x.id, known(scatter.y) ? scatter.y : y.id, {
          columns: named, xScale: scatter.xScale, yScale: scatter.yScale,
          changed: (state) => {
            this.state.scatter = state;
            this.changed();
          },
          lit: (run) => this.parallel?.light(run),
        },
      );
    }

    /** Offer to select the rows that the filters of the axes leave. */
    offer() {
      this.passing = this.parallel?.selected() ?? [];
      this.select.hidden = !this.passing.length || this.passing.length === this.runs.length;
      this.select.textContent = `Select these ${this.passing.length.toLocaleString('en')}`;
    }
  }

  globalThis.localreg.IndexCharts = Charts;
})();
