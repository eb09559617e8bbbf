// Scalar charts with their toolbar, and plots with a slider over iterations.
(function () {
  'use strict';

  const {
    element, data, draw, clear, whenNear, waits, literal, shortened, theme, DASHES, COLOURS,
  } = globalThis.localreg;
  const charts = [];
  const choice = { smoothing: 0, log: false, axis: 'iteration' };

  /** Return an exponential moving average that starts at the first value, not at zero. */
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

  function unitOf(seconds) {
    if (seconds < 300) return [1, 's'];
    if (seconds < 3 * 3600) return [60, 'min'];
    return seconds < 3 * 86400 ? [3600, 'h'] : [86400, 'days'];
  }

  function places(line, unit) {
    if (choice.axis === 'iteration') return line.x;
    if (choice.axis === 'relative') return line.t.map((second) => second / unit[0]);
    return line.t.map((second) => (second + line.origin) * 1000);
  }

  const dashOf = (line) => (line.dash + Math.floor(line.colour / COLOURS)) % DASHES.length;

  function traces(lines, unit) {
    const { series } = theme();
    const made = [];
    for (const line of lines) {
      if (line.hidden) continue;
      const x = places(line, unit);
      const colour = series[line.colour % COLOURS];
      const dash = DASHES[dashOf(line)];
      const alone = line.y.some((y, i) => y !== null
        && (line.y[i - 1] ?? null) === null && (line.y[i + 1] ?? null) === null);
      const common = {
        type: 'scatter', mode: alone || line.y.length <= 24 ? 'lines+markers' : 'lines', x,
        marker: { size: 5, color: colour }, line: { color: colour, width: 1.8, dash },
        name: literal(shortened(line.name, 48)),
      };
      if (choice.smoothing) {
        const faint = { color: colour, width: 1, dash };
        made.push({
          ...common, y: line.y, opacity: 0.25, line: faint, showlegend: false, hoverinfo: 'skip',
        });
        made.push({ ...common, mode: 'lines', y: smoothed(line.y, choice.smoothing) });
      } else made.push({ ...common, y: line.y });
    }
    return made;
  }

  /** Return whether values span so few decades that Plotly would label each digit of them. */
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
      addLegend(chart);
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
      showlegend: false, // the page has its own, which wraps
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

  /** Put a legend below a chart; each name in it hides and shows its line. */
  function addLegend(chart) {
    const { lines } = chart.data;
    const made = element('div', { class: 'legend', role: 'group', 'aria-label': 'Lines' });
    for (const line of lines) {
      const mark = element('i', { 'aria-hidden': 'true' });
      mark.style.setProperty('--swatch', `var(--series-${line.colour % COLOURS})`);
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
    for (const chart of charts) if (!waits(chart.into)) drawChart(chart);
  }

  for (const into of document.querySelectorAll('[data-chart]')) {
    const chart = { into, source: into.dataset.chart };
    charts.push(chart);
    whenNear(into, () => drawChart(chart));
  }

  if (charts.length) {
    const smoothing = document.getElementById('smoothing');
    const told = document.getElementById('smoothing-value');
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
      told.textContent = choice.smoothing ? choice.smoothing.toFixed(2) : 'off';
      choice.log = document.getElementById('log-y').checked;
      choice.axis = document.getElementById('x-axis').value;
    };
    // The browser may have put back what was chosen before the page was left.
    read();
    for (const id of ['smoothing', 'log-y', 'x-axis']) {
      document.getElementById(id).addEventListener('input', () => {
        read();
        plan();
      });
    }
    // Series take their colours from the theme, not from the template.
    document.addEventListener('themechange', redraw);
  }

  /** Return the element that shows a picture, a sound, a film, or the way to another file. */
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

  /** A plot of a page: shows one of its steps. */
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
      if (waits(this.into)) return;
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

    /** Show the last step up to an iteration, the first where there is none. */
    showIteration(iteration) {
      let at = this.iterations.findLastIndex((each) => each <= iteration);
      if (at < 0) at = 0;
      if (this.stepper) this.stepper.querySelector('input').value = at;
      const told = this.stepper && this.stepper.querySelector('output');
      if (told) told.textContent = `iteration ${this.iterations[at]}`;
      this.show(at);
    }
  }

  /** Return a figure without a title that the card says already. */
  function untitled(figure, known) {
    const layout = figure.layout || {};
    const title = layout.title && typeof layout.title === 'object' ? layout.title.text : layout.title;
    if (!known.some((each) => literal(each) === title)) return figure;
    return { ...figure, layout: { ...layout, title: undefined } };
  }

  /** Let a slider and its two buttons choose one of some iterations. */
  function bind(stepper, iterations, choose) {
    const slider = stepper.querySelector('input');
    const told = stepper.querySelector('output');
    slider.max = iterations.length - 1;
    slider.value = iterations.length - 1; // not what the browser remembers
    const tell = () => {
      const at = Number(slider.value);
      told.textContent = `iteration ${iterations[at]}`;
      slider.setAttribute('aria-valuetext', told.textContent);
      return at;
    };
    slider.addEventListener('input', () => choose(tell()));
    for (const button of stepper.querySelectorAll('[data-step]')) {
      button.addEventListener('click', () => {
        slider.value = Number(slider.value) + Number(button.dataset.step);
        choose(tell());
      });
    }
    tell();
  }

  const plots = new Map();
  for (const card of document.querySelectorAll('[data-plot]')) plots.set(card, new Plot(card));

  Object.assign(globalThis.localreg, { bind, plots });
})();
