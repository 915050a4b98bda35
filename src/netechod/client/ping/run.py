"""`netecho ping`: sends probes to the echo service, and shows what comes back."""

import math
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from typing import NamedTuple

from netechod.client import kernel
from netechod.client.errors import ClientError
from netechod.client.i18n.translate import reason_text, tr
from netechod.client.net import Server, Target, bracket_hint, trust_hint
from netechod.client.ping.connection import Connection
from netechod.client.ping.json_views import JsonLinesView, JsonView, now
from netechod.client.ping.links import Datagrams, Link
from netechod.client.ping.prober import Plan, Prober, View, drive
from netechod.client.ping.report import About
from netechod.client.ping.several import Row, labels, open_all, table
from netechod.client.ping.stamp.link import StampLink
from netechod.client.ping.stamp.probes import Probes, ProbeStyle
from netechod.client.ping.sweep import TRIES, Sweep
from netechod.client.ping.tally import Tally
from netechod.client.ping.user_input import UserInput
from netechod.client.ping.views import LineView, LiveView, OutputOptions, SummaryView, can_draw
from netechod.client.resolver import is_numeric
from netechod.client.terminal.output import complain, is_smart, put, put_json, suggest
from netechod.clock_error import clock_error


class Opened(NamedTuple):
    """A host that can be probed."""

    server: Server
    link: Link
    about: About


def run(targets: Sequence[Target], plan: Plan, output: OutputOptions, *, udp: bool) -> int:
    """Probe until the plan is done or the person ends it; return 0 if all probes came back unchanged."""
    return _run(targets, plan, output, partial(open_link, plan=plan, udp=udp), trust_hint() if udp else "")


def run_stamp(targets: Sequence[Target], plan: Plan, output: OutputOptions, style: ProbeStyle) -> int:
    """Do the same with STAMP reflectors."""
    hint = tr("a reflector answers trusted networks alone unless stamp.public is set there")
    return _run(targets, plan, output, partial(_open_stamp_link, plan=plan, style=style), hint)


def _run(
    targets: Sequence[Target],
    plan: Plan,
    output: OutputOptions,
    begin: Callable[[Target], Opened],
    about_trust: str,
) -> int:
    """Probe all hosts that can be probed. Raises ClientError if the only one cannot."""
    found = [begin(targets[0])] if len(targets) == 1 else open_all(targets, begin)
    opened = [it for it in found if isinstance(it, Opened)]
    for error in found:
        if isinstance(error, ClientError):
            _report(error, output)
    tallies = _probe(opened, plan, output, is_single=len(targets) == 1) if opened else []
    for it, tally in zip(opened, tallies, strict=True):
        if not tally.received:
            _suggest(it.server.target, about_trust)
            break
    is_whole = len(opened) == len(targets) and all(_is_whole(tally, plan) for tally in tallies)
    return 0 if is_whole else 1


def _report(error: ClientError, output: OutputOptions) -> None:
    """Tell why one of several hosts cannot be probed."""
    complain(str(error), error.hint)
    if output.form.startswith("json"):
        kind = {"type": "error", "time": now()} if output.form == "jsonl" else {}
        put_json({**kind, "error": str(error), "hint": error.hint or None})


def _probe(opened: Sequence[Opened], plan: Plan, output: OutputOptions, *, is_single: bool) -> list[Tally]:
    """Send the probes, show what becomes of them, and return the outcomes."""
    tallies = [Tally(it.server.target.timeout) for it in opened]
    names = labels([it.about for it in opened])
    views = [
        _view(it.about, output, "" if is_single else name) for it, name in zip(opened, names, strict=True)
    ]
    with UserInput() as user_input, ExitStack() as links:
        probers = []
        for it, tally, view in zip(opened, tallies, views, strict=True):
            links.enter_context(closing(it.link))
            view.begin()
            probers.append(Prober(it.link, plan, tally, view, user_input))
            if not is_numeric(it.about.host):
                probers[-1].follow(it.server)
        has_table = not (is_single or output.form.startswith("json"))
        summarize = partial(_put_table, opened, tallies, output) if has_table else partial(_each, probers)
        drive(probers, user_input, summarize)
        for it, tally in zip(opened, tallies, strict=True):
            if isinstance(it.link, StampLink) and tally.lost:
                it.link.reveal()
    if has_table:
        summarize()
    else:
        for prober, tally, view in zip(probers, tallies, views, strict=True):
            view.end(tally, prober.run_info())
    return tallies


def _put_table(opened: Sequence[Opened], tallies: Sequence[Tally], output: OutputOptions) -> None:
    rows = [Row(it.about, tally) for it, tally in zip(opened, tallies, strict=True)]
    put("".join(f"{line}\n" for line in table(rows, output)))


def _each(probers: Sequence[Prober]) -> None:
    for prober in probers:
        prober.show_summary()


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


def open_link(target: Target, plan: Plan, *, udp: bool, whole: bool = False) -> Opened:
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
        link = Datagrams(server.address, target.options, whole=whole)
    else:
        link = Connection(server.address, made, took if made else None, target.options)
    return Opened(server, link, _about(server, plan, "udp" if udp else "tcp"))


def _about(server: Server, plan: Plan, proto: str) -> About:
    addr, port = server.address[1][:2]
    passed_over = tuple(
        (it.address[1][0], kernel.reason_of(it.error) or "timeout") for it in server.passed_over
    )
    return About(server.target.host, addr, port, proto, plan.size, plan.interval, passed_over)


def _open_stamp_link(target: Target, plan: Plan, style: ProbeStyle) -> Opened:
    """Return a link to the address of the reflector that answers first. Raises ClientError."""
    server = Server(target._replace(retries=0), socket.SOCK_DGRAM)
    server.check_route()
    with suppress(ClientError):  # the probes will tell
        server.choose(Probes(style, clock_error).make(1, plan.size, time.time_ns()))
    try:
        link = StampLink(server.address, style, target.options)
    except OSError as error:
        reason = reason_text(error.strerror or str(error))
        raise ClientError(
            tr("cannot send from port {port}: {reason}", port=style.source_port, reason=reason)
        ) from None
    return Opened(server, link, _about(server, plan, "stamp"))


def _view(about: About, output: OutputOptions, label: str) -> View:
    """Return the view for these options. One of several hosts has a label."""
    if output.form == "json":
        return JsonView(about)
    if output.form == "jsonl":
        return JsonLinesView(about)
    output = output._replace(ascii_only=output.ascii_only or not can_draw())
    if output.form == "quiet":
        return SummaryView(about, output)
    if output.form == "verbose" or output.has_times or label or not is_smart(sys.stdout):
        return LineView(about, output, label)
    return LiveView(about, output)


def _is_whole(tally: Tally, plan: Plan) -> bool:
    """Return whether all probes came back unchanged; a count that -w has cut short is a failure (ping(8))."""
    is_short = bool(plan.probes and plan.until < math.inf) and tally.received < plan.probes
    return tally.received > 0 and not (tally.lost or tally.damaged or is_short)
