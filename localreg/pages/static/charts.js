// Draws scalar charts with their toolbar, and plots with a slider over iterations.
(function () {
  'use strict';

  const {
    element, data, draw, clear, whenNear, isWaiting, literal, shortened, theme, DASHES, COLOURS,
  } = globalThis.localreg;
  const charts = [];
  const choice = { smoothing: 0, log: false, axis: 'iteration' };
  const runs = { hidden: new Set(), lit: null }; // of a comparison: positions of its runs

  /** Return the exponential moving average of values, without a bias to zero at the start. */
  function smoothed(values, weight) {
    let sum = 0;
    let mass = 0;
    return values.map((value) => {
      if (value === null) return null;
      sum = sum * weight + (1 - weight) * value;
      mass = mass * weight + (1 - weight);
      return sum / mass;
    });
  }

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

  function traces(lines, unit) {
    const colours = theme();
    const made = [];
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
        marker: { size: 5, color: colour }, line: { color: colour, width: 1.8, dash },
        name: literal(shortened(line.name, 48)),
        opacity: runs.lit === null || runs.lit === line.run ? 1 : 0.12,
      };
      if (choice.smoothing) {
        const faint = { color: colour, width: 1, dash };
        made.push({
          ...common, y: line.y, opacity: 0.25 * common.opacity, line: faint, showlegend: false, hoverinfo: 'skip',
        });
        made.push({ ...common, mode: 'lines', y: smoothed(line.y, choice.smoothing) });
      } else made.push({ ...common, y: line.y });
    }
    return made;
  }

  /** Return true if values span few decades: Plotly would then label every digit. */
  function narrow(lines) {
    let [least, most] = [Infinity, 0];
    for (const line of lines) {
      for (const y of line.y) {
        if (y > 0 && y < least) least = y;
        if (y > most) most = y;
      }
    }
    return most / least < 200;
  }

  function drawChart(chart) {
    if (!chart.data) {
      chart.data = data(chart.source);
      if (chart.data.legend !== false) addLegend(chart);
    }
    const { lines, title } = chart.data;
    const longest = Math.max(0, ...lines.map((line) => line.t.at(-1) ?? 0));
    const unit = unitOf(longest);
    const names = {
      iteration: '', relative: `time since the first point (${unit[1]})`, wall: 'time (UTC)',
    };
    const layout = {
      margin: { l: 48, r: 14, t: 10, b: 24 },
      hovermode: lines.length <= 12 ? 'x unified' : 'closest',
      showlegend: false, // addLegend makes one that wraps
      xaxis: {
        type: choice.axis === 'wall' ? 'date' : 'linear',
        title: names[choice.axis] ? { text: names[choice.axis] } : undefined,
        uirevision: choice.axis, showgrid: false, showline: true, nticks: 7, spikethickness: 1,
        spikecolor: theme().dim, hoverformat: { iteration: ',d', relative: '.4~g' }[choice.axis],
      },
      yaxis: {
        type: choice.log ? 'log' : 'linear', exponentformat: 'power', uirevision: choice.log,
        nticks: 7, hoverformat: '.6~g', dtick: choice.log && narrow(lines) ? 'D2' : undefined,
      },
    };
    draw(chart.into, { data: traces(lines, unit), layout }, title);
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
  }

  function redraw() {
    for (const chart of charts) if (!isWaiting(chart.into)) drawChart(chart);
  }

  /** Draw the charts in view again, and the others when they come into view. */
  function redrawRuns() {
    for (const chart of charts) {
      if (isWaiting(chart.into)) continue;
      const { top, bottom } = chart.into.getBoundingClientRect();
      if (bottom > 0 && top < innerHeight) drawChart(chart);
      else whenNear(chart.into, () => drawChart(chart));
    }
  }

  for (const into of document.querySelectorAll('[data-chart]')) {
    const chart = { into, source: into.dataset.chart };
    charts.push(chart);
    whenNear(into, () => drawChart(chart));
  }

  if (charts.length) {
    const smoothing = document.getElementById('smoothing');
    const shown = document.getElementById('smoothing-value');
    let planned = false;
    const plan = () => {
      if (planned) return;
      planned = true;
      requestAnimationFrame(() => {
        planned = false;
        redraw();
      });
    };
    const read = () => {
      choice.smoothing = Number(smoothing.value);
      shown.textContent = choice.smoothing ? choice.smoothing.toFixed(2) : 'off';
      choice.log = document.getElementById('log-y').checked;
      choice.axis = document.getElementById('x-axis').value;
    };
    // The browser may have restored earlier choices.
    read();
    for (const id of ['smoothing', 'log-y', 'x-axis']) {
      document.getElementById(id).addEventListener('input', () => {
        read();
        plan();
      });
    }
    // The colours of lines are set here, so a new theme needs new traces.
    document.addEventListener('themechange', redraw);
  }

  /** Return an element with a picture, a sound or a video, or a link to another file. */
  function media(step, name) {
    if (!step.source) return element('p', { class: 'empty' }, `${step.filename} cannot be shown.`);
    if (step.kind === 'image') {
      return element('img', { src: step.source, alt: step.filename || name, loading: 'lazy' });
    }
    if (step.kind === 'audio' || step.kind === 'video') {
      return element(step.kind, { src: step.source, controls: '', preload: 'metadata' });
    }
    return element('a', { href: step.source, download: step.filename }, step.filename || 'file');
  }

  /** A plot of the page; it shows one of its iterations. */
  class Plot {
    constructor(card) {
      this.card = card;
      this.id = card.dataset.plot;
      this.about = data(this.id);
      this.iterations = this.about.iterations;
      this.into = card.querySelector('.figure');
      this.note = card.querySelector('.plot-note');
      this.at = this.iterations.length - 1;
      this.stepper = card.querySelector('.stepper');
      if (this.stepper) bind(this.stepper, this.iterations, (at) => this.show(at));
      if (this.iterations.length) whenNear(this.into, () => this.show(this.at));
    }

    show(at) {
      this.at = at;
      if (isWaiting(this.into)) return;
      const step = data(`${this.id}-${at}`);
      const { title, series } = this.about;
      const note = this.about.notes[at];
      this.note.textContent = note ?? '';
      this.note.hidden = !note;
      if (step.kind === 'figure') {
        const figure = untitled(step.figure, [title, series, `${title} - ${series}`]);
        draw(this.into, figure, `${title} ${series} ${this.iterations[at]}`);
      } else {
        clear(this.into);
        this.into.classList.add('media');
        this.into.append(media(step, `${title} ${series}`));
      }
    }

    /** Show the last iteration up to the given one, or else the first. */
    showIteration(iteration) {
      let at = this.iterations.findLastIndex((each) => each <= iteration);
      if (at < 0) at = 0;
      if (this.stepper) this.stepper.querySelector('input').value = at;
      const label = this.stepper && this.stepper.querySelector('output');
      if (label) label.textContent = `iteration ${this.iterations[at]}`;
      this.show(at);
    }
  }

  /** Return a figure without its title if the card already shows it. */
  function untitled(figure, known) {
    const layout = figure.layout || {};
    const title = layout.title && typeof layout.title === 'object' ? layout.title.text : layout.title;
    if (!known.some((each) => literal(each) === title)) return figure;
    return { ...figure, layout: { ...layout, title: undefined } };
  }

  /** Call `choose` with an index when the user moves a slider over iterations or its buttons. */
  function bind(stepper, iterations, choose) {
    const slider = stepper.querySelector('input');
    const label = stepper.querySelector('output');
    slider.max = iterations.length - 1;
    slider.value = iterations.length - 1; // the browser may have restored an earlier value
    const updateLabel = () => {
      const at = Number(slider.value);
      label.textContent = `iteration ${iterations[at]}`;
      slider.setAttribute('aria-valuetext', label.textContent);
      return at;
    };
    slider.addEventListener('input', () => choose(updateLabel()));
    for (const button of stepper.querySelectorAll('[data-step]')) {
      button.addEventListener('click', () => {
        slider.value = Number(slider.value) + Number(button.dataset.step);
        choose(updateLabel());
      });
    }
    updateLabel();
  }

  const plots = new Map();
  for (const card of document.querySelectorAll('[data-plot]')) plots.set(card, new Plot(card));

  Object.assign(globalThis.localreg, { bind, plots, runs, redrawRuns });
})();
