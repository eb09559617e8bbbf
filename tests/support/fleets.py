"""Fleets: machines that push to one remote at the same time, and are killed at random.

Each machine is a process (`support/fleet_machines.py`) with a registry and a log of its own. To an
object store each has its own way, through an `ObjectProxy` that loses and delays answers.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.fleet_machines import read_log
from support.servers.misbehaviours import dies_before_answering
from support.servers.object_proxy import ObjectProxy

TESTS = Path(__file__).parents[1]
HANGS_AFTER = 900  # seconds; only a test that fails waits for so long


@dataclass
class Machine:
    """A machine: its process now, and where its log is."""

    number: int
    log: Path
    command: list
    environment: dict
    process: subprocess.Popen | None = None
    kills: int = 0

    def start(self):
        with open(self.log.with_suffix(".errors"), "ab") as errors:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stderr=errors, stdin=subprocess.DEVNULL
            )

    @property
    def has_begun(self):
        """True if its process has imported what it needs."""
        return self.log.with_suffix(f".{self.process.pid}").exists()


class Fleet:
    """Machines that work until each is done.

    Args:
        folder: for logs.
        roles: what each does, one of `fleet_machines.ROLES`; one text if it is the same for all.
        arguments: of each machine, after its log.
        environments: variables of each machine.
    """

    def __init__(self, folder, roles, arguments, environments=None):
        folder.mkdir(parents=True, exist_ok=True)
        roles = [roles] * len(arguments) if isinstance(roles, str) else roles
        environments = environments or [{}] * len(arguments)
        common = {"PYTHONPATH": str(TESTS), "LOCALREG_AUTO_RENDER": "0"}
        self.machines = [
            Machine(
                number,
                folder / f"{number}.log",
                [sys.executable, "-W", "error", "-m", "support.fleet_machines", role,
                 str(folder / f"{number}.log"), json.dumps(each, default=str)],
                os.environ | common | environment,
            )
            for number, (role, each, environment) in enumerate(
                zip(roles, arguments, environments, strict=True)
            )
        ]  # fmt: skip
        self.kills = 0

    def run(self, chance=None, kills=0, every=0.5):
        """Let all work until they are done; kill some of them, and start them again.

        Args:
            chance: chooses who is killed, and when.
            kills: how often.
            every: seconds between kills, on average.
        """
        chance = chance or random.Random(0)
        end = time.monotonic() + HANGS_AFTER
        following = time.monotonic() + every * chance.random() * 2
        for machine in self.machines:
            machine.start()
        try:
            while running := [each for each in self.machines if not self._is_done(each)]:
                assert time.monotonic() < end, f"they hang: {[each.number for each in running]}"
                begun = [each for each in running if each.has_begun]
                if self.kills < kills and begun and time.monotonic() > following:
                    chance.choice(begun).process.kill()
                    self.kills += 1
                    following = time.monotonic() + every * chance.random() * 2
                time.sleep(0.005)
        finally:
            for machine in self.machines:
                machine.process.kill()
                machine.process.wait()

    def _is_done(self, machine):
        code = machine.process.poll()
        if code == -signal.SIGKILL:
            machine.kills += 1
            machine.start()
            return False
        errors = machine.log.with_suffix(".errors")
        assert not code, errors.read_text()[-3000:]
        return code == 0

    def logs(self):
        """Return the lines of each machine's log."""
        return [read_log(each.log) for each in self.machines]


class Middlemen:
    """A proxy for each machine, before one bucket."""

    def __init__(self, bucket, count, chance):
        self.proxies = [ObjectProxy(bucket) for _ in range(count)]
        self.chance = chance
        self.lost = 0
        self._lock = threading.Lock()

    @property
    def environments(self):
        return [each.environment for each in self.proxies]

    def lose_answers(self, share):
        """Let the server do a share of the puts, and end the connection without its answer."""

        def loses(middleman):
            with self._lock:
                self.lost += 1
            dies_before_answering(middleman)

        for proxy in self.proxies:
            for kind in ("put", "delete"):
                proxy.misbehave(kind, loses, where=lambda asked: self._happens(share))

    def kill_at_commits(self, machines, share):
        """Kill a machine at its commit: just after the server made it, or just before.

        Before: the request goes on its way when the machine is dead already.
        """

        def kills(machine):
            def kills(middleman):
                process, body = machine.process, middleman.body
                if self._happens(0.5):
                    process.kill()
                    process.wait()
                middleman.forward(body)
                process.kill()
                middleman.hang_up()

            return kills

        for proxy, machine in zip(self.proxies, machines, strict=True):
            proxy.misbehave(
                "put",
                kills(machine),
                where=lambda asked: "_delta_log" in asked.key and self._happens(share),
            )

    def _happens(self, share):
        with self._lock:
            return self.chance.random() < share

    def down(self):
        for each in self.proxies:
            each.down()
        failures = [failure for each in self.proxies for failure in each.failures]
        assert failures == []


@pytest.fixture
def middlemen():
    """Return a function that puts proxies before a bucket; they are removed at the end."""
    made = []

    def put_before(bucket, count, chance):
        made.append(Middlemen(bucket, count, chance))
        return made[-1]

    yield put_before
    for each in made:
        each.down()
