// Draws scalar charts, and finds, orders and draws them as the reader chooses in their toolbar.
(function () {
  'use strict';

  const {
    element, data, address, draw, whenNear, isWaiting, literal, shortened, theme, fileName, DASHES,
    COLOURS, smoothed, tickText, logTicks, pattern, csv, rowsOf, addButton, addEnlarge, save,
    watchBox,
  } = globalThis.localreg;
  const charts = [];
  const choice = { smoothing: 0, log: false, axis: 'iteration' };
  const runs = { hidden: new Set(), lit: null }; // of a comparison: positions of its runs
  const PINS = 'localreg-pins';

  /** Return the seconds in a unit of time that suits a duration, and the name of the unit. */
  function unitOf(seconds) {
    if (seconds < 300) return [1, 's'];
    if (seconds < 3 * 3600) return [60, 'min'];
    return seconds < 3 * 86400 ? [3600, 'h'] : [86400, 'days'];
  }

  function xValues(line, unit) {
    if (choice.axis === 'iteration') return line.x;
    if (choice.axis === 'relative') return line.t.map((second) => second / unit[0]);
    return line.t.map((second) => (second + line.origin) * 1000);
  }

  const dashOf = (line) => (line.dash + Math.floor(line.colour / COLOURS)) % DASHES.length;

  /** Return the length of the x axis: of all lines, so that all are smoothed alike. */
  function rangeOf(lines, unit) {
    let [least, most] = [Infinity, -Infinity];
    for (const line of lines) {
      for (const x of xValues(line, unit)) {
        if (x < least) least = x;
        if (x > most) most = x;
      }
    }
    return most > least ? most - least : 0;
  }

  function traces(lines, unit) {
    const colours = theme();
    const made = [];
    const range = choice.smoothing ? rangeOf(lines, unit) : 0;
    for (const line of lines) {
      if (line.hidden || runs.hidden.has(line.run)) continue;
      const x = xValues(line, unit);
      const colour = line.run === undefined
        ? colours.series[line.colour % COLOURS] : colours.runs[line.run % colours.runs.length];
      const dash = DASHES[dashOf(line)];
      const alone = line.y.some((y, i) => y !== null
        && (line.y[i - 1] ?? null) === null && (line.y[i + 1] ?? null) === null);
      const common = {
        type: 'scatter', mode: alone || line.y.length <= 24 ? 'lines+markers' : 'lines', x,
        marker: { size: 5, color: colour }, line: { color: colour, width: lines.length > 16 ? 1.2 : 1.8, dash },
        name: literal(shortened(line.name, 48)),
        opacity: runs.lit === null || runs.lit === line.run ? 1 : 0.12,
      };
      if (choice.smoothing) {
        const faint = { color: colour, width: 1, dash };
        made.push({
          ...common, y: line.y, opacity: 0.25 * common.opacity, line: faint, showlegend: false,
          hoverinfo: 'skip',
        });
        made.push({ ...common, mode: 'lines', y: smoothed(x, line.y, choice.smoothing, range) });
      } else made.push({ ...common, y: line.y });
    }
    return made;
  }

  /** Return the ends of a log axis of lines, as Plotly chooses them. */
  function logEnds(lines) {
    let [least, most] = [Infinity, 0];
    for (const line of lines) {
      if (line.hidden || runs.hidden.has(line.run)) continue;
      for (const y of line.y) {
        if (y > 0 && y < least) least = y;
        if (y > most) most = y;
      }
    }
    if (least === most) return [least / 10, most * 10];
    const beyond = (most / least) ** 0.06;
    return [least / beyond, most * beyond];
  }

  /** Return what to write at a log axis: Plotly writes "5" for 0.5, over other numbers. */
  function logAxis(chart, low, high) {
    const values = logTicks(low, high, Math.max(3, Math.round(chart.into.clientHeight / 38)));
    return { tickvals: values, ticktext: values.map(tickText) };
  }

  /** Write other numbers at a log axis that the reader has zoomed or enlarged. */
  function updateTicks(chart) {
    if (!choice.log || !chart.data) return;
    const [low, high] = chart.into._fullLayout.yaxis.range.map((each) => 10 ** each);
    const wanted = logAxis(chart, low, high);
    const there = chart.into.layout.yaxis.tickvals ?? [];
    if (!wanted.tickvals.length || String(there) === String(wanted.tickvals)) return;
    Plotly.relayout(chart.into, {
      'yaxis.tickvals': wanted.tickvals, 'yaxis.ticktext': wanted.ticktext,
    });
  }

  function drawChart(chart) {
    if (!chart.data) {
      chart.data = data(chart.source);
      if (chart.data.legend !== false) addLegend(chart);
    }
    const { lines, title } = chart.data;
    const longest = Math.max(0, ...lines.map((line) => line.t.at(-1) ?? 0));
    const unit = unitOf(longest);
    const labels = {
      iteration: '', relative: `time since the first point (${unit[1]})`, wall: 'time (UTC)',
    };
    const layout = {
      margin: { l: 48, r: 14, t: 10, b: 24 },
      hovermode: lines.length <= 12 ? 'x unified' : 'closest',
      showlegend: false, // addLegend makes one that wraps
      xaxis: {
        type: choice.axis === 'wall' ? 'date' : 'linear',
        title: labels[choice.axis] ? { text: labels[choice.axis] } : undefined,
        uirevision: choice.axis, showgrid: false, showline: true, nticks: 7, spikethickness: 1,
        spikecolor: theme().dim, hoverformat: { iteration: ',d', relative: '.4~g' }[choice.axis],
      },
      yaxis: {
        type: choice.log ? 'log' : 'linear', exponentformat: 'power', uirevision: choice.log,
        nticks: 7, hoverformat: '.6~g', ...(choice.log ? logAxis(chart, ...logEnds(lines)) : {}),
      },
    };
    draw(chart.into, { data: traces(lines, unit), layout }, title);
    if (chart.listens || !chart.into.on) return;
    chart.listens = true;
    chart.into.on('plotly_relayout', () => updateTicks(chart));
  }

  /** Add a legend below a chart; a click on a name hides or shows its line. */
  function addLegend(chart) {
    const { lines } = chart.data;
    const made = element('div', { class: 'legend', role: 'group', 'aria-label': 'Lines' });
    for (const line of lines) {
      const mark = element('i', { 'aria-hidden': 'true' });
      mark.style.setProperty('--swatch', `var(--series-${line.run ?? line.colour % COLOURS})`);
      const dash = dashOf(line);
      if (dash) mark.style.borderTopStyle = dash % 2 ? 'dashed' : 'dotted';
      const button = element(
        'button', { type: 'button', 'aria-pressed': 'true', title: line.full ?? line.name },
        mark, element('span', {}, line.name || '(no name)'),
      );
      button.addEventListener('click', () => {
        line.hidden = !line.hidden;
        button.setAttribute('aria-pressed', String(!line.hidden));
        drawChart(chart);
      });
      made.append(button);
    }
    chart.into.after(made);
    watchBox(made);
  }

  function redraw() {
    for (const chart of charts) if (!isWaiting(chart.into)) drawChart(chart);
  }

  /** Draw the charts in view again, and the others when they come into view, if they should. */
  function redrawRuns(others = true) {
    for (const chart of charts) {
      if (isWaiting(chart.into)) continue;
      const { top, bottom } = chart.into.getBoundingClientRect();
      if (bottom > 0 && top < innerHeight) drawChart(chart);
      else if (others) whenNear(chart.into, () => drawChart(chart));
    }
  }

  function download(chart) {
    chart.data ??= data(chart.source);
    const { title, lines } = chart.data;
    const thinned = lines.some((line) => line.points > line.y.length);
    save(`${fileName(title)}${thinned ? '-thinned' : ''}.csv`, csv(rowsOf(title, lines)), 'text/csv');
  }

  function picture(chart) {
    if (isWaiting(chart.into)) return;
    Plotly.downloadImage(chart.into, {
      format: 'png', scale: 2, filename: fileName(chart.title),
      width: chart.into.clientWidth, height: chart.into.clientHeight,
    });
  }

  for (const into of document.querySelectorAll('[data-chart]')) {
    const card = into.closest('.chart-card');
    const { title, names, thinned } = JSON.parse(card.dataset.about);
    const home = card.parentElement;
    const chart = {
      into, source: into.dataset.chart, card, title, names, home, place: charts.length,
    };
    charts.push(chart);
    whenNear(into, () => drawChart(chart));
    chart.pin = addButton(card, 'pin', `Pin ${title}`, () => togglePin(chart));
    chart.pin.setAttribute('aria-pressed', 'false');
    addButton(
      card, 'CSV', thinned ? 'Download the points drawn as CSV' : 'Download as CSV',
      () => download(chart),
    );
    addButton(card, 'PNG', 'Download as PNG', () => picture(chart));
    addEnlarge(card);
    card.addEventListener('fitted', () => updateTicks(chart));
  }

  // Groups: the reader folds them; a filter opens those with a chart that matches.
  const groups = [...document.querySelectorAll('.chart-group')].map((box) => ({
    box, name: box.dataset.group ?? '', open: box.open, count: box.querySelector('summary small'),
    into: box.querySelector('.charts'),
  }));
  const pinned = document.getElementById('pinned');
  let matches = () => true;
  let filtering = false;

  /** Return a list of texts that the address stores; [] if it is none. */
  function stored(name) {
    return listOf(address.get(name)) ?? [];
  }

  function listOf(text) {
    try {
      const list = JSON.parse(text);
      return Array.isArray(list) ? list.filter((each) => typeof each === 'string') : null;
    } catch {
      return null;
    }
  }

  function pins() {
    const here = listOf(address.get('pin'));
    if (here) return here;
    try {
      return listOf(localStorage.getItem(PINS)) ?? [];
    } catch {
      return []; // browsers may forbid storage to pages on disk
    }
  }

  /** Pin a chart, or take the pin away; other pages pin charts of this title too. */
  function togglePin(chart) {
    const there = pins();
    const kept = there.filter((title) => title !== chart.title);
    if (kept.length === there.length) kept.push(chart.title);
    const text = JSON.stringify(kept);
    address.set('pin', kept.length ? text : '[]');
    try {
      localStorage.setItem(PINS, text);
    } catch {
      // Then only the address has it.
    }
    arrange();
    chart.pin.focus({ preventScroll: true });
  }

  /** Move pinned charts to the top, others to their groups, and hide what the filter hides. */
  function arrange() {
    const order = pins();
    for (const chart of charts) {
      const at = pinned && chart.home !== pinned ? order.indexOf(chart.title) : -1;
      const into = at < 0 ? chart.home : pinned.querySelector('.charts');
      const key = at < 0 ? chart.place : at;
      if (chart.card.parentElement !== into || chart.key !== key) {
        chart.key = key;
        const later = [...into.children].find((card) => card !== chart.card
          && charts.find((each) => each.card === card)?.key > key);
        into.insertBefore(chart.card, later ?? null);
      }
      chart.pin.setAttribute('aria-pressed', String(at >= 0));
      chart.card.hidden = !(matches(chart.title)
        || chart.names.some((name) => matches(`${chart.title}/${name}`)));
    }
    const changed = stored('groups');
    for (const { box, name, open, count, into } of groups) {
      const cards = [...into.children];
      const visible = cards.filter((card) => !card.hidden).length;
      box.hidden = !visible;
      if (count) {
        count.textContent = visible < cards.length ? `${visible} of ${cards.length}` : cards.length;
        box.open = filtering || open !== changed.includes(name);
      }
    }
    const visible = charts.filter(({ card }) => !card.hidden).length;
    const output = document.getElementById('chart-count');
    if (!output) return;
    output.textContent = filtering ? `${visible} of ${charts.length}` : '';
    document.getElementById('no-charts').hidden = visible > 0;
  }

  for (const { box, name, open, count } of groups) {
    if (!count) continue;
    box.querySelector('summary').addEventListener('click', () => {
      if (filtering) return;
      const changed = stored('groups').filter((each) => each !== name);
      if (box.open === open) changed.push(name); // it is about to change
      address.set('groups', changed.length ? JSON.stringify(changed) : '');
    });
  }

  const tools = document.querySelector('.chart-tools');
  if (tools) {
    const [filter, smoothing, logY, xAxis] = ['chart-filter', 'smoothing', 'log-y', 'x-axis'].map(
      (id) => document.getElementById(id),
    );
    const wrong = document.getElementById('chart-filter-wrong');
    let planned = false;
    const plan = () => {
      if (planned) return;
      planned = true;
      requestAnimationFrame(() => {
        planned = false;
        redraw();
      });
    };
    const find = () => {
      const test = pattern(filter.value);
      const valid = typeof test === 'function';
      filter.toggleAttribute('aria-invalid', !valid);
      if (!valid) filter.setAttribute('aria-invalid', 'true');
      wrong.textContent = valid ? '' : test;
      if (valid) {
        matches = test;
        filtering = Boolean(filter.value);
      }
      arrange();
    };
    const read = () => {
      choice.smoothing = Number(smoothing.value);
      const text = choice.smoothing ? choice.smoothing.toFixed(2) : 'off';
      document.getElementById('smoothing-value').textContent = text;
      choice.log = logY.checked;
      choice.axis = xAxis.value;
    };
    /** Take the choices from the address: a copied one shows the same charts. */
    const restore = () => {
      filter.value = address.get('charts') ?? '';
      smoothing.value = Number(address.get('smoothing')) || 0;
      logY.checked = address.get('log') === '1';
      xAxis.value = ['relative', 'wall'].includes(address.get('x')) ? address.get('x') : 'iteration';
      read();
      find();
    };
    if (tools.dataset.timed === undefined) {
      for (const option of xAxis.options) option.disabled = option.value !== 'iteration';
    }
    restore();
    addEventListener('hashchange', () => {
      restore();
      plan();
    });
    filter.addEventListener('input', () => {
      address.set('charts', filter.value);
      find();
    });
    for (const each of [smoothing, logY, xAxis]) {
      each.addEventListener('input', () => {
        read();
        address.set('smoothing', choice.smoothing || '');
        address.set('log', choice.log ? '1' : '');
        address.set('x', choice.axis === 'iteration' ? '' : choice.axis);
        plan();
      });
    }
  } else arrange();
  Object.assign(globalThis.localreg, { runs, redrawRuns });

  // The colours of lines are set here, so a new theme needs new traces.
  if (charts.length) document.addEventListener('themechange', redraw);
})();
