// What is typed into the search box: words, and comparisons such as loss<0.3 or params.lr=0.01.
(function () {
  'use strict';

  const KINDS = new Map([
    ['param', 'parameters'], ['params', 'parameters'], ['parameter', 'parameters'],
    ['parameters', 'parameters'], ['metric', 'metrics'], ['metrics', 'metrics'],
    ['meta', 'metadata'], ['metadata', 'metadata'],
  ]);
  const COMPARISON = /^([^<>=!"]+|"[^"]*")(<=|>=|!=|=|<|>)(.+)$/;
  const fold = (text) => String(text).toLowerCase();
  const bare = (text) => text.replaceAll('"', '');

  /** Return {words, comparisons: [{key, sign, value, text}]} of a text; quotes keep blanks. */
  function parse(text) {
    const found = { words: [], comparisons: [] };
    for (const token of text.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? []) {
      const [, key, sign, value] = COMPARISON.exec(token) ?? [];
      if (sign) found.comparisons.push({ key: bare(key), sign, value: bare(value), text: token });
      else if (bare(token)) found.words.push(fold(bare(token)));
    }
    return found;
  }

  /**
   * Return the columns that a name means: those with the whole name, else those that end or begin
   * with it, as loss means loss/train. `columns` have {name, kind, part, values…}; `part` is set of those
   * that only their whole name means.
   */
  function meant(name, columns) {
    const [, prefix, rest] = /^(\w+)[.:](.+)$/.exec(name) ?? [];
    const kind = KINDS.get(fold(prefix ?? ''));
    const wanted = fold(kind ? rest : name);
    const those = columns.filter((each) => !kind || each.kind === kind);
    for (const fits of [
      (key) => key === wanted,
      (key, part) => !part && key.endsWith(`/${wanted}`),
      (key, part) => !part && key.startsWith(`${wanted}/`),
    ]) {
      const found = those.filter((each) => fits(fold(each.name), each.part));
      if (found.length) return found;
    }
    return [];
  }

  const UNITS = { s: 1, min: 60, h: 3600, d: 86400, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12 };

  /** Return the number that a text means to a column: 0.3, 2h, 10MB or a date; NaN if none. */
  function numberOf(text, { time }) {
    if (time) {
      const at = Date.parse(/^\d{4}-\d\d?-\d\d?$/.test(text) ? `${text}T00:00Z` : text);
      return Number.isNaN(at) ? NaN : at / 1000;
    }
    const [, number, unit] = /^([-+\d.e]+?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
    if (number === undefined || number === '') return NaN;
    return Number(number) * (unit ? UNITS[fold(unit)] ?? NaN : 1);
  }

  const TESTS = {
    '<': (a, b) => a < b, '<=': (a, b) => a <= b, '>': (a, b) => a > b, '>=': (a, b) => a >= b,
    '=': (a, b) => a === b, '!=': (a, b) => a !== b,
  };

  /** Return a function that tests a row by a comparison; rows without a value fail. */
  function tester({ sign, value }, columns) {
    const test = TESTS[sign];
    const ways = columns.map((column) => {
      const number = numberOf(value, column);
      const { numbers } = column;
      if (numbers && !Number.isNaN(number)) {
        // A day has 86,400 seconds, and = means any of them.
        if (column.time && sign === '=') {
          return (i) => numbers[i] >= number && numbers[i] < number + 86400;
        }
        const digits = /^\d{16,}$/.test(value) && (sign === '=' || sign === '!=');
        return (i) => {
          if (Number.isNaN(numbers[i])) return false;
          // Beyond 2**53 several whole numbers are the same number to JavaScript.
          const text = digits ? column.values[i] : null;
          return typeof text === 'string' ? test(text, value) : test(numbers[i], number);
        };
      }
      const wanted = fold(value);
      const { values } = column;
      return (i) => {
        const found = values[i];
        if (found === null || found === undefined || found === '') return false;
        if (Array.isArray(found)) {
          const has = found.some((each) => fold(each) === wanted);
          return sign === '!=' ? !has : sign === '=' && has;
        }
        const text = fold(found);
        const as = Number(text);
        return Number.isNaN(number) || Number.isNaN(as) || !text.trim()
          ? test(text, wanted) : test(as, number);
      };
    });
    return ways.length === 1 ? ways[0] : (i) => ways.some((each) => each(i));
  }

  globalThis.localreg.search = { parse, meant, tester, fold };
})();
