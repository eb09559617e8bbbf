"""Benchmarks of localreg, beside what is the least possible and beside other programs.

    python -m benchmarks                     # the rows of the table of speed: half an hour
    python -m benchmarks --quick             # the same, small: its ratios say little
    python -m benchmarks query --models 1000 # one benchmark whole, with options of its own
    python -m benchmarks --list              # what there is; --all runs all of it, for hours
    python -m benchmarks --json              # for programs

A benchmark is a module of this package with three names, or four:

- `QUICK`: its options for a quick run, a tuple of words.
- `SPEED`: its options for the table of speed, if its findings have rows of that (`Finding.row`).
- `add_options(parser)`: adds its options.
- `measured(options)`: measures, and yields a `Table` each time one is ready.

The rules that bind them:

- "Raw" is what a careful person would write by hand for the one purpose on `sqlite3`, with the
  schema, the rows and the durability of localreg (raw_sqlite.py). It checks nothing, translates
  no error and knows no other purpose, so it is a floor and no rival.
- Machines are shared and noisy. What is compared takes turns in one run, in an order that is
  shuffled for each round; every number is a median; a ratio is the median of the rounds' own
  ratios, so that what slows a whole round down cancels out. It stands with its quartiles. Quote
  ratios: times are one machine's.
- Fresh processes find their bytecode compiled, as an installed package has it, whatever the
  environment says: it is kept in a temporary directory of its own (`fresh_processes`).
- Everything happens in temporary directories, which are deleted. Nothing here asserts: a budget
  that is missed says so in its row.
- Other programs run in environments of their own, which BENCHMARK_PEERS names (peers.py). One that
  is not installed has no row.
"""
