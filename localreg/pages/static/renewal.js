// The page of a task that runs: it is loaded again as often as the task writes it.
(function () {
  'use strict';

  const note = document.querySelector('[data-renewed]');
  if (!note) return;
  const pause = Number(note.dataset.renewed) * 1000;
  const written = Date.parse(note.dataset.written.replace(' UTC', 'Z').replace(' ', 'T'));
  const began = Date.now();

  /** Return how long ago something was, such as "5 min". */
  function span(milliseconds) {
    const minutes = Math.floor(milliseconds / 60_000);
    if (minutes < 60) return `${minutes} min`;
    if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h`;
    return `${Math.floor(minutes / (24 * 60))} days`;
  }

  /** A task that was killed writes nothing more. */
  function showAge() {
    const age = Date.now() - written;
    if (!(age > 3 * pause + 60_000)) return;
    note.textContent =
      `Nothing new for ${span(age)}: the task waits, or its process was killed. ` +
      '“localreg task ls” says which.';
    note.classList.add('old');
  }

  /** The reader looks at one chart, or types. */
  function isBusy() {
    const active = document.activeElement;
    return Boolean(
      document.fullscreenElement ||
        document.querySelector('dialog[open]') ||
        (active && active.matches('input[type="search"], input[type="text"], select')) ||
        String(getSelection()),
    );
  }

  setInterval(() => {
    showAge();
    if (Date.now() - began >= pause && !document.hidden && !isBusy()) location.reload();
  }, Math.min(5_000, pause));
  showAge();
})();
