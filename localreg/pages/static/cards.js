// Cards of charts and plots: their buttons, downloads, and the dialog that shows one large.
(function () {
  'use strict';

  const { element } = globalThis.localreg;
  const ICONS = {
    pin: 'M5.5 2h5M6.5 2v4.2L4 9h8L9.5 6.2V2M8 9v5',
    enlarge: 'M9.5 2.5h4v4M6.5 13.5h-4v-4M13.5 2.5L9.3 6.7M2.5 13.5l4.2-4.2',
    close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  };

  function icon(name) {
    const space = 'http://www.w3.org/2000/svg';
    const drawing = document.createElementNS(space, 'svg');
    for (const [key, value] of [['width', 15], ['height', 15], ['viewBox', '0 0 16 16'],
      ['aria-hidden', 'true']]) drawing.setAttribute(key, value);
    const path = document.createElementNS(space, 'path');
    for (const [key, value] of [['d', ICONS[name]], ['fill', 'none'], ['stroke', 'currentColor'],
      ['stroke-width', 1.4], ['stroke-linecap', 'round'], ['stroke-linejoin', 'round']]) {
      path.setAttribute(key, value);
    }
    drawing.append(path);
    return drawing;
  }

  /** Return the row of buttons beside the heading of a card; it is made when first needed. */
  function toolsOf(card) {
    const there = card.querySelector('.card-tools');
    if (there) return there;
    const made = element('div', { class: 'card-tools' });
    const heading = card.querySelector('h3');
    const head = element('div', { class: 'card-head' });
    heading.replaceWith(head);
    head.append(heading, made);
    return made;
  }

  /**
   * Add a button to a card, and return it.
   *
   * @param face  the name of an icon, or a short text.
   * @param label  what it does, for people who do not see the icon.
   */
  function addButton(card, face, label, act) {
    const button = element('button', {
      type: 'button', class: 'quiet card-button', 'aria-label': label, title: label,
    }, face in ICONS ? icon(face) : face);
    button.addEventListener('click', act);
    toolsOf(card).append(button);
    return button;
  }

  /** Save a text as a file of the user. */
  function save(name, text, type) {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const link = element('a', { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  let shown = null; // the card in the dialog, and what keeps its place on the page

  const dialog = element('dialog', { class: 'enlarged' });
  const close = element(
    'button', { type: 'button', class: 'quiet icon', 'aria-label': 'Close', title: 'Close (Esc)' },
    icon('close'),
  );
  close.addEventListener('click', () => dialog.close());
  const hint = element('p', { class: 'note' });
  dialog.append(element('div', { class: 'enlarged-bar' }, hint, close));

  function fit(card) {
    const figure = card.querySelector('.figure.js-plotly-plot');
    if (figure) Plotly.Plots.resize(figure);
    card.dispatchEvent(new CustomEvent('fitted'));
  }

  function putBack() {
    if (!shown) return;
    const { card, space } = shown;
    shown = null;
    space.replaceWith(card);
    fit(card);
    card.querySelector('.enlarge')?.focus({ preventScroll: true });
  }

  /** Show a card of the page large, until the reader closes it. */
  function enlarge(card) {
    if (shown?.card === card) {
      dialog.close();
      return;
    }
    const all = [...document.querySelectorAll('.chart-card, .plot-card')];
    const cards = shown?.cards ?? all.filter((each) => each.checkVisibility());
    putBack();
    const space = element('div', { class: 'card', 'aria-hidden': 'true' });
    space.style.height = `${card.offsetHeight}px`;
    card.replaceWith(space);
    shown = { card, space, cards };
    if (!dialog.isConnected) document.body.append(dialog);
    dialog.append(card);
    dialog.setAttribute('aria-label', card.getAttribute('aria-label'));
    const steps = card.querySelector('.stepper') ? '← → other iterations, ' : '';
    hint.textContent = `${steps}Page Up and Page Down: the card before and after, Esc: close`;
    if (!dialog.open) dialog.showModal();
    fit(card);
    close.focus();
  }

  dialog.addEventListener('close', putBack);
  dialog.addEventListener('keydown', (event) => {
    if (!shown) return;
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1 }[event.key];
    if (!step) return;
    if (event.key.startsWith('Page')) {
      const next = shown.cards[shown.cards.indexOf(shown.card) + step];
      if (next) enlarge(next);
    } else if (!event.target.closest('input')) {
      shown.card.querySelector(`.stepper [data-step="${step}"]`)?.click();
    } else return;
    event.preventDefault();
  });

  /** Add the button that shows a card large. */
  function addEnlarge(card) {
    addButton(card, 'enlarge', 'Enlarge', () => enlarge(card)).classList.add('enlarge');
  }

  Object.assign(globalThis.localreg, { addButton, addEnlarge, enlarge, save });
})();
