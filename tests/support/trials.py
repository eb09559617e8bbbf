"""Trials that run at the same time, each with a task or a registry of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from localreg import InputModel, Logger, OutputModel, Registry, Task

COUNT = 20
STEPS = 5


def own_home(number, home):
    """Return the directory of the registry that every other trial has for itself, else None."""
    return f"{home}-{number}" if number % 2 else None


def _steps(number, home):
    """Run a trial; yield between its steps, and return its ids at the end."""
    own = own_home(number, home)
    if own:
        with Registry(own, durability="fast"):
            return (yield from _work(number))
    return (yield from _work(number))


def _work(number):
    task = Task.init(project_name="sweep", task_name="trial")
    yield
    for step in range(STEPS):
        Logger.current_logger().report_scalar("loss", "train", number, step)
        yield
        Task.current_task().set_parameter(f"step-{step}", number)
        yield
    made = OutputModel(name="out")
    made.set_metadata("trial", number)
    yield
    taken = InputModel.import_model(f"s3://bucket/{number}.pt")
    task.close()
    return [task.id, made.id, taken.id]


def trial(number, home):
    """Run a trial, and return the ids of its task, its model and an imported one."""
    steps = _steps(number, home)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def _threads(arguments):
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda each: trial(*each), arguments))


async def _coroutine(arguments):
    steps = _steps(*arguments)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        await asyncio.sleep(0)


async def _gathered(arguments):
    return await asyncio.gather(*map(_coroutine, arguments))


def _to_thread(arguments):
    async def main():
        return await asyncio.gather(*(asyncio.to_thread(trial, *each) for each in arguments))

    return asyncio.run(main())


def _joblib(backend):
    def run(arguments):
        from joblib import Parallel, delayed

        return Parallel(n_jobs=3, backend=backend)(delayed(trial)(*each) for each in arguments)

    return run


def _processes(method):
    def run(arguments):
        import multiprocessing

        with multiprocessing.get_context(method).Pool(3) as pool:
            found = pool.starmap(trial, arguments, chunksize=1)
            pool.close()
            pool.join()
        return found

    return run


WAYS = {
    "threads": _threads,
    "asyncio": lambda arguments: asyncio.run(_gathered(arguments)),
    "asyncio.to_thread": _to_thread,
    "joblib threading": _joblib("threading"),
    "joblib loky": _joblib("loky"),
    "fork": _processes("fork"),
    "spawn": _processes("spawn"),
}

if __name__ == "__main__":
    import json

    home, outer, *ways = sys.argv[1:]
    os.environ.update(LOCALREG_HOME=home, LOCALREG_DURABILITY="fast", LOCALREG_AUTO_RENDER="0")
    around = Task.init(project_name="sweep", task_name=outer) if outer else None
    import support.trials  # not __main__, so that workers find it

    done = []
    for way in ways:
        numbers = range(len(done), len(done) + COUNT)
        done += support.trials.WAYS[way]([(number, home) for number in numbers])
    print(json.dumps([done, around and around.id]))
