// The comparison of models: a filter for differing rows, and one slider for all plots of a row.
(function () {
  'use strict';

  const { bindAll } = globalThis.localreg;
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
    bindAll(joint.querySelector('.joint-stepper'), joint);
  }
})();
