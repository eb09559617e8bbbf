// The menu that chooses the columns of the overview's table.
(function () {
  'use strict';

  const { element, Menu } = globalThis.localreg;
  const LISTED = 300; // lines at once; the search box finds the others

  class ColumnMenu extends Menu {
    /**
     * `groups()` returns [[heading, [{name, title, present, parts: [[column, label], …]}, …]], …] with
     * the most useful first; `chosen` is a Set of the ids of columns, changed in place.
     */
    constructor({ groups, chosen, onChange, onReset }) {
      super('Columns', { wide: true });
      this.groups = groups;
      this.chosen = chosen;
      this.onChange = onChange;
      this.find = element('input', {
        type: 'search', class: 'menu-find', placeholder: 'Find a column',
        'aria-label': 'Find a column',
      });
      this.list = element('div', { class: 'menu-list tall' });
      const reset = element('button', { type: 'button', class: 'quiet' }, 'Default columns');
      this.panel.append(this.find, this.list, reset);
      this.find.addEventListener('input', () => this.fill());
      reset.addEventListener('click', () => {
        this.open(false);
        this.button.focus();
        onReset();
      });
    }

    opening() {
      this.listed = this.groups();
      this.find.value = '';
      this.fill();
      this.find.focus();
    }

    fill() {
      const words = this.find.value.toLowerCase().split(/\s+/).filter(Boolean);
      const made = [];
      let left = LISTED;
      let more = 0;
      for (const [heading, lines] of this.listed) {
        const fitting = lines.filter(({ title }) => {
          const text = `${heading} ${title}`.toLowerCase();
          return words.every((word) => text.includes(word));
        });
        const shown = fitting.slice(0, left);
        left -= shown.length;
        more += fitting.length - shown.length;
        if (!shown.length) continue;
        const title = element('div', { class: 'menu-group', 'aria-hidden': 'true' }, heading);
        made.push(element(
          'div', { role: 'group', 'aria-label': heading }, title,
          ...shown.map((line) => this.line(line, heading)),
        ));
      }
      if (more) made.push(element('p', { class: 'note' }, `${more.toLocaleString('en')} more: search above`));
      if (!made.length) made.push(element('p', { class: 'note' }, 'No such column.'));
      this.list.replaceChildren(...made);
    }

    /** Return one line: a name with a box for the column, or for last, least and greatest value. */
    line({ title, present, parts }) {
      const boxes = parts.map(([id, label]) => {
        const box = element('input', {
          type: 'checkbox', 'aria-label': label ? `${title}: ${label}` : null,
        });
        box.checked = this.chosen.has(id);
        box.dataset.column = id;
        box.addEventListener('change', () => {
          if (box.checked) this.chosen.add(id);
          else this.chosen.delete(id);
          this.onChange();
        });
        return [box, label];
      });
      const text = element('span', { title }, title);
      const number = present === null ? null : element('small', { title: 'rows that have it' }, present);
      if (boxes.length === 1) {
        return element('label', { class: 'menu-row' }, boxes[0][0], text, ' ', number);
      }
      return element(
        'div', { class: 'menu-row parts' }, text, ' ', number,
        ...boxes.map(([box, label]) => element('label', {}, box, label)),
      );
    }
  }

  globalThis.localreg.ColumnMenu = ColumnMenu;
})();
