"""Run a transfer in an event loop of its own, in a thread of its own."""

from __future__ import annotations

import _thread
import asyncio
import os
import queue
import threading
from collections.abc import Callable, Coroutine, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    Result = TypeVar("Result")

# The id of the process that used object stores. A process forked from it does not have obstore's
# threads, so a transfer there would hang.
_users: list[int] = []


class ForkedError(Exception):
    """This process was forked from one that had used object stores."""

    def __init__(self) -> None:
        super().__init__(
            "object stores cannot be used in a process that was forked from one that used them; "
            'start it with "spawn" or "forkserver", or use them in one of the two only'
        )


def run_in_loop(begin: Callable[[], Coroutine[object, object, Result]]) -> Result:
    """Run a coroutine to its end, and return its result.

    An interruption of the caller, such as Ctrl-C, cancels the coroutine and waits for its end.

    Args:
        begin: makes the coroutine.

    Raises:
        ForkedError: it would hang.
    """
    _check_not_forked()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="localreg-cloud", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # Python 3.12 starts no thread at exit; this thread may run it itself
        loop.close()
        return asyncio.run(begin())
    tasks: list[asyncio.Task[object]] = []

    async def main() -> Result:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        return await begin()

    try:
        return asyncio.run_coroutine_threadsafe(main(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(_wind_up(tasks), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def run_in_threads(works: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run a few short requests at once, each in a thread of its own, and return their results.

    It is quicker than an event loop. An interruption of the caller does not wait for their end, so
    they must not change anything.

    Raises:
        ForkedError: they would hang.
    """
    _check_not_forked()
    results: dict[int, Result] = {}
    failures: list[BaseException] = []
    done: queue.SimpleQueue[None] = queue.SimpleQueue()

    def run(number: int) -> None:
        try:
            results[number] = works[number]()
        except BaseException as error:  # noqa: BLE001  (raised where it is waited for)
            failures.append(error)
        done.put(None)

    for number in range(len(works)):
        try:
            _thread.start_new_thread(run, (number,))  # a Thread would wait for its beginning
        except RuntimeError:  # Python 3.12 starts no thread at exit
            run(number)
    for _ in works:
        done.get()
    if failures:
        raise failures[0]
    return [results[number] for number in range(len(works))]


def _check_not_forked() -> None:
    if _users and _users[0] != os.getpid():
        raise ForkedError
    _users[:] = [os.getpid()]


async def in_thread(work: Callable[..., Result], *arguments: object) -> Result:
    """Run blocking work in a thread of its own, and return its result.

    A cancellation waits for its end. `asyncio.to_thread` does not work here: while a process
    exits and finishes its background uploads, Python's thread pools are closed already.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work(*arguments))
        except BaseException as error:  # noqa: BLE001  (raised where it is waited for)
            failure.append(error)
        loop.call_soon_threadsafe(deliver)

    def deliver() -> None:
        if done.cancelled():
            return
        if failure:
            done.set_exception(failure[0])
        else:
            done.set_result(outcome[0])

    thread = threading.Thread(target=run, name="localreg-cloud-work", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # Python 3.12 starts no thread at exit
        return work(*arguments)
    try:
        return await done
    finally:
        thread.join()


async def _wind_up(tasks: list[asyncio.Task[object]]) -> None:
    """Cancel all tasks, the given ones before those they started, and wait for their end."""
    for running in (set(tasks), asyncio.all_tasks() - {asyncio.current_task()}):
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
