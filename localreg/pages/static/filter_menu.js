// A button that opens a list of choices with counts, for filters and for metric columns.
(function () {
  'use strict';

  const { element } = globalThis.localreg;
  const LISTED = 200; // choices shown at once; the search box finds the others
  let opened = null;

  function close() {
    if (opened) opened.open(false);
  }
  document.addEventListener('click', (event) => {
    if (opened && !opened.root.contains(event.target)) close();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && opened) {
      opened.button.focus();
      close();
    }
  });

  class FilterMenu {
    /** `options()` returns [[name, count or null], …]; it is called each time the menu opens. */
    constructor(title, { options, chosen, onChange }) {
      this.options = options;
      this.chosen = chosen; // a Set, changed in place
      this.onChange = onChange;
      this.name = element('span', {}, title);
      this.number = element('span', { class: 'menu-count', hidden: '' });
      this.button = element(
        'button',
        { type: 'button', class: 'menu-button', 'aria-expanded': 'false', 'aria-haspopup': 'true' },
        this.name, this.number,
      );
      this.find = element('input', {
        type: 'search', class: 'menu-find', placeholder: 'Find', 'aria-label': `Find in ${title}`,
      });
      this.list = element('div', { class: 'menu-list' });
      this.clear = element('button', { type: 'button', class: 'quiet menu-clear' }, 'Clear');
      this.panel = element(
        'div', { class: 'menu-panel', role: 'group', 'aria-label': title, hidden: '' },
        this.find, this.list, this.clear,
      );
      this.root = element('div', { class: 'menu' }, this.button, this.panel);
      this.button.addEventListener('click', () => this.open(this.panel.hidden));
      this.find.addEventListener('input', () => this.fill());
      this.clear.addEventListener('click', () => {
        this.chosen.clear();
        this.changed();
        this.open(false);
        this.button.focus();
      });
      this.updateCount();
    }

    open(wanted) {
      if (wanted) close();
      this.panel.hidden = !wanted;
      this.button.setAttribute('aria-expanded', String(wanted));
      opened = wanted ? this : null;
      if (!wanted) return;
      this.listed = this.options();
      this.find.value = '';
      this.find.hidden = this.listed.length <= 12;
      this.fill();
      // A menu near the right edge opens to the left.
      this.panel.classList.remove('leftwards');
      if (this.panel.getBoundingClientRect().right > innerWidth - 8) {
        this.panel.classList.add('leftwards');
      }
      if (!this.find.hidden) this.find.focus();
    }

    fill() {
      const wanted = this.find.value.toLowerCase();
      const fitting = this.listed.filter(([name]) => name.toLowerCase().includes(wanted));
      // Chosen ones come first, so that they are easy to unselect.
      fitting.sort((a, b) => this.chosen.has(b[0]) - this.chosen.has(a[0]));
      const rows = fitting.slice(0, LISTED).map(([name, count]) => {
        const box = element('input', { type: 'checkbox' });
        box.checked = this.chosen.has(name);
        box.addEventListener('change', () => {
          if (box.checked) this.chosen.add(name);
          else this.chosen.delete(name);
          this.changed();
        });
        const number = count === null ? null : element('small', {}, count.toLocaleString('en'));
        const text = element('span', { title: name }, name || '(none)');
        return element('label', { class: 'menu-row' }, box, text, ' ', number);
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

  globalThis.localreg.FilterMenu = FilterMenu;
})();
