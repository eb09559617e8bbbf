// Draws runs as dots: one value of each run against another.
(function () {
  'use strict';

  const { element, runAxes } = globalThis.localreg;
  const { svg, Axis, valueOf, valueText, columnsOf, columnSelect, RunTip, onWidth, endOf } = runAxes;
  const HEIGHT = 380;
  const MARGIN = { left: 64, right: 18, top: 14, bottom: 50 };
  const LINKED = 300; // runs that the Tab key reaches

  /**
   * Draw a scatter of runs, and return an object with `show(runs)` and `light(run)`.
   *
   * @param into the element to fill.
   * @param runs [{name, href, color, values: {key: number, text or null}}]; color is any of CSS.
   * @param x, y the keys of the values to show first.
   * @param options columns: what can be chosen, as keys or {key, name, group}; xScale, yScale:
   *   'log' or 'linear'; changed({x, y, xScale, yScale}): called when the reader has chosen;
   *   lit(run or null): called when the pointer enters or leaves a dot.
   */
  function drawScatter(into, runs, x, y, options = {}) {
    const columns = columnsOf(options.columns ?? [...new Set([x, y])]);
    const named = (key) => columns.find((each) => each.key === key)?.name ?? key;
    const state = { x, y, xScale: options.xScale, yScale: options.yScale };
    const tools = element('div', { class: 'tools', role: 'group', 'aria-label': 'Axes' });
    const frame = element('div', { class: 'run-chart' });
    const note = element('p', { class: 'note' });
    into.replaceChildren(tools, frame, note);
    const tip = new RunTip(frame);
    let shown = runs;
    let width = 0;
    let dots = new Map();

    function choose(part) {
      Object.assign(state, part);
      draw();
      options.changed?.({ ...state });
    }

    function scaleBox(name, axis) {
      const box = element('input', { type: 'checkbox' });
      box.checked = axis.log;
      box.disabled = !axis.canLog;
      box.addEventListener('change', () => choose({ [name]: box.checked ? 'log' : 'linear' }));
      return element('label', { class: 'tool' }, box, ` Log ${name[0]}`);
    }

    function drawTools(across, up) {
      const focused = [...tools.querySelectorAll('select, input')].indexOf(document.activeElement);
      tools.replaceChildren(
        columnSelect('x', columns, state.x, null, (key) => choose({ x: key, xScale: undefined })),
        scaleBox('xScale', across),
        columnSelect('y', columns, state.y, null, (key) => choose({ y: key, yScale: undefined })),
        scaleBox('yScale', up),
      );
      if (focused >= 0) tools.querySelectorAll('select, input')[focused].focus();
    }

    function draw() {
      const across = new Axis(shown, state.x, state.xScale);
      const up = new Axis(shown, state.y, state.yScale);
      drawTools(across, up);
      const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
      const left = (at) => MARGIN.left + (0.03 + 0.94 * at) * inner.width;
      const top = (at) => MARGIN.top + (0.97 - 0.94 * at) * inner.height;
      const bottom = HEIGHT - MARGIN.bottom;
      const grid = svg('g', { class: 'grid' });
      for (const [at, text] of across.ticks(Math.max(2, Math.floor(inner.width / 80)))) {
        grid.append(
          svg('line', { x1: left(at), x2: left(at), y1: MARGIN.top, y2: bottom }),
          svg('text', { x: left(at), y: bottom + 17, 'text-anchor': 'middle' }, endOf(text, 14)),
        );
      }
      for (const [at, text] of up.ticks()) {
        grid.append(
          svg('line', { x1: MARGIN.left, x2: width - MARGIN.right, y1: top(at), y2: top(at) }),
          svg('text', { x: MARGIN.left - 7, y: top(at) + 4, 'text-anchor': 'end' }, endOf(text, 9)),
        );
      }
      const names = svg(
        'g', { class: 'names' },
        svg('text', { x: MARGIN.left + inner.width / 2, y: HEIGHT - 12, 'text-anchor': 'middle' }, endOf(named(state.x), 60)),
        svg('text', {
          x: -(MARGIN.top + inner.height / 2), y: 13, 'text-anchor': 'middle', transform: 'rotate(-90)',
        }, endOf(named(state.y), 40)),
      );
      const group = svg('g', { class: 'dots' });
      dots = new Map();
      let missing = 0;
      for (const run of shown) {
        const values = [valueOf(run, state.x), valueOf(run, state.y)];
        const places = [across.at(values[0]), up.at(values[1])];
        if (places.includes(null)) {
          missing += 1;
          continue;
        }
        const label = `${run.name}: ${valueText(values[0])}, ${valueText(values[1])}`;
        const dot = svg('circle', { cx: left(places[0]), cy: top(places[1]), r: 5 });
        dot.style.fill = run.color ?? 'var(--accent)';
        const link = run.href
          ? svg('a', { href: run.href, 'aria-label': label, tabindex: shown.length > LINKED ? -1 : null }, dot)
          : svg('g', { role: 'img', 'aria-label': label }, dot);
        link.addEventListener('pointerenter', (event) => {
          tip.show(run, [state.x, state.y].map((key) => ({ key, name: named(key) })), event);
          options.lit?.(run);
        });
        link.addEventListener('pointerleave', () => {
          tip.hide();
          options.lit?.(null);
        });
        dots.set(run, dot);
        group.append(link);
      }
      const drawing = svg('svg', {
        viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: 'group',
        'aria-label': `${named(state.y)} against ${named(state.x)}`,
      }, grid, names, group);
      frame.querySelector('svg')?.remove();
      frame.prepend(drawing);
      note.hidden = !missing;
      note.textContent = `${missing === 1 ? '1 run lacks' : `${missing} runs lack`} one of the values.`;
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
      /** Emphasize one of the runs, or none for null. */
      light(run) {
        const lit = dots.get(run);
        frame.classList.toggle('has-lit', Boolean(lit));
        for (const dot of dots.values()) dot.classList.toggle('lit', dot === lit);
      },
    };
  }

  Object.assign(globalThis.localreg, { drawScatter });
})();
