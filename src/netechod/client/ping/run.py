"""`netecho ping`: sends probes to the echo service, and shows what comes back."""

import math
import socket
import sys
import time
from contextlib import closing, suppress
from typing import NamedTuple

from netechod.client.errors import ClientError
from netechod.client.i18n.translate import reason_text, tr
from netechod.client.net import Server, Target, bracket_hint, trust_hint
from netechod.client.ping.links import Connection, Datagrams, Link
from netechod.client.ping.prober import Plan, Prober, View
from netechod.client.ping.report import About
from netechod.client.ping.stamp.link import StampLink
from netechod.client.ping.stamp.probes import Probes, ProbeStyle
from netechod.client.ping.sweep import TRIES, Sweep
from netechod.client.ping.tally import Tally
from netechod.client.ping.user_input import UserInput
from netechod.client.ping.views import (
    JsonLinesView,
    JsonView,
    LineView,
    LiveView,
    SummaryView,
    can_draw,
)
from netechod.client.resolver import is_numeric
from netechod.client.terminal.output import is_smart, suggest
from netechod.clock_error import clock_error


class OutputOptions(NamedTuple):
    """Options for the output."""

    form: str = ""  # json, jsonl, verbose, quiet; empty: whatever suits stdout
    histogram: bool = False
    ascii_only: bool = False


def run(target: Target, plan: Plan, output: OutputOptions, *, udp: bool) -> int:
    """Probe until the plan is done or the person ends it; return 0 if all probes came back unchanged."""
    server, link, about = open_link(target, plan, udp=udp)
    tally = _probe(server, link, about, plan, output)
    if not tally.received:
        _suggest(target, trust_hint() if udp else "")
    return 0 if _is_whole(tally, plan) else 1


def run_stamp(target: Target, plan: Plan, output: OutputOptions, style: ProbeStyle) -> int:
    """Do the same with a STAMP reflector."""
    server, link, about = _open_stamp_link(target, plan, style)
    tally = _probe(server, link, about, plan, output)
    if not tally.received:
        _suggest(target, tr("a reflector answers trusted networks alone unless stamp.public is set there"))
    return 0 if _is_whole(tally, plan) else 1


def _probe(server: Server, link: Link, about: About, plan: Plan, output: OutputOptions) -> Tally:
    """Send the probes, show what becomes of them, and return the outcomes."""
    tally, view = Tally(server.target.timeout), _view(about, output)
    with UserInput() as user_input, closing(link):
        view.begin()
        prober = Prober(link, plan, tally, view, user_input)
        if not is_numeric(about.host):
            prober.follow(server)
        prober.run()
        if isinstance(link, StampLink) and tally.lost:
            link.reveal()
    view.end(tally, prober.run_info())
    return tally


def run_sweep(target: Target, sizes: tuple[int, int], plan: Plan, output: OutputOptions, *, udp: bool) -> int:
    """Search for the largest payload that comes back; return 0 if all sizes do."""
    _, link, about = open_link(target, plan, udp=udp, whole=True)
    with closing(link):
        sweep = Sweep(link, about, plan._replace(probes=plan.probes or TRIES), target.timeout)
        sweep.run(sizes, output.form)
    if not sweep.largest:
        _suggest(target, trust_hint() if udp else "")
    return 0 if sweep.largest == sizes[1] else 1


def _suggest(target: Target, about_trust: str) -> None:
    """Say what to try when there was no answer."""
    if hint := bracket_hint(target.host):
        suggest(hint)
    suggest(tr("is netechod running there? on that machine: netechoctl status"))
    if about_trust:
        suggest(about_trust)


def open_link(target: Target, plan: Plan, *, udp: bool, whole: bool = False) -> tuple[Server, Link, About]:
    """Return a link to the address of the server that answers first; to its first address if none does.

    Raises ClientError when there can be no answer, as with a name that has no address.
    """
    scout = target._replace(retries=0)
    server = Server(scout, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    started = time.monotonic()
    made: socket.socket | None = None
    if udp:
        server.check_route()
    with suppress(ClientError):  # the probes will tell
        if udp:
            server.choose(b"netecho?")
        else:
            made = server.connect()
    took = time.monotonic() - started
    link: Link
    if udp:
        link = Datagrams(server.address, whole=whole)
    else:
        link = Connection(server.address, made, took if made else None)
    addr, port = server.address[1][:2]
    about = About(target.host, addr, port, "udp" if udp else "tcp", plan.size, plan.interval)
    return server, link, about


def _open_stamp_link(target: Target, plan: Plan, style: ProbeStyle) -> tuple[Server, StampLink, About]:
    """Return a link to the address of the reflector that answers first. Raises ClientError."""
    server = Server(target._replace(retries=0), socket.SOCK_DGRAM)
    server.check_route()
    with suppress(ClientError):  # the probes will tell
        server.choose(Probes(style, clock_error).make(1, plan.size, time.time_ns()))
    try:
        link = StampLink(server.address, style)
    except OSError as error:
        reason = reason_text(error.strerror or str(error))
        raise ClientError(
            tr("cannot send from port {port}: {reason}", port=style.source_port, reason=reason)
        ) from None
    addr, port = server.address[1][:2]
    return server, link, About(target.host, addr, port, "stamp", plan.size, plan.interval)


def _view(about: About, output: OutputOptions) -> View:
    """Return the view for these options."""
    if output.form == "json":
        return JsonView(about)
    if output.form == "jsonl":
        return JsonLinesView(about)
    kind: type[SummaryView] = LiveView if is_smart(sys.stdout) else LineView
    if output.form:
        kind = SummaryView if output.form == "quiet" else LineView
    return kind(about, histogram=output.histogram, ascii_only=output.ascii_only or not can_draw())


def _is_whole(tally: Tally, plan: Plan) -> bool:
    """Return whether all probes came back unchanged; a count that -w has cut short is a failure (ping(8))."""
    is_short = bool(plan.probes and plan.until < math.inf) and tally.received < plan.probes
    return tally.received > 0 and not (tally.lost or tally.damaged or is_short)
