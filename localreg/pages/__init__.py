"""HTML pages: plain values in, text of a page out. Only `assets` writes files.

The decisions that bind this package:

- Pages load nothing from outside: no CDN, no fonts, no network at all. The scripts and styles lie
  in the folder ``assets`` beside the pages, or inside a standalone page. plotly.min.js is copied
  there from the installed plotly, once for each version; plotly itself is never imported.
- Every text may come from an attacker. Jinja2 escapes it, or a script sets it as text; nothing
  but our own files and the functions of `markup` may produce markup.
- Data is in ``application/json`` elements with ``< > &`` escaped, one for each chart and plot, so
  that a browser parses only what is scrolled to.
- A page is readable before any script has run: each chart of lines stands in it as a sketch.
  Plotly, which takes a second to start, starts once the page is shown.
- A Content-Security-Policy lets no other script run. Links go only to relative addresses, http,
  https and file.
- Pages know no database, no registry and no plots: `page_values` holds all that one shows, and
  figures come as finished dicts.

To change how a page looks, edit its template in templates/ and static/page.css. A new fact on it
needs a field in `page_values` too. `pages` fills the templates, `comparing` and
`lineage_drawing` prepare the rows of a comparison and the drawing of a lineage.
"""
