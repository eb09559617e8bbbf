// Buttons that open a panel: a list of choices with counts for filters, and the base of other menus.
(function () {
  'use strict';

  const { element } = globalThis.localreg;
  const LISTED = 200; // choices shown at once; the search box finds the others
  let opened = null;

  function close() {
    if (opened) opened.open(false);
  }
  document.addEventListener('click', (event) => {
    // An element that its own click replaced is no longer in the document.
    if (opened && event.target.isConnected && !opened.root.contains(event.target)) close();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && opened) {
      opened.button.focus();
      close();
    }
  });

  /** A button and a panel; `fill` is called each time the panel opens. */
  class Menu {
    constructor(title, { label = title, wide = false, symbol = false } = {}) {
      this.name = element('span', {}, title);
      this.number = element('span', { class: 'menu-count', hidden: '' });
      this.button = element(
        'button',
        {
          type: 'button', class: `menu-button${symbol ? ' symbol' : ''}`, 'aria-expanded': 'false',
          'aria-haspopup': 'true', 'aria-label': symbol ? label : null, title: symbol ? label : null,
        },
        this.name, this.number,
      );
      this.panel = element('div', {
        class: `menu-panel${wide ? ' wide' : ''}`, role: 'group', 'aria-label': label, hidden: '',
      });
      this.root = element('div', { class: 'menu' }, this.button, this.panel);
      this.button.addEventListener('click', () => this.open(this.panel.hidden));
    }

    open(wanted) {
      if (wanted) close();
      this.panel.hidden = !wanted;
      this.button.setAttribute('aria-expanded', String(wanted));
      opened = wanted ? this : null;
      if (!wanted) return;
      this.opening();
      // A menu near the right edge opens to the left.
      this.panel.classList.remove('leftwards');
      if (this.panel.getBoundingClientRect().right > innerWidth - 8) {
        this.panel.classList.add('leftwards');
      }
    }

    opening() {}
  }

  class FilterMenu extends Menu {
    /** `options()` returns [[name, count, label, depth], …]; it is called when the menu opens. */
    constructor(title, { options, chosen, onChange }) {
      super(title);
      this.options = options;
      this.chosen = chosen; // a Set, changed in place
      this.onChange = onChange;
      this.find = element('input', {
        type: 'search', class: 'menu-find', placeholder: 'Find', 'aria-label': `Find in ${title}`,
      });
      this.list = element('div', { class: 'menu-list' });
      this.clear = element('button', { type: 'button', class: 'quiet menu-clear' }, 'Clear');
      this.panel.append(this.find, this.list, this.clear);
      this.find.addEventListener('input', () => this.fill());
      this.clear.addEventListener('click', () => {
        this.chosen.clear();
        this.changed();
        this.open(false);
        this.button.focus();
      });
      this.updateCount();
    }

    opening() {
      this.listed = this.options();
      this.find.value = '';
      this.find.hidden = this.listed.length <= 12;
      this.fill();
      if (!this.find.hidden) this.find.focus();
    }

    fill() {
      const wanted = this.find.value.toLowerCase();
      const fitting = this.listed.filter(([name]) => name.toLowerCase().includes(wanted));
      // Chosen ones come first, so that they are easy to unselect; a tree keeps its order.
      const isTree = fitting.some(([, , , depth]) => depth);
      if (!isTree) fitting.sort((a, b) => this.chosen.has(b[0]) - this.chosen.has(a[0]));
      const rows = fitting.slice(0, LISTED).map(([name, count, label, depth]) => {
        const box = element('input', { type: 'checkbox' });
        box.checked = this.chosen.has(name);
        box.addEventListener('change', () => {
          if (box.checked) this.chosen.add(name);
          else this.chosen.delete(name);
          this.changed();
        });
        const number = element('small', {}, count.toLocaleString('en'));
        const text = element('span', { title: name }, (label ?? name) || '(none)');
        const row = element('label', { class: 'menu-row' }, box, text, ' ', number);
        if (depth && !wanted) row.style.paddingInlineStart = `${6 + 16 * Math.min(depth, 6)}px`;
        return row;
      });
      if (fitting.length > LISTED) {
        const rest = `${(fitting.length - LISTED).toLocaleString('en')} more: search above`;
        rows.push(element('p', { class: 'note' }, rest));
      }
      if (!rows.length) rows.push(element('p', { class: 'note' }, 'No choices.'));
      this.list.replaceChildren(...rows);
      this.clear.hidden = !this.chosen.size;
    }

    changed() {
      this.updateCount();
      this.clear.hidden = !this.chosen.size;
      this.onChange();
    }

    updateCount() {
      this.number.textContent = this.chosen.size;
      this.number.hidden = !this.chosen.size;
      this.button.classList.toggle('active', this.chosen.size > 0);
    }
  }

  Object.assign(globalThis.localreg, { Menu, FilterMenu });
})();
