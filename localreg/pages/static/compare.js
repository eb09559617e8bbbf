// The comparison of models: a filter for differing rows, and one slider for all plots of a row.
(function () {
  'use strict';

  const { bind, plots } = globalThis.localreg;
  const only = document.getElementById('only-differences');
  const table = document.querySelector('table.compared');

  function filter() {
    table.classList.toggle('only-differences', only.checked);
    for (const body of table.tBodies) {
      const none = !body.querySelector('tr.differs');
      body.classList.toggle('none-differs', none);
    }
    const nothing = only.checked && !table.querySelector('tr.differs');
    document.getElementById('no-differences').hidden = !nothing;
  }
  only.addEventListener('change', filter);
  filter();

  for (const joint of document.querySelectorAll('.joint')) {
    const cards = [...joint.querySelectorAll('[data-plot]')];
    const shown = cards.map((card) => plots.get(card));
    const iterations = [...new Set(shown.flatMap((plot) => plot.iterations))];
    iterations.sort((one, other) => one - other);
    if (iterations.length < 2) continue;
    const stepper = joint.querySelector('.joint-stepper');
    stepper.hidden = false;
    bind(stepper, iterations, (at) => {
      for (const plot of shown) plot.showIteration(iterations[at]);
    });
  }
})();
