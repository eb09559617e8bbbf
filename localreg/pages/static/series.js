// Pure functions of series: smoothing, ticks of log axes, patterns and CSV. None touches the page.
(function () {
  'use strict';

  /** A smoothing of `weight` remembers this part of a point that is 1/SPAN of the axis before. */
  const SPAN = 250;

  /**
   * Return a series smoothed by an exponential average over x.
   *
   * The line between the points is averaged, not the points: each counts by its distance to its
   * neighbours on x. So the same curve is smoothed alike, whether it has fifty points or thousands.
   * The average is over what there is, so that the start is not pulled to zero.
   *
   * @param x  places of the points, ascending.
   * @param y  values; null is a gap, and stays one.
   * @param weight  0 for none, below 1.
   * @param range  the length of the axis, the same for all series that are compared.
   */
  function smoothed(x, y, weight, range) {
    if (!(weight > 0 && range > 0)) return y.slice();
    const reach = range / SPAN / -Math.log(weight);
    let [sum, mass, last] = [0, 0, -1];
    return y.map((value, at) => {
      if (value === null) return null;
      if (last >= 0) {
        const step = Math.max(0, x[at] - x[last]) / reach;
        const kept = Math.exp(-step);
        const gained = -Math.expm1(-step);
        // Of y that runs straight from y[last] to value; the series where step is near 0.
        const older = step > 1e-4 ? gained / step - kept : step / 2;
        sum = sum * kept + value * (gained - older) + y[last] * older;
        mass = mass * kept + gained;
      }
      last = at;
      return mass > 0 ? sum / mass : value;
    });
  }

  /** Return a number as a person writes it: 0.5, 20, 1e-7. */
  function tickText(value) {
    const size = Math.abs(value);
    const short = Number(value.toPrecision(6));
    if (size !== 0 && (size < 1e-4 || size >= 1e6)) return short.toExponential().replace('e+', 'e');
    return String(short);
  }

  const decadesBetween = (low, high, digits) => {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) {
      for (const digit of digits) {
        const value = Number(`${digit}e${power}`);
        if (value >= low * 0.999999 && value <= high * 1.000001) found.push(value);
      }
    }
    return found;
  };

  function evenlyBetween(low, high, most) {
    const rough = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((each) => each * power >= rough * 0.999999);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-9); i += 1) {
      found.push(Number((i * step).toPrecision(12)));
    }
    return found;
  }

  /** Return at most `most` values to write at a log axis from low to high, at least two if it can. */
  function logTicks(low, high, most = 7) {
    if (!(low > 0 && high > low && Number.isFinite(high))) return [];
    for (const digits of [[1, 2, 5], [1, 3], [1]]) {
      const found = decadesBetween(low, high, digits);
      if (found.length >= 3 && found.length <= most) return found;
    }
    const powers = decadesBetween(low, high, [1]);
    if (powers.length > most) {
      const every = Math.ceil(powers.length / most);
      return powers.filter((value) => Math.round(Math.log10(value)) % every === 0);
    }
    return evenlyBetween(low, high, most - 1);
  }

  /** Return a test of texts by a regular expression, or the reason why it is none, as a text. */
  function pattern(text) {
    if (!text) return () => true;
    try {
      const found = new RegExp(text, 'i');
      return (each) => found.test(each);
    } catch (error) {
      return String(error.message);
    }
  }

  /** Return a cell of a CSV file. A text that a spreadsheet would compute starts with a quote. */
  function cell(value) {
    if (value === null || value === undefined) return '';
    if (typeof value === 'number') return String(value);
    const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  /** Return a CSV file of rows, which are lists of numbers, texts and nulls. */
  function csv(rows) {
    return rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('');
  }

  /** Return the lines of a chart as rows of a CSV file, one for each point, with a head. */
  function rowsOf(title, lines) {
    const rows = [['title', 'series', 'iteration', 'time', 'value']];
    for (const line of lines) {
      line.x.forEach((x, i) => {
        const second = (line.t[i] ?? NaN) + line.origin;
        const time = second > 0 ? new Date(second * 1000).toISOString() : '';
        rows.push([title, line.name, x, time, line.y[i]]);
      });
    }
    return rows;
  }

  Object.assign(globalThis.localreg ??= {}, {
    smoothed, tickText, logTicks, pattern, csv, rowsOf,
  });
})();
