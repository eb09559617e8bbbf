"""What was reported: values to Plotly figures to pages. Pure, but for the export of images.

The decisions that bind this package:

- A plot is stored as what was reported (a kind, options and arrays), and made a figure when
  somebody looks: a better drawing reaches old plots too.
- Figures are plain dicts with base64 typed arrays, as Plotly's own JSON has them. plotly is not
  imported to write a page; its plotly.min.js is copied beside the pages, once for each version.
- Pages load nothing from outside. Every text is escaped by Jinja2 or set as text by script,
  data stands in ``application/json`` elements with ``< > &`` escaped, and a
  Content-Security-Policy lets no other script run.
- Long series and large matrices are thinned for drawing, and the page says so. What is stored
  stays whole.
"""
