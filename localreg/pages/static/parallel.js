// Draws runs as lines over parallel axes, one for each parameter or metric, with a filter on each.
(function () {
  'use strict';

  const { element, runAxes } = globalThis.localreg;
  const {
    svg, Axis, valueOf, shade, shadeLegend, columnsOf, columnSelect, columnMenu, RunTip, onWidth, endOf,
  } = runAxes;
  const HEIGHT = 400;
  const TOP = 50;
  const BOTTOM = HEIGHT - 24;
  const LEAST = 104; // pixels between two axes
  const SIDE = 66; // pixels on either side of them
  const AXES = 8; // that are shown first
  const DRAWN = 2000; // runs
  const y = (at) => BOTTOM - at * (BOTTOM - TOP);

  /**
   * Draw parallel axes with a line for each run. Return an object with `show(runs)`,
   * `light(run)` and `selected()`: the runs that pass the filters.
   *
   * @param into the element to fill.
   * @param runs [{name, href, color, values: {key: number, text or null}}]; color is any of CSS.
   * @param columns what can be an axis, as keys or {key, name, group}.
   * @param options state: what `changed` got before; changed(state, selected runs): called when the
   *   reader has chosen; lit(run or null): called when the pointer enters or leaves a line. The
   *   state has `axes` (keys), `colour` (a key or null), `scales` {key: 'log' or 'linear'} and
   *   `filters` {key: [from, to]}: numbers, or of texts places from 0 to 1.
   */
  function drawParallel(into, runs, columns, options = {}) {
    const all = columnsOf(columns);
    const named = (key) => all.find((each) => each.key === key)?.name ?? key;
    const known = (key) => all.some((each) => each.key === key);
    const given = options.state ?? {};
    const state = {
      axes: [...new Set(given.axes ?? all.slice(0, AXES).map(({ key }) => key))].filter(known),
      colour: known(given.colour) ? given.colour : null,
      scales: new Map(Object.entries(given.scales ?? {})),
      filters: new Map(Object.entries(given.filters ?? {}).filter(
        ([key, filter]) => known(key) && filter.length === 2 && filter.every(Number.isFinite),
      )),
    };
    const tools = element('div', { class: 'tools', role: 'group', 'aria-label': 'Axes and colours' });
    const frame = element('div', { class: 'run-chart parallel', tabindex: '0', role: 'group', 'aria-label': 'Parallel axes' });
    const wrapper = element('div', { class: 'run-chart-box' }, frame);
    const count = element('output', {});
    const clear = element('button', { type: 'button', class: 'quiet' }, 'Clear filters');
    into.replaceChildren(tools, wrapper, element('p', { class: 'note' }, count, ' ', clear));
    const tip = new RunTip(wrapper);
    let shown = runs;
    let width = 0;
    let axes = new Map(); // the axes in view by key, in order
    let lines = new Map(); // paths by run
    let marks = new Map(); // functions that move the marks of a filter, by key

    const legend = element('span', {});
    tools.append(
      columnMenu('Axes', all, (key) => state.axes.includes(key), (key, chosen) => {
        state.axes = all.map((each) => each.key).filter(
          (each) => (each === key ? chosen : state.axes.includes(each)),
        );
        if (!chosen) state.filters.delete(key);
        draw();
        report();
      }),
      columnSelect('Colour', all, state.colour, 'of the run', (key) => {
        state.colour = key;
        draw();
        report();
      }),
      legend,
    );
    clear.addEventListener('click', () => {
      state.filters.clear();
      for (const key of axes.keys()) marks.get(key)();
      filtered();
    });

    function selected() {
      const limits = [...state.filters].filter(([key]) => axes.has(key)).map(([key, [from, to]]) => {
        const axis = axes.get(key);
        return [axis, axis.place(from) - 1e-9, axis.place(to) + 1e-9];
      });
      return shown.filter((run) => limits.every(([axis, from, to]) => {
        const at = axis.at(valueOf(run, axis.key));
        return at !== null && at >= from && at <= to;
      }));
    }

    function report() {
      options.changed?.({
        axes: [...state.axes],
        colour: state.colour,
        scales: Object.fromEntries(state.scales),
        filters: Object.fromEntries(state.filters),
      }, selected());
    }

    /** Fade the lines that do not pass, and say how many do. */
    function fade() {
      const passing = new Set(selected());
      for (const [run, line] of lines) line.classList.toggle('faded', !passing.has(run));
      const drawn = shown.length > DRAWN ? `; the first ${DRAWN.toLocaleString('en')} are drawn` : '';
      count.textContent = `${passing.size.toLocaleString('en')} of ${shown.length.toLocaleString('en')} runs${drawn}`;
      clear.hidden = !state.filters.size;
    }

    function filtered() {
      fade();
      report();
    }

    function setFilter(key, from, to) {
      const axis = axes.get(key);
      const [least, most] = from < to ? [from, to] : [to, from];
      if (least <= 0 && most >= 1) state.filters.delete(key);
      else {
        state.filters.set(key, [least, most].map((at) => {
          return Number(axis.value(Math.min(Math.max(at, 0), 1)).toPrecision(6));
        }));
      }
      marks.get(key)();
    }

    function limitsOf(key) {
      const filter = state.filters.get(key);
      const axis = axes.get(key);
      return filter ? filter.map((value) => Math.min(Math.max(axis.place(value), 0), 1)) : [0, 1];
    }

    function pathOf(run, x) {
      let path = '';
      let pen = false;
      [...axes.values()].forEach((axis, i) => {
        const at = axis.at(valueOf(run, axis.key));
        if (at === null) pen = false;
        else {
          // A dash shows a value also if its neighbours are missing.
          path += pen ? `L${x[i]} ${y(at).toFixed(1)}` : `M${x[i] - 4} ${y(at).toFixed(1)}h8M${x[i]} ${y(at).toFixed(1)}`;
          pen = true;
        }
      });
      return path;
    }

    function drawLines(x) {
      const group = svg('g', { class: 'lines' });
      const shaded = state.colour ? new Axis(shown, state.colour, state.scales.get(state.colour)) : null;
      legend.replaceChildren(...(shaded ? [shadeLegend(shaded, '')] : []));
      lines = new Map();
      for (const run of shown.slice(0, DRAWN)) {
        const path = pathOf(run, x);
        const line = svg('g', {}, svg('path', { class: 'near', d: path }), svg('path', { class: 'line', d: path }));
        const colour = shaded ? shade(shaded.at(valueOf(run, state.colour))) : run.color;
        line.style.setProperty('--swatch', colour ?? 'var(--accent)');
        if (run.dash && !shaded) line.style.setProperty('--dash', run.dash);
        const target = run.href ? svg('a', { href: run.href, tabindex: '-1', 'aria-label': run.name }, line) : line;
        line.addEventListener('pointerenter', (event) => {
          light(run);
          tip.show(run, [...axes.keys()].map((key) => ({ key, name: named(key) })), event);
          options.lit?.(run);
        });
        line.addEventListener('pointerleave', () => {
          light(null);
          tip.hide();
          options.lit?.(null);
        });
        lines.set(run, line);
        group.append(target);
      }
      return group;
    }

    function light(run) {
      const lit = lines.get(run);
      frame.classList.toggle('has-lit', Boolean(lit));
      for (const line of lines.values()) line.classList.toggle('lit', line === lit);
      if (lit) (lit.closest('a') ?? lit).parentNode.append(lit.closest('a') ?? lit); // above the others
    }

    /** Return one of the two marks of a filter, which a pointer or the arrow keys move. */
    function markOf(key, end) {
      const axis = axes.get(key);
      const mark = svg('path', {
        class: 'mark', tabindex: '0', role: 'slider', 'aria-orientation': 'vertical', 'aria-valuemin': '0',
        'aria-valuemax': '100', 'aria-label': `${end ? 'Most' : 'Least'} ${named(key)}`, 'data-focus': `${key} ${end}`,
      });
      mark.addEventListener('keydown', (event) => {
        const limits = limitsOf(key);
        const step = axis.numeric ? 0.02 : 1 / axis.categories.length;
        const moves = {
          ArrowUp: step, ArrowRight: step, ArrowDown: -step, ArrowLeft: -step, PageUp: 5 * step,
          PageDown: -5 * step, Home: -1, End: 1,
        };
        if (event.key === 'Escape' || event.key === 'Delete') setFilter(key, 0, 1);
        else if (Object.hasOwn(moves, event.key)) {
          const [least, most] = end ? [limits[0], 1] : [0, limits[1]];
          limits[end] = Math.min(Math.max(limits[end] + moves[event.key], least), most);
          setFilter(key, ...limits);
        } else return;
        event.preventDefault();
        filtered();
      });
      return mark;
    }

    /** Make the strip of an axis draw and move its filter. */
    function followPointer(strip, key) {
      strip.addEventListener('pointerdown', (event) => {
        if (event.button) return;
        event.preventDefault();
        const box = strip.getBoundingClientRect();
        const place = (now) => 1 - (now.clientY - box.top - 8) / (BOTTOM - TOP);
        const from = place(event);
        const limits = limitsOf(key);
        const near = limits.findIndex((at) => Math.abs(at - from) < 0.025);
        const moves = state.filters.has(key) && from > limits[0] && from < limits[1] && near < 0;
        let moved = false;
        const move = (now) => {
          const to = place(now);
          if (Math.abs(to - from) < 0.01 && !moved) return;
          moved = true;
          if (near >= 0) setFilter(key, limits[1 - near], to);
          else if (moves) {
            const by = Math.min(Math.max(to - from, -limits[0]), 1 - limits[1]);
            setFilter(key, limits[0] + by, limits[1] + by);
          } else setFilter(key, from, to);
          fade();
        };
        const end = () => {
          strip.removeEventListener('pointermove', move);
          strip.removeEventListener('pointerup', end);
          strip.removeEventListener('pointercancel', end);
          if (!moved) setFilter(key, 0, 1); // a click takes the filter away
          filtered();
        };
        strip.setPointerCapture(event.pointerId);
        strip.addEventListener('pointermove', move);
        strip.addEventListener('pointerup', end);
        strip.addEventListener('pointercancel', end);
      });
    }

    function drawAxis(key, x) {
      const axis = axes.get(key);
      const group = svg('g', { class: 'axis', transform: `translate(${x} 0)` });
      group.append(svg('line', { y1: TOP, y2: BOTTOM }));
      for (const [at, text] of axis.ticks(axis.numeric ? 8 : 14)) {
        group.append(
          svg('line', { x1: -4, y1: y(at), y2: y(at) }),
          svg('text', { x: 8, y: y(at) + 4 }, endOf(text, 13), svg('title', {}, text)),
        );
      }
      const band = svg('rect', { class: 'band', x: -8, width: 16 });
      const strip = svg('rect', { class: 'strip', x: -13, y: TOP - 8, width: 26, height: BOTTOM - TOP + 16 });
      const both = [markOf(key, 0), markOf(key, 1)];
      followPointer(strip, key);
      marks.set(key, () => {
        const limits = limitsOf(key);
        const [low, high] = limits.map(y);
        band.setAttribute('y', high);
        band.setAttribute('height', low - high);
        group.classList.toggle('filtered', state.filters.has(key));
        both[0].setAttribute('d', `M-9 ${low}h18l-9 8z`);
        both[1].setAttribute('d', `M-9 ${high}h18l-9 -8z`);
        both.forEach((mark, end) => {
          mark.setAttribute('aria-valuenow', Math.round(limits[end] * 100));
          mark.setAttribute('aria-valuetext', axis.text(limits[end] - (axis.numeric ? 0 : 1e-6 * end)));
        });
      });
      marks.get(key)();
      group.append(band, strip, ...both);
      return group;
    }

    /** Return the head of an axis: its name, which can be moved, and a switch of the scale. */
    function headOf(key, x, space, places) {
      const axis = axes.get(key);
      const name = element('button', {
        type: 'button', class: 'axis-name', 'data-focus': `${key} name`,
        title: `${named(key)}\nDrag it, or press the left or right arrow key, to move this axis.`,
      }, element('bdi', {}, named(key)));
      const moveTo = (place) => {
        const rest = state.axes.filter((each) => each !== key);
        rest.splice(Math.min(Math.max(place, 0), rest.length), 0, key);
        state.axes = rest;
        draw();
        report();
      };
      name.addEventListener('keydown', (event) => {
        const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!by) return;
        event.preventDefault();
        moveTo(state.axes.indexOf(key) + by);
      });
      name.addEventListener('pointerdown', (event) => {
        const from = event.clientX;
        const move = (now) => {
          name.style.translate = `${now.clientX - from}px 0`;
        };
        const end = (now) => {
          name.removeEventListener('pointermove', move);
          name.removeEventListener('pointerup', end);
          name.removeEventListener('pointercancel', end);
          name.style.translate = '';
          if (now.type === 'pointercancel' || Math.abs(now.clientX - from) < 8) return;
          const to = x + now.clientX - from;
          moveTo(places.filter((each, i) => state.axes[i] !== key && each < to).length);
        };
        name.setPointerCapture(event.pointerId);
        name.addEventListener('pointermove', move);
        name.addEventListener('pointerup', end);
        name.addEventListener('pointercancel', end);
      });
      const head = element('div', { class: 'axis-head' }, name);
      if (axis.canLog) {
        const scale = element('button', {
          type: 'button', class: 'axis-scale', 'aria-pressed': String(axis.log),
          'aria-label': `Log scale of ${named(key)}`, 'data-focus': `${key} log`,
        }, 'log');
        scale.addEventListener('click', () => {
          state.scales.set(key, axis.log ? 'linear' : 'log');
          draw();
          report();
        });
        head.append(scale);
      }
      head.style.left = `${x - space / 2}px`;
      head.style.width = `${space}px`;
      return head;
    }

    function draw() {
      const focused = frame.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
      axes = new Map(state.axes.map((key) => [key, new Axis(shown, key, state.scales.get(key))]));
      marks = new Map();
      const total = Math.max(width, 2 * SIDE + LEAST * (axes.size - 1));
      const space = axes.size > 1 ? (total - 2 * SIDE) / (axes.size - 1) : LEAST;
      const places = state.axes.map((_, i) => (axes.size > 1 ? SIDE + i * space : total / 2));
      const heads = element('div', { class: 'axis-heads' });
      const drawing = svg('svg', {
        viewBox: `0 0 ${total} ${HEIGHT}`, width: total, height: HEIGHT, role: 'group', 'aria-label': 'Runs over parallel axes',
      }, drawLines(places));
      state.axes.forEach((key, i) => {
        drawing.append(drawAxis(key, places[i]));
        const most = i && i < axes.size - 1 ? 180 : 2 * SIDE;
        heads.append(headOf(key, places[i], Math.min(space, most) - 6, places));
      });
      const { scrollLeft } = frame;
      frame.replaceChildren(heads, drawing);
      if (!axes.size) frame.append(element('p', { class: 'empty' }, 'Choose axes in the menu above.'));
      frame.scrollLeft = scrollLeft;
      if (focused) [...frame.querySelectorAll('[data-focus]')].find((each) => each.dataset.focus === focused)?.focus();
      fade();
    }

    onWidth(frame, (now) => {
      width = now;
      draw();
    });
    return {
      /** Draw these runs instead. */
      show(some) {
        shown = some;
        if (width) draw();
      },
      light,
      selected,
    };
  }

  Object.assign(globalThis.localreg, { drawParallel });
})();
