"""The options of `netecho ping`."""

import argparse
import math
from functools import partial

from netechod.cli.netecho_parser import ClientParser, address_with, number, target_of
from netechod.cli.netecho_stamp import STAMP_PORT, define_stamp, dscp, run_stamp
from netechod.cli.parser import seconds
from netechod.client.i18n.translate import tr
from netechod.client.net import ANY_FAMILY, IPV4, IPV6, Target, check_source
from netechod.client.resolver import is_numeric
from netechod.client.sockets import SocketOptions
from netechod.services.wire import MAX_DATAGRAM

ECHO_PORT = 8080
USUAL_SIZE = 56  # bytes of a payload, as of ping(8)
SMALLEST = 8  # bytes: the token of a run, and the number of a probe
SWEEP_INTERVAL = 0.02  # seconds between the few probes of a size
MOST_HOSTS = 64  # in one run: each has a thread while it is sought, and a socket
MIN_INTERVAL = 0.002  # seconds, as of ping(8) for everybody but root: this is no tool to flood with


def define_ping(command: ClientParser) -> None:
    """Add the options of `ping`."""
    command.add_argument(
        "others",
        metavar="HOST[:PORT]",
        nargs="*",
        type=address_with(0),
        help=tr("more hosts, probed side by side; one summary for all"),
    )
    _define_probes(command)
    _define_packets(command)
    define_stamp(command)
    _define_forms(command)
    command.epilog = tr(
        "exit status: 0 all answered as it was sent, 1 something lost or corrupted, 64 usage."
    )
    command.add_examples(
        ("netecho ping localhost", tr("a line that lives; Enter: a summary; Ctrl-C: the end")),
        ("netecho ping -u -c 1000 -i 0.01 --histogram localhost", tr("UDP, and how the times are spread")),
        ("netecho ping -u --sweep 64:9000 localhost", tr("which sizes pass the path whole")),
        ("netecho ping -c 3 --json localhost", tr("for a program")),
        ("netecho ping -c 10 -q server1 server2", tr("several hosts, in one table")),
        ("netecho ping --stamp -i 0.02 -c 500 r1.example", tr("a router, by direction")),
    )
    command.set_defaults(run=partial(_ping, command))


def _define_probes(command: ClientParser) -> None:
    protocol = command.add_mutually_exclusive_group()
    protocol.add_argument("-u", "--udp", action="store_true", help=tr("use UDP instead of TCP"))
    protocol.add_argument(
        "--stamp",
        action="store_true",
        help=tr("probe a STAMP or TWAMP Light reflector, port 862: which direction is slow, and which loses"),
    )
    command.add_argument(
        "-c", "--count", type=number, default=0, metavar="N", help=tr("stop after N probes (default: never)")
    )
    command.add_argument(
        "-i",
        "--interval",
        type=interval,
        metavar="S",
        help=tr("seconds between probes, {least} at least (default: 1)", least=MIN_INTERVAL),
    )
    size = command.add_mutually_exclusive_group()
    size.add_argument(
        "-s",
        "--size",
        type=payload_size,
        metavar="BYTES",
        help=tr(
            "payload, {least} to {most} bytes (default: {usual})",
            least=SMALLEST,
            most=MAX_DATAGRAM,
            usual=USUAL_SIZE,
        ),
    )
    size.add_argument(
        "--sweep",
        type=sizes,
        metavar="LOW:HIGH",
        help=tr("find the largest payload that comes back, over UDP in one packet"),
    )
    command.add_argument(
        "-w",
        "--deadline",
        type=seconds,
        default=0.0,
        metavar="S",
        help=tr("stop after so many seconds, whatever is under way"),
    )


def _define_packets(command: ClientParser) -> None:
    command.add_argument(
        "-I",
        "--source",
        type=source,
        default=SocketOptions(),
        metavar="ADDRESS",
        help=tr("send from this address, or through this interface"),
    )
    command.add_argument(
        "-Q",
        "--dscp",
        type=dscp,
        metavar="CLASS",
        help=tr("traffic class: EF, AF41, CS6 or 0 to 63 (default: 0)"),
    )
    command.add_argument(
        "-t", "--ttl", type=ttl, metavar="N", help=tr("TTL of the packets, 1 to 255 (default: the system's)")
    )


