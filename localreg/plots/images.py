"""Image files of figures, drawn by Chrome or Chromium through kaleido, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from localreg.errors import BrowserNotFoundError, ExportError
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.pages.page_values import Figure

    Job = tuple[str, Figure, str]  # name, figure, format

FORMATS = ("png", "svg", "pdf", "jpg", "webp")


class Size(Frozen):
    """How large an image is: pixels, and by what those of png, jpg and webp are multiplied."""

    width: int
    height: int
    scale: float


def draw_images(jobs: Iterable[Job], size: Size, keep: Callable[[str, bytes], None]) -> None:
    """Draw figures with one browser, and give the bytes of each image to `keep`.

    Args:
        jobs: name, figure and format of each image.
        keep: called with the name and the bytes.

    Raises:
        BrowserNotFoundError: there is no Chrome or Chromium.
        ExportError: a figure cannot be drawn.
    """
    # In a thread of its own: that of a notebook has an event loop that runs already.
    with ThreadPoolExecutor(1, "localreg-images") as pool:
        pool.submit(_run, jobs, size, keep).result()


def _run(jobs: Iterable[Job], size: Size, keep: Callable[[str, bytes], None]) -> None:
    import asyncio

    asyncio.run(_draw(jobs, size, keep))


async def _draw(jobs: Iterable[Job], size: Size, keep: Callable[[str, bytes], None]) -> None:
    from kaleido import Kaleido

    with _translated(None):
        browser = Kaleido(mathjax=False)  # its default is a script from the network
        await browser.open()
    try:
        for name, figure, kind in jobs:
            options = {"format": kind, "width": size.width, "height": size.height}
            with _translated(name):
                data = await browser.calc_fig(figure, opts=options | {"scale": size.scale})
            keep(name, data)
    finally:
        await browser.close()


@contextmanager
def _translated(title: str | None) -> Iterator[None]:
    from kaleido.errors import ChromeNotFoundError, KaleidoError

    try:
        yield
    except ChromeNotFoundError as error:
        raise BrowserNotFoundError(
            "images of figures are drawn by Chrome or Chromium, and none was found; install one "
            "(`apt-get install chromium`, or `kaleido_get_chrome` where there is a network), or "
            "name it in the variable BROWSER_PATH. The pages need none: `localreg report` works",
            title=None,
        ) from error
    except (KaleidoError, RuntimeError, ValueError, OSError) as error:
        what = f"the figure {title!r:.200}" if title else "a browser for images"
        raise ExportError(
            f"{what} cannot be drawn: {type(error).__name__}: {str(error)[:500]}", title=title
        ) from error
