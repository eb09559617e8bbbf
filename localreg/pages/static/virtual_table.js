// A table of any length; only the visible rows are elements of the page.
(function () {
  'use strict';

  const { element } = globalThis.localreg;
  const ROW = 36; // pixels, as in page.css
  const SPARE = 10; // extra rows above and below the visible ones
  const PRINTED = 2000; // rows on paper

  const kind = ({ number, sticky }) => `${number ? 'number' : ''}${sticky ? ` sticky ${sticky}` : ''}`;
  const pixels = (width) => Number(/(\d+)px/.exec(width)[1]);
  const NARROW = 640; // pixels: below it columns have their narrow width

  /**
   * Columns are {key, title, note, hint, width, narrow, number, sticky, better, value(i), numbers, show(i), head}:
   * `value` returns the sort key of row i (null for a missing one, which comes last); `numbers`, if
   * there, holds the numbers of all rows; `show` returns the text or nodes of a cell. `byPlace` is
   * that of columns whose greatest value comes first as the rows are. `better` is 1
   * if more is better, -1 if less is: then the best come first, and the best of the rows is marked.
   */
  class VirtualTable {
    constructor(parent, label, { onSort }) {
      this.onSort = onSort;
      this.rows = new Uint32Array(0);
      this.columns = [];
      this.ranks = new Map();
      this.drawn = new Map(); // elements of rows, by their place
      this.head = element('div', { class: 'vt-head', role: 'row', 'aria-rowindex': '1' });
      this.body = element('div', { class: 'vt-body', role: 'rowgroup' });
      this.empty = element('p', { class: 'empty vt-empty', hidden: '' }, 'No rows match.');
      this.table = element(
        'div', { role: 'table', 'aria-label': label },
        element('div', { role: 'rowgroup', class: 'vt-heads' }, this.head), this.body,
      );
      this.box = element(
        'div', { class: 'vt', tabindex: '0', role: 'region', 'aria-label': `List of ${label}` },
        this.table, this.empty,
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
      this.body.addEventListener('keydown', (event) => this.moveFocus(event));
      new ResizeObserver(() => {
        this.layOut();
        this.draw();
      }).observe(this.box);
    }

    setColumns(columns, sort) {
      this.columns = columns;
      this.sort = sort;
      this.layOut();
      this.head.replaceChildren(...columns.map((column) => this.heading(column)));
      this.clear();
    }

    layOut() {
      const isNarrow = this.box.clientWidth < NARROW;
      const widths = this.columns.map(({ width, narrow }) => (isNarrow && narrow) || width);
      this.box.style.setProperty('--columns', widths.join(' '));
      // Every row is a separate grid; a common minimum width keeps their columns aligned.
      this.box.style.setProperty('--least', `${widths.reduce((sum, each) => sum + pixels(each), 0)}px`);
    }

    heading(column) {
      const sorted = this.sort.key === column.key;
      const order = this.sort.down ? 'descending' : 'ascending';
      const cell = element('div', {
        role: 'columnheader', class: kind(column),
        'aria-sort': column.value ? (sorted ? order : 'none') : null,
      });
      if (column.head) cell.append(column.head());
      else if (!column.value) cell.append(column.title);
      else {
        const arrow = element('span', { class: 'arrow', 'aria-hidden': 'true' });
        arrow.textContent = sorted ? (this.sort.down ? '↓' : '↑') : '';
        const note = column.note ? element('small', {}, ` ${column.note}`) : null;
        const name = element('span', { class: 'vt-title' }, column.title, note);
        const button = element('button', { type: 'button', title: column.hint ?? column.title }, name, arrow);
        button.dataset.sort = column.key;
        button.addEventListener('click', () => {
          // The best first; else numbers and times start with the greatest.
          const first = column.better ? column.better > 0 : Boolean(column.number);
          this.onSort({ key: column.key, down: sorted ? !this.sort.down : first });
        });
        cell.append(button);
      }
      return cell;
    }

    /** Return the rank of each row in the order of a column; -1 for a missing value. */
    rank(column, count) {
      const known = this.ranks.get(column.key);
      if (known) return known;
      const { numbers } = column;
      const values = numbers ?? new Array(count);
      const present = new Uint32Array(count);
      let size = 0;
      for (let i = 0; i < count; i += 1) {
        if (!numbers) values[i] = column.value(i);
        const value = values[i];
        if (value !== null && value === value) {
          present[size] = i;
          size += 1;
        }
      }
      const ordered = present.subarray(0, size);
      if (numbers) ordered.sort((a, b) => values[a] - values[b]);
      else ordered.sort((a, b) => (values[a] < values[b] ? -1 : values[a] > values[b] ? 1 : 0));
      const ranks = new Int32Array(count).fill(-1);
      let place = -1;
      for (let at = 0; at < size; at += 1) {
        if (!at || values[ordered[at]] !== values[ordered[at - 1]]) place += 1;
        ranks[ordered[at]] = place;
      }
      this.ranks.set(column.key, ranks);
      return ranks;
    }

    /** Show some of `count` rows, in the order of the chosen column; `keep` the place in the list. */
    setRows(rows, count, keep = false) {
      const column = this.columns.find((each) => each.key === this.sort.key && each.value);
      if (column?.byPlace) {
        if (!this.sort.down) rows.reverse();
      } else if (column) {
        const ranks = this.rank(column, count);
        const turn = this.sort.down ? -1 : 1;
        rows.sort((a, b) => {
          const one = ranks[a];
          const other = ranks[b];
          if (one === other) return a - b;
          if (one < 0 || other < 0) return one < 0 ? 1 : -1;
          return turn * (one - other);
        });
      }
      this.rows = rows;
      this.best = new Map(this.columns.filter((each) => each.better && each.numbers)
        .map((each) => [each.key, this.bestOf(each)]));
      this.body.style.height = `${rows.length * ROW}px`;
      // As tall as its rows, plus space for a horizontal scroll bar.
      this.box.style.maxHeight = `${Math.max(rows.length, 4) * ROW + 52}px`;
      this.table.setAttribute('aria-rowcount', rows.length + 1);
      this.empty.hidden = rows.length > 0;
      if (!keep) this.box.scrollTop = 0;
      this.clear();
      this.draw();
    }

    /** Return the best number of a column in the shown rows; NaN if all have the same. */
    bestOf({ numbers, better }) {
      let best = NaN;
      let worst = NaN;
      for (const i of this.rows) {
        const value = numbers[i];
        if (value !== value) continue;
        if (!(best === best) || (value - best) * better > 0) best = value;
        if (!(worst === worst) || (value - worst) * better < 0) worst = value;
      }
      return best === worst ? NaN : best;
    }

    refresh() {
      this.clear();
      this.draw();
    }

    clear() {
      this.body.replaceChildren();
      this.drawn.clear();
    }

    draw() {
      const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - SPARE);
      const room = Math.min(60, Math.ceil(this.box.clientHeight / ROW)) + 2 * SPARE;
      const last = Math.min(this.rows.length, first + room);
      for (const [at, row] of this.drawn) {
        // The row with the focus stays, so that scrolling does not lose it.
        if ((at >= first && at < last) || row.contains(document.activeElement)) continue;
        row.remove();
        this.drawn.delete(at);
      }
      let next = this.body.firstChild;
      for (let at = first; at < last; at += 1) {
        const known = this.drawn.get(at);
        if (known) {
          next = known.nextSibling;
          continue;
        }
        const row = this.row(this.rows[at], at);
        this.drawn.set(at, row);
        this.body.insertBefore(row, next && Number(next.dataset.at) > at ? next : this.after(at));
      }
    }

    /** Return the first drawn row below a place, so that the order for readers is that of the list. */
    after(at) {
      for (let row = this.body.firstChild; row; row = row.nextSibling) {
        if (Number(row.dataset.at) > at) return row;
      }
      return null;
    }

    row(i, at) {
      const row = element('div', { class: 'vt-row', role: 'row', 'aria-rowindex': at + 2 });
      row.dataset.at = at;
      row.style.transform = `translateY(${at * ROW}px)`;
      for (const column of this.columns) row.append(this.cell(column, i, 'div'));
      return row;
    }

    cell(column, i, tag) {
      const shown = column.show(i);
      const cell = element(tag, { role: tag === 'div' ? 'cell' : null, class: kind(column) });
      if (column.better && column.numbers?.[i] === this.best.get(column.key)) {
        cell.classList.add('best');
      }
      if (Array.isArray(shown)) cell.append(...shown);
      else cell.append(shown);
      if (typeof shown === 'string' && shown.length > 12) cell.title = shown;
      return cell;
    }

    /** Arrow keys move from a box or link to that of the next row, through the whole list. */
    moveFocus(event) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const row = event.target.closest('.vt-row');
      if (!step || !row || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      const at = Number(row.dataset.at) + step;
      if (at < 0 || at >= this.rows.length) return;
      const cell = [...row.children].findIndex((each) => each.contains(event.target));
      const top = at * ROW;
      const room = this.box.clientHeight - this.head.offsetHeight - ROW;
      if (top < this.box.scrollTop) this.box.scrollTop = top;
      else if (top > this.box.scrollTop + room) this.box.scrollTop = top - room;
      this.draw();
      this.drawn.get(at)?.children[cell]?.querySelector('a, button, input')?.focus({ preventScroll: true });
    }

    /** Return a plain table of the rows, for paper. */
    printed() {
      const columns = this.columns.filter(({ head }) => !head);
      const some = this.rows.subarray(0, PRINTED);
      const left = this.rows.length - some.length;
      return element(
        'div', { class: 'printed' },
        element(
          'table', {},
          element('thead', {}, element('tr', {}, ...columns.map(
            (each) => element('th', { class: kind(each), scope: 'col' }, each.title),
          ))),
          element('tbody', {}, ...[...some].map((i) => element(
            'tr', {}, ...columns.map((each) => this.cell(each, i, 'td')),
          ))),
        ),
        left ? element('p', { class: 'note' }, `${left.toLocaleString('en')} more rows are not printed.`) : null,
      );
    }
  }

  globalThis.localreg.VirtualTable = VirtualTable;
})();