def _define_forms(command: ClientParser) -> None:
    command.add_argument("--histogram", action="store_true", help=tr("show how the times are spread"))
    command.add_argument(
        "-D", "--time", action="store_true", help=tr("a line a probe, with date and time of day")
    )
    command.add_argument("-a", "--bell", action="store_true", help=tr("ring the bell for each answer"))
    form = command.add_mutually_exclusive_group()
    for flags, name, text in (
        (("-v", "--verbose"), "verbose", tr("a line a probe, on a terminal too")),
        (("-q", "--quiet"), "quiet", tr("only the summary")),
        (("--json",), "json", tr("one JSON object at the end")),
        (("--jsonl",), "jsonl", tr("one JSON object an event, for programs")),
    ):
        form.add_argument(*flags, dest="form", action="store_const", const=name, default="", help=text)
    command.add_argument("--ascii", action="store_true", help=tr("draw with characters that every font has"))


def _ping(parser: ClientParser, arguments: argparse.Namespace) -> int:
    from netechod.client.ping import run
    from netechod.client.ping.prober import Plan
    from netechod.client.ping.views import OutputOptions

    targets = _targets(parser, arguments)
    every = arguments.interval or (SWEEP_INTERVAL if arguments.sweep else 1.0)
    plan = Plan(arguments.size or USUAL_SIZE, every, arguments.count, targets[0].until)
    output = OutputOptions(
        arguments.form,
        arguments.histogram,
        arguments.ascii,
        has_times=arguments.time,
        rings=arguments.bell,
    )
    if arguments.stamp:
        return run_stamp(parser, arguments, targets, plan, output)
    if arguments.sweep:
        if len(targets) > 1:
            parser.error(tr("--sweep is for one host"))
        return run.run_sweep(targets[0], arguments.sweep, plan, output, udp=arguments.udp)
    return run.run(targets, plan, output, udp=arguments.udp)


def _targets(parser: ClientParser, arguments: argparse.Namespace) -> list[Target]:
    """Return the hosts that are to be probed, and how packets leave for them."""
    for host, port in arguments.others:
        if not port and host.isdecimal():
            parser.refuse(arguments, [host])
    addresses = [arguments.address, *arguments.others]
    if len(addresses) > MOST_HOSTS:
        parser.error(tr("{count} hosts: at most {most} at once", count=len(addresses), most=MOST_HOSTS))
    origin = arguments.source
    if origin.source:
        family = IPV6 if ":" in origin.source else IPV4
        if arguments.family not in (ANY_FAMILY, family):
            parser.error(tr("{source} is of the other IP version", source=origin.source))
        arguments.family = family
    options = origin._replace(ttl=arguments.ttl or 0, tos=(arguments.dscp or 0) << 2)
    check_source(options)
    target = target_of(arguments)._replace(options=options)
    usual = STAMP_PORT if arguments.stamp else ECHO_PORT
    return [target._replace(host=host, port=port or usual) for host, port in addresses]


# argparse shows the names of these: "invalid number value: 'x'".


def source(text: str) -> SocketOptions:
    """Parse an address or an interface to send from."""
    if not text:
        raise ValueError
    return SocketOptions(source=text) if is_numeric(text) else SocketOptions(interface=text)


def ttl(text: str) -> int:
    """Parse a TTL."""
    value = int(text)
    if not 1 <= value <= 255:
        raise ValueError
    return value


def interval(text: str) -> float:
    """Parse the seconds between probes."""
    value = float(text)
    if not value < math.inf:
        raise ValueError
    if value < MIN_INTERVAL:
        raise argparse.ArgumentTypeError(
            tr("{text} s: at least {least} s are between probes, not to flood", text=text, least=MIN_INTERVAL)
        )
    return value


def payload_size(text: str) -> int:
    """Parse the size of a payload."""
    value = int(text)
    if not SMALLEST <= value <= MAX_DATAGRAM:
        raise argparse.ArgumentTypeError(
            tr("{text}: a payload has {least} to {most} bytes", text=text, least=SMALLEST, most=MAX_DATAGRAM)
        )
    return value


def sizes(text: str) -> tuple[int, int]:
    """Parse two sizes, LOW:HIGH."""
    low, colon, high = text.partition(":")
    if not colon:
        raise ValueError
    bounds = payload_size(low), payload_size(high)
    if bounds[0] > bounds[1]:
        raise ValueError
    return bounds
