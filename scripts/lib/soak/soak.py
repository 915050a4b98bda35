"""The course of a soak: warm-up, first look, load and faults, last look, the end."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from netechod.client.errors import ClientError
from scripts.lib.soak.audit import Finding, of_counters, of_logs, of_vitals
from scripts.lib.soak.chat_flow import Chat
from scripts.lib.soak.command_flow import Commands
from scripts.lib.soak.dictionary_faults import DICTIONARY_FAULTS
from scripts.lib.soak.flow import Failures, Flow, Load
from scripts.lib.soak.log_faults import LOG_FAULTS
from scripts.lib.soak.network_faults import NETWORK_FAULTS
from scripts.lib.soak.operator_flow import Operator
from scripts.lib.soak.place import Place, Wrong, wait_for
from scripts.lib.soak.process_faults import PROCESS_FAULTS
from scripts.lib.soak.siege_faults import SIEGE_FAULTS
from scripts.lib.soak.tcp_flows import Silence, SlowReaders, Talks, Visits
from scripts.lib.soak.udp_flows import LookUps, Strangers, UdpEchoes
from scripts.lib.soak.vitals import Vitals, busy, descendants, dropped_by_the_kernel

Fault = Callable[[Place, Load], None]

SETTLING = 0.5  # seconds
TROUBLE = (Wrong, OSError, ClientError, AssertionError)  # the helpers of the tests raise AssertionError

FLOWS: Sequence[type[Flow]] = (
    Talks,
    Visits,
    SlowReaders,
    Silence,
    LookUps,
    UdpEchoes,
    Strangers,
    Chat,
    Commands,
    Operator,
)


def _by_name() -> Iterator[tuple[str, Fault]]:
    """Every fault; those of files do not care about the load."""
    for of_files in (*DICTIONARY_FAULTS, *LOG_FAULTS):
        yield name_of(of_files), partial(_whatever_the_load, of_files)
    for fault in (*PROCESS_FAULTS, *SIEGE_FAULTS, *NETWORK_FAULTS):
        yield name_of(fault), fault


def _whatever_the_load(fault: Callable[[Place], None], place: Place, load: Load) -> None:
    fault(place)


def name_of(fault: Callable[..., None]) -> str:
    """Return the name for command lines and reports."""
    return fault.__name__.replace("_", "-")


FAULTS: Mapping[str, Fault] = dict(_by_name())
NEEDING_A_NETWORK = frozenset(map(name_of, NETWORK_FAULTS))


@dataclass(frozen=True)
class Effort:
    """How long, how hard, and with which faults."""

    seconds: float  # of load and faults, after the warm-up
    pause: float  # seconds between two turns of a kind of traffic
    calm: float  # seconds between two faults
    faults: Collection[str] = tuple(FAULTS)


@dataclass
class Outcome:
    """The result of a soak."""

    failures: Failures = field(default_factory=Failures)
    findings: list[Finding] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)  # bytes, after each fault
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether everything held."""
        return not self.failures.count and all(finding.holds for finding in self.findings)


class Soak:
    """One soak of one daemon."""

    def __init__(self, place: Place, effort: Effort) -> None:
        self.place = place
        self.outcome = Outcome()
        self.load = Load(place, FLOWS, self.outcome.failures)
        self._effort = effort
        self.left_out = sorted(NEEDING_A_NETWORK & {*effort.faults}) if place.network is None else []
        self._chosen = [name for name in FAULTS if name in effort.faults and name not in self.left_out]
        self._rng = place.rng("faults")

    def run(self) -> Outcome:
        """Run the whole soak. Errors are a part of the outcome; the daemon has ended in any case."""
        begun = time.monotonic()
        try:
            self._take_its_course()
        except TROUBLE as error:
            self.outcome.failures.add("the soak itself", error)
        finally:
            self.place.daemon.close()
        self.outcome.seconds = time.monotonic() - begun
        return self.outcome

    def _take_its_course(self) -> None:
        self.place.start()
        with self.load:
            self._round(math.inf, 0.0)
        before = self._look()
        self.load.pause = self._effort.pause
        self.outcome.memory.clear()
        resumed = time.monotonic()
        with self.load:
            while time.monotonic() < resumed + self._effort.seconds:
                self._round(resumed + self._effort.seconds, self._effort.calm)
        hours = (time.monotonic() - resumed) / 3600
        self._audit(before, self._look(), hours)

    def _round(self, end: float, calm: float) -> None:
        """Every fault once, in any order, as far as there is time."""
        for name in self._rng.sample(self._chosen, len(self._chosen)):
            if time.monotonic() >= end:
                return
            self.outcome.faults[name] += 1
            try:
                FAULTS[name](self.place, self.load)
            except TROUBLE as error:
                self.outcome.failures.add(f"fault {name!r}", error)
            self.load.rest(calm)
            self.outcome.memory.append(Vitals.of(self.place.pid).memory)

    def _look(self) -> Vitals:
        """Look at the daemon when all clients have gone."""
        wait_for(self._is_empty, "connections or members are left when everybody has gone")
        threading.Event().wait(SETTLING)  # what has just told us that is still on its way out
        return Vitals.of(self.place.pid)

    def _is_empty(self) -> bool:
        status = self.place.status()
        return not status["connections"] and not status["members"]

    def _audit(self, before: Vitals, after: Vitals, hours: float) -> None:
        """Look at everything, with the daemon running and after its end."""
        place, findings = self.place, self.outcome.findings
        findings += of_vitals(before, after, hours, busy(place.pid))
        lost = {service: dropped_by_the_kernel(port) for service, port in place.ports.items()}
        findings += of_counters(place.status(), self.load.total(), lost)
        family = descendants(place.pid)
        status = place.daemon.stop()
        findings.append(Finding(f"exit status {status} after SIGTERM", status == 0))
        names = (place.daemon.pidfile, place.directory / "control.sock")
        left = [file.name for file in names if file.exists()]
        findings.append(Finding(f"files left behind: {', '.join(left) or 'none'}", not left))
        alive = [pid for pid in family if Path("/proc", str(pid)).exists()]
        findings.append(Finding(f"processes left behind: {len(alive)}", not alive))
        findings += of_logs(place.directory, place.daemon.stderr())
