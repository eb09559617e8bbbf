// Chooses light or dark before anything is drawn, so that nothing flashes.
(function () {
  'use strict';

  const root = document.documentElement;
  const dark = matchMedia('(prefers-color-scheme: dark)');

  function chosen() {
    try {
      const value = localStorage.getItem('localreg-theme');
      return value === 'light' || value === 'dark' ? value : null;
    } catch {
      return null; // storage may be forbidden to pages from disk
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
        // It holds for this page only, then.
      }
      apply(theme);
    });
  });
})();
