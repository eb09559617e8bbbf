// Draws Plotly figures in the colours of the page, once they are scrolled into view.
(function () {
  'use strict';

  const { element, visible } = globalThis.localreg;
  const DASHES = ['solid', 'dash', 'dot', 'dashdot', 'longdash', 'longdashdot'];
  const COLOURS = 8;
  const RUNS = 50; // runs of a comparison, each with a colour of its own
  const DEEP = ['scatter3d', 'surface', 'mesh3d'];
  const PRINTED = 316; // pixels that a figure is wide on paper
  let printing = false;
  const drawn = new Set(); // elements that show a figure
  const waiting = new Map(); // elements to fill later, how, and if Plotly draws them

  /** Return text escaped for Plotly, which reads <b> and <a> as markup. */
  function literal(text) {
    return visible(text)
      .replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
  }

  function shortened(text, limit) {
    const letters = [...String(text)];
    return letters.length > limit ? letters.slice(0, limit - 1).join('') + '…' : String(text);
  }

  function theme() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const series = [];
    for (let i = 0; i < COLOURS; i += 1) series.push(colour(`--series-${i}`));
    const runs = [];
    for (let i = 0; i < RUNS; i += 1) runs.push(colour(`--series-${i}`));
    return {
      series,
      runs,
      ink: colour('--ink'),
      dim: colour('--dim'),
      grid: colour('--grid'),
      line: colour('--line'),
      card: colour('--card'),
      sunk: colour('--sunk'),
      font: style.fontFamily,
    };
  }

  /** Return a Plotly template: the look of a figure where its own layout does not set it. */
  function template(given) {
    const t = theme();
    const axis = {
      gridcolor: t.grid, linecolor: t.line, zerolinecolor: t.line, tickcolor: t.line,
      zerolinewidth: 1, automargin: true, tickfont: { color: t.dim, size: 11 },
      title: { font: { color: t.dim, size: 12 }, standoff: 8 },
    };
    const space = { ...axis, backgroundcolor: t.card, showbackground: false };
    const layout = {
      paper_bgcolor: t.card, // for Plotly's choice of contrasts, and for saved PNGs
      plot_bgcolor: 'rgba(0,0,0,0)',
      font: { color: t.ink, family: t.font, size: 12 },
      title: { font: { size: 13, color: t.ink } },
      colorway: t.series,
      xaxis: axis,
      yaxis: axis,
      // Farther away than Plotly's own camera, which cuts off the corners and titles of axes.
      scene: {
        xaxis: space, yaxis: space, zaxis: space,
        camera: { eye: { x: 1.6, y: 1.6, z: 1.2 }, center: { x: 0, y: 0, z: -0.14 } },
      },
      polar: { bgcolor: 'rgba(0,0,0,0)', radialaxis: axis, angularaxis: axis },
      legend: { font: { size: 11, color: t.ink }, bgcolor: 'rgba(0,0,0,0)' },
      hoverlabel: {
        bgcolor: t.card, bordercolor: t.line, font: { color: t.ink, size: 12 }, namelength: 60,
      },
      modebar: { bgcolor: 'rgba(0,0,0,0)', color: t.dim, activecolor: t.series[0] },
      colorscale: { sequential: 'Viridis' },
      margin: { l: 56, r: 20, t: 20, b: 44 },
    };
    const bar = { colorbar: { outlinewidth: 0, thickness: 12, tickfont: { color: t.dim } } };
    const table = {
      header: {
        fill: { color: t.sunk }, line: { color: t.line }, font: { color: t.ink, size: 12 },
        align: 'left', height: 28,
      },
      cells: {
        fill: { color: t.card }, line: { color: t.grid }, font: { color: t.ink, size: 12 },
        align: 'left', height: 26,
      },
    };
    const own = {
      table: [table], heatmap: [bar], contour: [bar], surface: [bar], histogram2d: [bar],
      bar: [{ marker: { line: { width: 0 } } }], histogram: [{ marker: { line: { width: 0 } } }],
    };
    // Traces of the figure's own template are kept; its layout is replaced.
    const base = given && typeof given === 'object' ? given : {};
    return {
      data: { ...(base.data || {}), ...own },
      layout: { ...(base.layout || {}), ...layout },
    };
  }

  const CONFIG = {
    displaylogo: false,
    responsive: true,
    displayModeBar: 'hover',
    showTips: false,
    plotlyServerURL: '',
    showEditInChartStudio: false,
    showSendToCloud: false,
    modeBarButtonsToRemove: [
      'select2d', 'lasso2d', 'zoomIn2d', 'zoomOut2d', 'autoScale2d', 'toggleSpikelines',
      'hoverClosestCartesian', 'hoverCompareCartesian', 'sendDataToCloud', 'tableRotation',
      'resetCameraLastSave3d', 'orbitRotation', 'hoverClosest3d', 'pan3d', 'zoom3d',
    ],
  };

  /** Return true if all of a figure is drawn in three dimensions. */
  function isDeep(figure) {
    const traces = figure.data || [];
    return traces.length && traces.every(({ type }) => DEEP.includes(type));
  }

  /** Return the margin for some traces; undefined for the default. */
  function marginOf(traces, title) {
    if (traces.length && traces.every(({ type }) => type === 'table')) {
      return { l: 4, r: 4, t: title ? 40 : 10, b: 4 };
    }
    if (isDeep({ data: traces })) return { l: 8, r: 8, t: title ? 40 : 8, b: 8 };
    return title ? { t: 40 } : undefined;
  }

  const SHORT = 26; // pixels of a row of a table, and of its head

  /** Return the height of a figure; a short table needs less than other figures. */
  function heightOf(figure, into) {
    const given = Number((figure.layout || {}).height) || Number(into.dataset.height) || 0;
    const [table, ...others] = figure.data || [];
    if (!given || (figure.layout || {}).height || others.length || table?.type !== 'table') return given;
    const columns = table.cells?.values;
    const cells = Array.isArray(columns) ? columns.flat() : [];
    if (!cells.length || cells.some((cell) => String(cell).length > 40)) return given;
    const rows = Math.max(...columns.map((column) => column.length ?? 0));
    return Math.min(given, (rows + 1) * SHORT + 24);
  }

  const WHOLE = 2.45; // where a camera sees all of a surface

  /** Return the layout of a figure in the colours of the page and the size of an element. */
  function layoutOf(figure, into) {
    const layout = { ...(figure.layout || {}) };
    layout.template = template(layout.template);
    if (into.dataset.run) { // a plot of a compared run has its colour
      const { runs, series } = theme();
      layout.template.layout.colorway = [runs[into.dataset.run % runs.length], ...series];
    }
    layout.margin ??= marginOf(figure.data || [], layout.title);
    layout.autosize = true; // to the size of the element
    layout.uirevision = 'kept'; // keep zoom and camera when the colours change
    let height = heightOf(figure, into);
    // A scene that is higher than wide would be cut off at its sides.
    if (isDeep(figure)) height = Math.min(height, Math.max(200, into.clientWidth * 0.85));
    if (height) into.style.height = `${Math.max(120, Math.min(1200, height))}px`;
    delete layout.height;
    delete layout.width;
    if (printing) {
      Object.assign(layout, { width: PRINTED, height: into.clientHeight, autosize: false });
    }
    // Whole numbers at log axes: Plotly would write "5" for 0.5, in small digits.
    for (const [name, axis] of Object.entries(layout)) {
      if (!/^[xy]axis\d*$/.test(name) || axis?.type !== 'log' || axis.tickvals) continue;
      layout[name] = { tickformat: '~g', exponentformat: 'power', ...axis };
    }
    if ((figure.data || []).some(({ type }) => type === 'surface')) {
      for (const [name, scene] of Object.entries(layout)) {
        if (/^scene\d*$/.test(name) && scene?.camera?.eye) layout[name] = farEnough(scene);
      }
    }
    return layout;
  }

  /** Return a scene whose camera is far enough from the middle to see all corners of a surface. */
  function farEnough(scene) {
    const { x = 0, y = 0, z = 0 } = scene.camera.eye;
    const farther = Math.max(1, WHOLE / (Math.hypot(x, y, z) || WHOLE));
    const eye = { x: x * farther, y: y * farther, z: z * farther };
    return { ...scene, camera: { center: { x: 0, y: 0, z: -0.14 }, ...scene.camera, eye } };
  }

  /** Draw a figure into an element, and replace what it showed. */
  function draw(into, figure, name) {
    into.classList.remove('waiting');
    if (typeof Plotly === 'undefined') {
      fail(into, 'Figures cannot be drawn: the folder assets is missing next to this page.');
      return;
    }
    if (!into.classList.contains('js-plotly-plot')) into.replaceChildren();
    into.figure = figure;
    into.figureName = name;
    drawn.add(into);
    const config = {
      ...CONFIG, toImageButtonOptions: { filename: fileName(name), scale: 2 },
    };
    const failed = () => fail(into, 'This figure cannot be drawn.');
    try {
      Plotly.react(into, figure.data || [], layoutOf(figure, into), config).catch(failed);
    } catch {
      failed();
    }
  }

  function fail(into, why) {
    if (drawn.has(into)) clear(into);
    into.replaceChildren(element('p', { class: 'empty' }, why));
  }

  function fileName(name) {
    const safe = String(name || '').normalize('NFKC').replace(/[^\p{L}\p{N}_-]+/gu, '-');
    return [...safe.replace(/^-+|-+$/g, '')].slice(0, 80).join('') || 'plot';
  }

  /** Empty an element, so that something else can be put into it. */
  function clear(from) {
    if (drawn.delete(from)) Plotly.purge(from);
    from.classList.remove('js-plotly-plot', 'waiting');
    from.style.height = '';
    from.replaceChildren();
  }

  // Plotly takes a second to start, so the page is shown first, with its sketches.
  const plotly = document.getElementById('plotly');
  let isReady = !plotly;

  function startPlotly() {
    if (!plotly?.isConnected) return;
    const script = element('script', {});
    script.textContent = plotly.textContent;
    plotly.remove(); // it holds the text of Plotly
    document.head.append(script); // which runs it
    isReady = true;
    startSoon();
  }

  function loadPlotly() {
    const script = element('script', { src: plotly.dataset.source });
    const done = () => {
      plotly.remove();
      isReady = true;
      startSoon();
    };
    script.addEventListener('load', done);
    script.addEventListener('error', done); // `draw` says that it is missing
    document.head.append(script);
  }

  // A file is asked for at once: a page is printed when all that it has asked for is there.
  if (plotly?.dataset.source) loadPlotly();
  else if (plotly) requestAnimationFrame(() => setTimeout(startPlotly));

  const near = new Set(); // elements in view that wait; those that leave it are not drawn
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) near.add(entry.target);
      else near.delete(entry.target);
    }
    startSoon();
  }, { rootMargin: '300px' });

  /** Fill elements for a moment, so that the page shows them one after another and scrolls. */
  function startSome() {
    const end = performance.now() + 30;
    for (const target of near) {
      if (!canStart(target)) continue;
      near.delete(target);
      start(target);
      if (performance.now() > end) break;
    }
    isSoon = false;
    startSoon();
  }

  let isSoon = false;

  function startSoon() {
    if (isSoon || ![...near].some(canStart)) return;
    isSoon = true;
    requestAnimationFrame(startSome);
  }

  const canStart = (target) => isReady || !waiting.get(target)?.drawn;

  function start(target) {
    const found = waiting.get(target);
    if (!found) return;
    waiting.delete(target);
    watcher.unobserve(target);
    found.action();
  }

  /** Call `action` once when an element comes close to the visible part of the page.
   *
   * @param drawn  true if it needs Plotly.
   */
  function whenNear(target, action, drawn = true) {
    target.classList.add('waiting');
    waiting.set(target, { action, drawn });
    watcher.observe(target);
  }

  const isWaiting = (target) => waiting.has(target);

  document.addEventListener('themechange', () => {
    for (const each of drawn) draw(each, each.figure, each.figureName);
  });
  // Paper has two columns of figures; what is folded or hidden is not printed.
  addEventListener('beforeprint', () => {
    printing = true;
    if (!plotly?.dataset.source) startPlotly();
    for (const target of [...waiting.keys()]) {
      if (canStart(target) && target.checkVisibility()) start(target);
    }
    for (const each of drawn) {
      // What WebGL has drawn would be gone if it were drawn again now.
      if (isDeep(each.figure)) each.style.zoom = String(PRINTED / each.clientWidth);
      else draw(each, each.figure, each.figureName);
    }
  });
  addEventListener('afterprint', () => {
    printing = false;
    for (const each of drawn) {
      each.style.zoom = '';
      draw(each, each.figure, each.figureName);
    }
  });

  Object.assign(globalThis.localreg, {
    draw, clear, whenNear, isWaiting, literal, shortened, theme, fileName, DASHES, COLOURS,
  });
})();
