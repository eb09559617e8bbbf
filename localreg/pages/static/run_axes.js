// Values of runs on axes: scales, ticks and colours, and menus that choose; for parallel.js and scatter.js.
(function () {
  'use strict';

  const { element } = globalThis.localreg;
  const SVG = 'http://www.w3.org/2000/svg';
  const WIDE = 100; // the greatest value by the least, from which on an axis is logarithmic
  const inOrder = new Intl.Collator(undefined, { numeric: true }).compare;

  /** Return a new SVG element; texts become text nodes, never markup. */
  function svg(tag, properties = {}, ...children) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(properties)) {
      if (value !== null && value !== undefined) made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  /** Return the value that a run has for a key, or null. A key may be named __proto__. */
  function valueOf(run, key) {
    const value = Object.hasOwn(run.values, key) ? run.values[key] : null;
    return value === '' || value === undefined ? null : value;
  }

  function numberOf(value) {
    if (typeof value === 'number') return Number.isFinite(value) ? value : null;
    if (typeof value !== 'string' || !/^\s*[-+]?[\d.]/.test(value)) return null;
    const number = Number(value);
    return Number.isFinite(number) ? number : null;
  }

  /** Return a number with at most five significant digits. */
  function numberText(value) {
    const number = Number(value.toPrecision(5));
    const size = Math.abs(number);
    if (size !== 0 && (size < 1e-4 || size >= 1e7)) {
      return number.toExponential().replace('e+', 'e');
    }
    return size >= 1e4 ? number.toLocaleString('en') : String(number);
  }

  function valueText(value) {
    if (value === null) return '–';
    return typeof value === 'number' ? numberText(value) : value;
  }

  /** Return 1, 2 or 5 times a power of ten: the greatest up to a number, or the least above it. */
  function roundStep(number, up) {
    const power = 10 ** Math.floor(Math.log10(number) + 1e-9);
    const steps = [1, 2, 5, 10].map((each) => Number((each * power).toPrecision(6)));
    if (up) return steps.find((each) => each >= number * (1 - 1e-9)) ?? steps[3];
    return steps.findLast((each) => each <= number * (1 + 1e-9)) ?? steps[0];
  }

  /** Values of one key on a line from 0 to 1: numbers, linear or logarithmic, or categories. */
  class Axis {
    /**
     * @param runs the runs whose values it holds.
     * @param key the key of the values.
     * @param wish 'log' or 'linear'; otherwise the values decide.
     */
    constructor(runs, key, wish) {
      this.key = key;
      const values = runs.map((run) => valueOf(run, key)).filter((value) => value !== null);
      const numbers = values.map(numberOf);
      this.numeric = values.length > 0 && numbers.every((number) => number !== null);
      this.canLog = this.numeric && numbers.every((number) => number > 0);
      if (!this.numeric) {
        this.categories = [...new Set(values.map(String))].sort(inOrder);
        this.places = new Map(this.categories.map((text, i) => [text, i]));
        this.log = false;
        return;
      }
      let low = Infinity;
      let high = -Infinity;
      for (const number of numbers) {
        if (number < low) low = number;
        if (number > high) high = number;
      }
      this.log = this.canLog && (wish === 'log' || (wish !== 'linear' && high / low >= WIDE));
      if (this.log) {
        this.low = roundStep(low, false);
        this.high = roundStep(high, true);
      } else {
        this.step = roundStep((high - low) / 4 || Math.abs(high) / 4 || 1, true);
        this.low = Math.floor(low / this.step + 1e-9) * this.step;
        this.high = Math.ceil(high / this.step - 1e-9) * this.step;
      }
      if (this.low === this.high) { // one value lies in the middle
        this.low = this.log ? this.low / 2 : this.low - this.step;
        this.high = this.log ? this.high * 2 : this.high + this.step;
      }
    }

    /** Return the place of a value, from 0 to 1, or null if it has none. */
    at(value) {
      if (value === null) return null;
      if (!this.numeric) {
        const place = this.places.get(String(value));
        return place === undefined ? null : (place + 0.5) / this.categories.length;
      }
      const number = numberOf(value);
      if (number === null || (this.log && number <= 0)) return null;
      const scale = this.log ? Math.log : (x) => x;
      return (scale(number) - scale(this.low)) / (scale(this.high) - scale(this.low));
    }

    /** Return what lies at a place: a number; of categories the place itself. */
    value(at) {
      if (!this.numeric) return at;
      if (this.log) return this.low * (this.high / this.low) ** at;
      return this.low + at * (this.high - this.low);
    }

    /** Return the place of what `value` returned. */
    place(value) {
      return this.numeric ? this.at(value) ?? 0 : value;
    }

    /** Return a text for a place. */
    text(at) {
      if (this.numeric) return numberText(this.value(at));
      const place = Math.floor(at * this.categories.length);
      return this.categories[Math.min(Math.max(place, 0), this.categories.length - 1)] ?? '';
    }

    /** Return the ticks as [place, text], at most about `most`. */
    ticks(most = 8) {
      if (!this.numeric) {
        const every = Math.ceil(this.categories.length / Math.max(most, 1));
        return this.categories.filter((_, i) => i % every === 0).map((text) => [this.at(text), text]);
      }
      const found = [];
      if (this.log) {
        const decades = Math.log10(this.high / this.low);
        const steps = decades < 3 ? [1, 2, 5] : [1];
        const every = Math.max(1, Math.ceil(decades / most));
        const first = Math.floor(Math.log10(this.low) + 1e-9);
        const last = Math.ceil(Math.log10(this.high) - 1e-9);
        for (let power = first; power <= last; power += every) {
          for (const step of steps) found.push(Number(`${step}e${power}`));
        }
      } else {
        const count = Math.round((this.high - this.low) / this.step);
        const every = Math.ceil(count / most);
        for (let i = 0; i <= count; i += every) found.push(this.low + i * this.step);
      }
      return found.map((number) => [this.at(Number(number.toPrecision(12))), numberText(number)])
        .filter(([at]) => at > -1e-6 && at < 1 + 1e-6);
    }
  }

  /** Return the colour of a place between the least (0) and the greatest value (1). */
  function shade(at) {
    if (at === null) return 'var(--dim)';
    const [from, to, part] = at < 0.5
      ? ['--scale-low', '--scale-middle', at * 2] : ['--scale-middle', '--scale-high', at * 2 - 1];
    return `color-mix(in oklab, var(${to}) ${Math.round(part * 100)}%, var(${from}))`;
  }

  /** Return a legend of `shade` for an axis. */
  function shadeLegend(axis, name) {
    return element(
      'span', { class: 'shade-legend' },
      element('span', { class: 'dim' }, `${name} `), axis.text(0),
      element('i', { 'aria-hidden': 'true' }), axis.text(1),
    );
  }

  /** Return columns as {key, name, group}; a text is a column with itself as its name. */
  function columnsOf(columns) {
    return columns.map((each) => (typeof each === 'string' ? { key: each, name: each } : each));
  }

  /** Return a select of columns with a label. */
  function columnSelect(label, columns, chosen, none, changed) {
    const select = element('select', {});
    if (none) select.append(element('option', { value: '' }, none));
    const groups = new Map();
    columns.forEach(({ key, name, group }, i) => {
      const option = element('option', { value: String(i) }, name);
      option.selected = key === chosen;
      if (!group) select.append(option);
      else if (groups.has(group)) groups.get(group).append(option);
      else {
        groups.set(group, element('optgroup', { label: group }, option));
        select.append(groups.get(group));
      }
    });
    select.addEventListener('change', () => {
      changed(select.value === '' ? null : columns[Number(select.value)].key);
    });
    return element('label', { class: 'tool' }, `${label} `, select);
  }

  /** Return a menu of columns with check boxes; `changed` gets a key and whether it is chosen. */
  function columnMenu(label, columns, isChosen, changed) {
    const count = element('span', { class: 'menu-count' });
    const list = element('div', { class: 'menu-list' });
    const update = () => {
      count.textContent = columns.filter(({ key }) => isChosen(key)).length;
    };
    let group = '';
    const rows = columns.map((column) => {
      if ((column.group ?? '') !== group) {
        group = column.group;
        list.append(element('div', { class: 'menu-group' }, group));
      }
      const box = element('input', { type: 'checkbox' });
      box.checked = isChosen(column.key);
      box.addEventListener('change', () => {
        changed(column.key, box.checked);
        update();
      });
      const row = element('label', { class: 'menu-row' }, box, element('span', {}, column.name));
      list.append(row);
      return [row, column.name.toLowerCase()];
    });
    const find = element('input', {
      type: 'search', class: 'menu-find', placeholder: 'Find', 'aria-label': `Find in ${label}`,
    });
    find.addEventListener('input', () => {
      const words = find.value.toLowerCase();
      for (const [row, name] of rows) row.hidden = !name.includes(words);
    });
    const menu = element(
      'details', { class: 'menu column-menu' },
      element('summary', { class: 'menu-button' }, label, count),
      element('div', { class: 'menu-panel' }, rows.length > 10 ? find : null, list),
    );
    menu.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !menu.open) return;
      menu.open = false;
      menu.querySelector('summary').focus();
    });
    menu.addEventListener('focusout', (event) => {
      if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
    });
    document.addEventListener('pointerdown', (event) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
    update();
    return menu;
  }

  /** A line that shows a run and some of its values beside the pointer. */
  class RunTip {
    constructor(into) {
      this.into = into;
      this.shown = element('div', { class: 'run-tip', hidden: '' });
      into.append(this.shown);
    }

    show(run, columns, event) {
      const mark = element('i', { class: 'run-mark', 'aria-hidden': 'true' });
      mark.style.setProperty('--swatch', run.color ?? 'var(--accent)');
      const list = element('dl', {});
      for (const { key, name } of columns) {
        const value = element('dd', {}, valueText(valueOf(run, key)));
        list.append(element('div', {}, element('dt', {}, name), value));
      }
      this.shown.replaceChildren(element('strong', {}, mark, ' ', run.name), list);
      this.shown.hidden = false;
      const box = this.into.getBoundingClientRect();
      const { offsetWidth: width, offsetHeight: height } = this.shown;
      const x = event.clientX - box.left;
      const left = x + 16 + width > box.width ? Math.max(0, x - width - 16) : x + 16;
      const top = Math.min(Math.max(0, event.clientY - box.top - height / 2), box.height - height);
      this.shown.style.translate = `${left}px ${Math.max(0, top)}px`;
    }

    hide() {
      this.shown.hidden = true;
    }
  }

  /** Call `draw` with the width of an element, now and whenever the width changes. */
  function onWidth(into, draw) {
    let known = 0;
    const watcher = new ResizeObserver(() => {
      const width = Math.floor(into.clientWidth);
      if (width && width !== known) {
        known = width;
        draw(width);
      }
    });
    watcher.observe(into);
  }

  /** Return a text that is not longer than a limit; its end, which tells most, stays. */
  function endOf(text, limit) {
    const letters = [...text];
    return letters.length > limit ? `…${letters.slice(1 - limit).join('')}` : text;
  }

  Object.assign(globalThis.localreg, {
    runAxes: {
      svg, Axis, valueOf, valueText, numberText, shade, shadeLegend, columnsOf, columnSelect,
      columnMenu, RunTip, onWidth, endOf,
    },
  });
})();
