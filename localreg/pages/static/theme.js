// Selects light or dark before the page is drawn, so that it does not flash.
(function () {
  'use strict';

  const root = document.documentElement;
  const dark = matchMedia('(prefers-color-scheme: dark)');

  function chosen() {
    try {
      const value = localStorage.getItem('localreg-theme');
      return value === 'light' || value === 'dark' ? value : null;
    } catch {
      return null; // browsers may forbid storage to pages on disk
    }
  }

  function apply(theme) {
    if (root.dataset.theme === theme) return;
    root.dataset.theme = theme;
    document.dispatchEvent(new CustomEvent('themechange'));
  }

  const wanted = () => chosen() ?? (dark.matches ? 'dark' : 'light');
  apply(wanted());
  dark.addEventListener('change', () => apply(wanted()));
  addEventListener('beforeprint', () => apply('light'));
  addEventListener('afterprint', () => apply(wanted()));

  document.addEventListener('DOMContentLoaded', () => {
    document.getElementById('theme').addEventListener('click', () => {
      const theme = root.dataset.theme === 'dark' ? 'light' : 'dark';
      try {
        localStorage.setItem('localreg-theme', theme);
      } catch {
        // Then the choice holds only for this page.
      }
      apply(theme);
    });
  });
})();
