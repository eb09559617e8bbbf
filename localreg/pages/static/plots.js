// Shows plots, pictures, sounds and videos, with sliders over their iterations.
(function () {
  'use strict';

  const {
    element, data, draw, clear, whenNear, isWaiting, literal, fileName, addButton, addEnlarge,
    enlarge,
  } = globalThis.localreg;

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
      if (this.about.drawn) addButton(card, 'PNG', 'Download as PNG', () => this.save());
      addEnlarge(card);
      if (this.iterations.length) whenNear(this.into, () => this.show(this.at), this.about.drawn);
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
        const shown = media(step, `${title} ${series}`);
        if (step.kind === 'image' && step.source) {
          shown.addEventListener('click', () => enlarge(this.card));
        }
        this.into.append(shown);
      }
    }

    save() {
      if (!this.into.classList.contains('js-plotly-plot')) return;
      Plotly.downloadImage(this.into, {
        format: 'png', scale: 2, filename: fileName(this.into.figureName),
        width: this.into.clientWidth, height: this.into.clientHeight,
      });
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

  /** Let one slider, in `box`, move all plots of a part of the page to an iteration. */
  function bindAll(box, part) {
    const shown = [...part.querySelectorAll('[data-plot]')].map((card) => plots.get(card));
    const iterations = [...new Set(shown.flatMap((plot) => plot.iterations))];
    iterations.sort((one, other) => one - other);
    if (iterations.length < 2) return;
    box.hidden = false;
    bind(box, iterations, (at) => {
      for (const plot of shown) plot.showIteration(iterations[at]);
    });
  }

  for (const gallery of document.querySelectorAll('.gallery-part')) {
    bindAll(gallery.querySelector('.joint-stepper'), gallery);
  }

  Object.assign(globalThis.localreg, { bind, bindAll, plots });
})();
