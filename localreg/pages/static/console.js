// Finds lines of the console and rows of tables; filters of tables take words, not patterns.
(function () {
  'use strict';

  const { address, pattern } = globalThis.localreg;
  const LEVELS = { debug: 10, info: 20, warning: 30, error: 40, critical: 50 };

  const box = document.querySelector('.log');
  if (box) {
    const lines = [...box.querySelectorAll('.line')].map((line) => ({
      line, level: LEVELS[line.classList[1]] ?? 20, text: line.lastElementChild.textContent,
    }));
    const [filter, level, count, wrong] = ['log-filter', 'log-level', 'log-count',
      'log-filter-wrong'].map((id) => document.getElementById(id));
    const choose = () => {
      const test = pattern(filter.value);
      const valid = typeof test === 'function';
      if (valid) filter.removeAttribute('aria-invalid');
      else filter.setAttribute('aria-invalid', 'true');
      wrong.textContent = valid ? '' : test;
      if (!valid) return;
      let shown = 0;
      for (const each of lines) {
        const hidden = each.level < Number(level.value) || !test(each.text);
        if (each.line.hidden !== hidden) each.line.hidden = hidden;
        shown += !hidden;
      }
      const all = shown === lines.length;
      count.textContent = all ? '' : `${shown.toLocaleString('en')} of ${lines.length.toLocaleString('en')} lines`;
    };
    const restore = () => {
      filter.value = address.get('log-text') ?? '';
      level.value = address.get('log-level') ?? '0';
      if (level.selectedIndex < 0) level.value = '0';
      choose();
    };
    restore();
    addEventListener('hashchange', restore);
    for (const each of [filter, level]) {
      each.addEventListener('input', () => {
        address.set('log-text', filter.value);
        address.set('log-level', level.value === '0' ? '' : level.value);
        choose();
      });
    }
    const end = () => { box.scrollTop = box.scrollHeight; };
    document.getElementById('log-end').addEventListener('click', end);
    end(); // the last lines say how it went
    addEventListener('load', end);
  }

  for (const input of document.querySelectorAll('input[data-filters]')) {
    const table = document.getElementById(input.dataset.filters);
    const count = input.parentElement.querySelector('output');
    const rows = [...table.querySelectorAll('tbody tr:not(.group)')];
    input.addEventListener('input', () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += !row.hidden;
      }
      for (const body of table.tBodies) body.hidden = ![...body.rows].some((row) => !row.hidden && row.className !== 'group');
      count.textContent = words.length ? `${shown} of ${rows.length}` : '';
    });
  }
})();
