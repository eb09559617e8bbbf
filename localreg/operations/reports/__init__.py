"""Reports: scalars, values, plots and media are stored, and read back as figures, images and pages.

- `writing` stores reports, `media` finds the contents of tables, pictures and files.
- `reading` returns them as values, `reported` as ClearML's calls do, `series` with those of the
  task that made a model, `charts` as figures and what pages show of them, `images` as image files.
- `cards` writes a model as README.md, `ml_bom` as a bill of materials for auditors.
- `pages` writes HTML pages. `model_page`, `task_page` and `index_page` collect what one shows;
  `page_links` knows where pages lie. How a page looks is the matter of the package
  `localreg.pages`.

Every operation raises ModelNotFoundError or TaskNotFoundError if the owner of the reports no
longer exists, InvalidValueError if an argument cannot be stored or used, and StorageError if the
disk refuses something.
"""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.reports import cards as cards
    from localreg.operations.reports import charts as charts
    from localreg.operations.reports import images as images
    from localreg.operations.reports import index_page as index_page
    from localreg.operations.reports import media as media
    from localreg.operations.reports import ml_bom as ml_bom
    from localreg.operations.reports import model_page as model_page
    from localreg.operations.reports import page_links as page_links
    from localreg.operations.reports import pages as pages
    from localreg.operations.reports import reading as reading
    from localreg.operations.reports import reported as reported
    from localreg.operations.reports import series as series
    from localreg.operations.reports import task_page as task_page
    from localreg.operations.reports import writing as writing

__getattr__ = modules_of(__name__)
