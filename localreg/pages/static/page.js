// Shared by all pages: new elements, data of the page, its address, copy buttons, the visible section.
(function () {
  'use strict';

  const INVISIBLE = new RegExp(
    '[\\0-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e'
    + '\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}\\p{Cs}]', 'gu',
  );
  const READ = new Set(['title', 'aria-label', 'alt']); // attributes that people read
  const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/;

  /** Return text with escapes for control characters, and for those that turn around its order. */
  function visible(text) {
    return String(text).replace(INVISIBLE, (each) => {
      const code = each.codePointAt(0).toString(16);
      if (code.length <= 2) return `\\x${code.padStart(2, '0')}`;
      return code.length <= 4 ? `\\u${code.padStart(4, '0')}` : `\\U${code.padStart(8, '0')}`;
    });
  }

  /** Return the parts of a name such as project/name:3, each of which keeps its own direction. */
  function isolated(text) {
    if (!RIGHT_TO_LEFT.test(text)) return [text];
    return text.split(/([/:@])/).map((part, at) => {
      if (at % 2) return part;
      const kept = document.createElement('bdi');
      kept.textContent = part;
      return kept;
    });
  }

  /** Return a new element; texts become text nodes, never markup. */
  function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (value === null || value === undefined) continue;
      if (name === 'class') made.className = value;
      else made.setAttribute(name, READ.has(name) ? visible(value) : value);
    }
    for (const child of children) {
      if (child === null || child === undefined) continue;
      if (child instanceof Node) made.append(child);
      else made.append(...(tag === 'a' ? isolated(visible(child)) : [visible(child)]));
    }
    return made;
  }

  /** Return the value of an application/json element of the page. */
  function data(id) {
    return JSON.parse(document.getElementById(id).textContent);
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = element('textarea', { class: 'hidden', 'aria-hidden': 'true' });
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
  }

  document.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-copy]');
    if (!button) return;
    copy(button.dataset.copy);
    button.classList.add('done');
    setTimeout(() => button.classList.remove('done'), 1200);
  });

  // Mark the link of the visible section.
  const links = new Map();
  for (const link of document.querySelectorAll('nav.sections a')) {
    const section = document.getElementById(link.hash.slice(1));
    if (section) links.set(section, link);
  }
  function mark() {
    let current = null;
    for (const section of links.keys()) {
      if (section.getBoundingClientRect().top < 140) current = section;
    }
    const end = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
    if (end && scrollY > 0) current = [...links.keys()].at(-1);
    if (!current) [...links.values()][0].parentElement.scrollLeft = 0;
    for (const [section, link] of links) {
      if (section === current) {
        if (link.getAttribute('aria-current') === null) {
          link.setAttribute('aria-current', 'true');
          const nav = link.parentElement;
          nav.scrollLeft = link.offsetLeft - nav.clientWidth / 2;
        }
      } else link.removeAttribute('aria-current');
    }
  }
  if (links.size) {
    let waiting = false;
    addEventListener('scroll', () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        mark();
      });
    }, { passive: true });
    mark();
  }

  // A box whose content does not fit takes the focus, so that the keyboard can scroll it.
  const boxes = new ResizeObserver((entries) => {
    for (const { target } of entries) reachable(target);
  });

  function reachable(box) {
    const fits = box.scrollHeight <= box.clientHeight && box.scrollWidth <= box.clientWidth;
    if (fits) box.removeAttribute('tabindex');
    else box.tabIndex = 0;
  }

  /** Make a box reachable by the keyboard whenever it can be scrolled. */
  function watchBox(box) {
    reachable(box);
    boxes.observe(box);
  }
  const scrolling = '.box, .facts dd, .plot-note, .ref h1, .versions';
  for (const box of document.querySelectorAll(scrolling)) watchBox(box);

  // Fold long texts; a button, a link to a part or the focus inside unfolds them.
  function fold(text, button, folded) {
    text.classList.toggle('folded', folded);
    button.textContent = folded ? 'Show more' : 'Show less';
    button.setAttribute('aria-expanded', String(!folded));
  }
  for (const button of document.querySelectorAll('button[data-unfold]')) {
    const text = document.getElementById(button.dataset.unfold);
    fold(text, button, true);
    if (text.scrollHeight <= text.clientHeight + 60) {
      fold(text, button, false); // all of it is no longer than the button is worth
      continue;
    }
    button.hidden = false;
    button.addEventListener('click', () => {
      const folds = !text.classList.contains('folded');
      fold(text, button, folds);
      if (folds) text.scrollIntoView({ block: 'nearest' });
    });
    text.addEventListener('focusin', () => fold(text, button, false));
    const follow = () => {
      const name = decodeURIComponent(location.hash.slice(1));
      const target = name ? document.getElementById(name) : null;
      if (!target || !text.contains(target)) return;
      fold(text, button, false);
      target.scrollIntoView();
    };
    addEventListener('hashchange', follow);
    follow();
  }

  // Scroll the list of versions to the version of this page.
  const line = document.querySelector('.versions');
  const here = line && line.querySelector('.here');
  if (here) line.scrollLeft = here.offsetLeft - line.clientWidth / 2;

  /**
   * The choices of the reader, which the address of the page stores: #scalars&smoothing=0.9, where
   * the first name may be that of a section. So a copied address and a reload show the same.
   */
  const address = {
    kept: '', // the choices as they were read or stored last
    params() {
      const found = new URLSearchParams(location.hash.slice(1));
      const first = location.hash.slice(1).split('&', 1)[0];
      if (!first.includes('=')) found.delete(first);
      return found;
    },
    section() {
      const first = location.hash.slice(1).split('&', 1)[0];
      return first.includes('=') ? '' : first;
    },
    get(name) {
      return address.params().get(name);
    },
    /** Store a text; null and '' store nothing. */
    set(name, value) {
      const params = address.params();
      if (value === null || value === undefined || value === '') params.delete(name);
      else params.set(name, value);
      address.kept = params.toString();
      const hash = [address.section(), address.kept].filter(Boolean).join('&');
      if (hash === location.hash.slice(1)) return;
      history.replaceState(null, '', hash ? `#${hash}` : location.href.split('#', 1)[0]);
    },
  };

  address.kept = address.params().toString();

  // A link to a section keeps the choices.
  for (const [section, link] of links) {
    link.addEventListener('click', (event) => {
      const params = address.params().toString();
      if (!params || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      history.pushState(null, '', `#${section.id}&${params}`);
      section.scrollIntoView();
    });
  }
  addEventListener('load', () => {
    if (!location.hash.includes('&')) return; // the browser scrolls itself
    const section = address.section();
    if (section) document.getElementById(section)?.scrollIntoView({ behavior: 'instant' });
  });

  globalThis.localreg = { element, data, address, watchBox, visible };
})();
