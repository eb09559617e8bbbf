// A table of any length; only the visible rows are elements of the page.
(function () {
  'use strict';

  const { element } = globalThis.localreg;
  const ROW = 36; // pixels, as in page.css
  const SPARE = 10; // extra rows above and below the visible ones

  const kind = ({ number, sticky }) => `${number ? 'number' : ''}${sticky ? ' sticky' : ''}`;

  /**
   * Columns are {key, title, width, number, sticky, value(i), show(i)}: `value` returns the sort key
   * of row i (null for a missing one, which comes last), `show` the text or nodes of its cell.
   */
  class VirtualTable {
    constructor(parent, label, { onSort }) {
      this.onSort = onSort;
      this.rows = new Uint32Array(0);
      this.columns = [];
      this.ranks = new Map();
      this.head = element('div', { class: 'vt-head', role: 'row', 'aria-rowindex': '1' });
      this.body = element('div', { class: 'vt-body', role: 'rowgroup' });
      this.empty = element('p', { class: 'empty vt-empty', hidden: '' }, 'No rows match.');
      this.box = element(
        'div', { class: 'vt', role: 'table', 'aria-label': label, tabindex: '0' },
        element('div', { role: 'rowgroup', class: 'vt-heads' }, this.head), this.body, this.empty,
      );
      parent.replaceChildren(this.box);
      let waiting = false;
      this.box.addEventListener('scroll', () => {
        if (waiting) return;
        waiting = true;
        requestAnimationFrame(() => {
          waiting = false;
          this.draw();
        });
      }, { passive: true });
      new ResizeObserver(() => this.draw()).observe(this.box);
    }

    setColumns(columns, sort) {
      this.columns = columns;
      this.sort = sort;
      const widths = columns.map((column) => column.width).join(' ');
      this.box.style.setProperty('--columns', widths);
      // Every row is a separate grid; a common minimum width keeps their columns aligned.
      const least = columns.map(({ width }) => Number(/(\d+)px/.exec(width)[1]));
      this.box.style.setProperty('--least', `${least.reduce((sum, each) => sum + each, 0)}px`);
      this.head.replaceChildren(...columns.map((column) => this.heading(column)));
      this.drawnFrom = -1;
    }

    heading(column) {
      const sorted = this.sort.key === column.key;
      const order = this.sort.down ? 'descending' : 'ascending';
      const cell = element('div', {
        role: 'columnheader', class: kind(column),
        'aria-sort': column.value ? (sorted ? order : 'none') : null,
      });
      if (column.label) cell.append(element('span', { class: 'hidden' }, column.label));
      else if (!column.value) cell.append(column.title);
      else {
        const arrow = element('span', { class: 'arrow', 'aria-hidden': 'true' });
        arrow.textContent = sorted ? (this.sort.down ? '↓' : '↑') : '';
        const name = element('span', { class: 'vt-title' }, column.title);
        const button = element('button', { type: 'button', title: column.title }, name, arrow);
        button.dataset.sort = column.key;
        button.addEventListener('click', () => {
          // Numbers and times start with the greatest.
          const down = sorted ? !this.sort.down : Boolean(column.number);
          this.onSort({ key: column.key, down });
        });
        cell.append(button);
      }
      return cell;
    }

    /** Return the rank of each row in the order of a column; -1 for a missing value. */
    rank(column, count) {
      const known = this.ranks.get(column.key);
      if (known) return known;
      const values = new Array(count);
      const present = [];
      for (let i = 0; i < count; i += 1) {
        values[i] = column.value(i);
        if (values[i] !== null) present.push(i);
      }
      present.sort((a, b) => (values[a] < values[b] ? -1 : values[a] > values[b] ? 1 : 0));
      const ranks = new Int32Array(count).fill(-1);
      let place = -1;
      present.forEach((i, at) => {
        if (!at || values[i] !== values[present[at - 1]]) place += 1;
        ranks[i] = place;
      });
      this.ranks.set(column.key, ranks);
      return ranks;
    }

    /** Show some of `count` rows, in the order of the chosen column. */
    setRows(rows, count) {
      const column = this.columns.find((each) => each.key === this.sort.key && each.value);
      if (column) {
        const ranks = this.rank(column, count);
        const turn = this.sort.down ? -1 : 1;
        rows.sort((a, b) => {
          const [one, other] = [ranks[a], ranks[b]];
          if (one === other) return a - b;
          if (one < 0 || other < 0) return one < 0 ? 1 : -1;
          return turn * (one - other);
        });
      }
      this.rows = rows;
      this.body.style.height = `${rows.length * ROW}px`;
      // As tall as its rows, plus space for a horizontal scroll bar.
      this.box.style.maxHeight = `${Math.max(rows.length, 4) * ROW + 52}px`;
      this.box.setAttribute('aria-rowcount', rows.length + 1);
      this.empty.hidden = rows.length > 0;
      this.box.scrollTop = 0;
      this.drawnFrom = -1;
      this.draw();
    }

    refresh() {
      this.drawnFrom = -1;
      this.draw();
    }

    draw() {
      const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - SPARE);
      const room = Math.min(60, Math.ceil(this.box.clientHeight / ROW)) + 2 * SPARE;
      const last = Math.min(this.rows.length, first + room);
      if (first === this.drawnFrom && last === this.drawnTo) return;
      this.drawnFrom = first;
      this.drawnTo = last;
      const made = document.createDocumentFragment();
      for (let at = first; at < last; at += 1) made.append(this.row(this.rows[at], at));
      this.body.replaceChildren(made);
    }

    row(i, at) {
      const row = element('div', { class: 'vt-row', role: 'row', 'aria-rowindex': at + 2 });
      row.style.transform = `translateY(${at * ROW}px)`;
      for (const column of this.columns) {
        const shown = column.show(i);
        const cell = element('div', { role: 'cell', class: kind(column) });
        if (Array.isArray(shown)) cell.append(...shown);
        else cell.append(shown);
        if (typeof shown === 'string' && shown.length > 12) cell.title = shown;
        row.append(cell);
      }
      return row;
    }
  }

  globalThis.localreg.VirtualTable = VirtualTable;
})();
