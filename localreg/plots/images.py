"""Images of figures, drawn by Chrome or Chromium through kaleido, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from localreg.errors import BrowserNotFoundError, ExportError
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.plots.figures import Figure

    Job = tuple[str, Figure, str]  # name, figure, format

FORMATS = ("png", "svg", "pdf", "jpg", "webp")


class Size(Frozen):
    """Size of an image: width and height in pixels, and a factor for those of png, jpg, webp."""

    width: int
    height: int
    scale: float


def draw_images(jobs: Iterable[Job], size: Size, keep: Callable[[str, bytes], None]) -> None:
    """Draw figures with one browser, and call `keep` with the name and the bytes of each image.

    Raises:
        BrowserNotFoundError: Chrome or Chromium is not installed.
        ExportError: a figure cannot be drawn.
    """
    import asyncio

    # In another thread, because in a notebook this one already runs an event loop.
    with ThreadPoolExecutor(1, "localreg-images") as pool:
        pool.submit(lambda: asyncio.run(_draw(jobs, size, keep))).result()


async def _draw(jobs: Iterable[Job], size: Size, keep: Callable[[str, bytes], None]) -> None:
    from kaleido import Kaleido

    with _translated(None):
        browser = Kaleido(mathjax=False)  # by default it loads MathJax from the network
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
            "images of figures need Chrome or Chromium, and none was found. Install one "
            "(`apt-get install chromium`, or `kaleido_get_chrome`, which downloads it), or set the "
            "variable BROWSER_PATH to its path. Pages need none: `localreg report` works",
            title=None,
        ) from error
    except (KaleidoError, RuntimeError, ValueError, OSError) as error:
        what = f"cannot draw the figure {title!r:.200}" if title else "cannot start the browser"
        raise ExportError(
            f"{what}: {type(error).__name__}: {str(error)[:500]}", title=title
        ) from error
