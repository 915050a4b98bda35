"""The options of `netecho watch`."""

import argparse
import math
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from netechod.cli.netecho_parser import ClientParser, number
from netechod.cli.parser import seconds
from netechod.client.i18n.translate import tr

if TYPE_CHECKING:
    from netechod.client.watch.pages.server import Place
    from netechod.client.watch.run import Options

CHECK_COUNT = 5  # probes of each target with --check
CHECK_INTERVAL = 0.2  # seconds between them


def define_watch(command: ClientParser) -> None:
    """Add the options of `watch`."""
    command.add_argument(
        "targets",
        metavar="TARGET",
        nargs="*",
        help=tr("[tcp://|udp://|stamp://]HOST[:PORT]; tcp if nothing else is said"),
    )
    command.add_options()
    _define_probes(command)
    _define_outputs(command)
    _define_alarms(command)
    command.epilog = tr(
        "exit status: 0 all answer, 1 a target is lost, 64 usage; with thresholds 0 OK, 1 WARNING, "
        "2 CRITICAL, 3 UNKNOWN."
    )
    command.add_examples(
        ("netecho watch localhost udp://db1 stamp://r1.example", tr("a table that lives; q: the end")),
        ("netecho watch -f site.targets --record day.jsonl", tr("many, and a recording for netecho report")),
        ("netecho watch --check -w 50ms,5% -c 200ms,20% udp://db1", tr("a check for Nagios or Icinga")),
        ("netecho watch --on-loss 'mail -s {text} ops' udp://db1", tr("run a program when it is lost")),
    )
    command.set_defaults(run=partial(_watch, command))


def define_report(command: ClientParser) -> None:
    """Add the options of `report`."""
    command.add_argument(
        "recording", metavar="FILE", type=Path, help=tr("what netecho watch --record has written")
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help=tr("the file to make: .html, .svg or .png"),
    )
    command.epilog = tr("exit status: 0 it is made, 1 it is not, 64 usage.")
    command.add_examples(
        ("netecho report day.jsonl -o day.html", tr("a page that needs no network")),
        ("netecho report day.jsonl -o day.png", tr("a picture; needs CairoSVG")),
    )
    command.set_defaults(run=_report, color="auto")


def _report(arguments: argparse.Namespace) -> int:
    from netechod.client.watch.pages import report

    return report.run(arguments.recording, arguments.output)


def _define_probes(command: ClientParser) -> None:
    command.add_argument(
        "-f",
        "--file",
        dest="files",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help=tr("targets, one a line: URL [LABEL] [option=value ...]; may be repeated"),
    )
    scheme = command.add_mutually_exclusive_group()
    for flags, name, text in (
        (("-u", "--udp"), "udp", tr("UDP for targets that do not say what they are")),
        (("--stamp",), "stamp", tr("the same with STAMP, port 862")),
    ):
        scheme.add_argument(*flags, dest="scheme", action="store_const", const=name, default="tcp", help=text)
    command.add_argument(
        "-i", "--interval", metavar="S", help=tr("seconds between the probes of a target (default: 1)")
    )
    command.add_argument("-s", "--size", metavar="BYTES", help=tr("payload (default: 56, STAMP 44)"))
    command.add_argument(
        "-n",
        "--count",
        type=number,
        default=0,
        metavar="N",
        help=tr(
            "stop after N probes of each target (default: never; with --check {count})", count=CHECK_COUNT
        ),
    )
    command.add_argument(
        "--deadline",
        type=seconds,
        default=math.inf,
        metavar="S",
        help=tr("stop after so many seconds, whatever is under way"),
    )


def _define_outputs(command: ClientParser) -> None:
    command.add_argument(
        "--jsonl",
        dest="form",
        action="store_const",
        const="jsonl",
        default="",
        help=tr("one JSON object a probe and an event"),
    )
    command.add_argument(
        "--record", type=Path, metavar="FILE", help=tr("the same in a file, for netecho report")
    )
    command.add_argument("--csv", type=Path, metavar="FILE", help=tr("a row a probe in a file"))
    command.add_argument("--log", type=Path, metavar="FILE", help=tr("a line an event, added to a file"))
    command.add_argument(
        "--web", metavar="[ADDR:]PORT", help=tr("serve a page with charts that live (ADDR: loopback)")
    )
    command.add_argument(
        "--metrics", metavar="[ADDR:]PORT", help=tr("serve OpenMetrics for Prometheus and its like")
    )
    command.add_argument("--ascii", action="store_true", help=tr("draw with characters that every font has"))


def _define_alarms(command: ClientParser) -> None:
    command.add_argument(
        "-w", "--warning", metavar="TIME,LOSS", help=tr("beyond it is a warning, as in 50ms,5%%")
    )
    command.add_argument("-c", "--critical", metavar="TIME,LOSS", help=tr("beyond it is critical"))
    command.add_argument(
        "--check", action="store_true", help=tr("probe a little, and write the line of a monitoring plugin")
    )
    command.add_argument("--bell", action="store_true", help=tr("ring when a target is lost"))
    fields = "{label} {url} {address} {reason} {seconds} {text}"
    command.add_argument(
        "--on-loss",
        metavar="CMD",
        default="",
        help=tr("run a program, without a shell, when a target is lost; fields: {fields}", fields=fields),
    )
    command.add_argument("--on-return", metavar="CMD", default="", help=tr("the same when it answers again"))


def _watch(parser: ClientParser, arguments: argparse.Namespace) -> int:
    from netechod.client.terminal.output import put
    from netechod.client.watch import run
    from netechod.client.watch.thresholds import Status

    try:
        options = _options(arguments)
    except ValueError as error:
        if arguments.check:
            put(f"NETECHO UNKNOWN - {error}\n")
            return Status.UNKNOWN
        parser.error(str(error))
    return run.run(options)


def _options(arguments: argparse.Namespace) -> "Options":
    """Return the options of a run. Raises ValueError with a sentence."""
    from netechod.client.watch import run, targets

    usual = targets.Target("", arguments.scheme, "", 0, arguments.family, timeout=arguments.timeout)
    if arguments.check:
        usual = usual._replace(interval=CHECK_INTERVAL)
    for name in ("interval", "size", "warning", "critical"):
        if (text := getattr(arguments, name)) is not None:
            usual = targets.with_option(usual, name, text)
    return run.Options(
        words=arguments.targets,
        files=arguments.files,
        usual=usual,
        most=arguments.count or (CHECK_COUNT if arguments.check else 0),
        deadline=arguments.deadline,
        check=arguments.check,
        jsonl=arguments.form == "jsonl",
        csv=arguments.csv,
        record=arguments.record,
        log=arguments.log,
        bell=arguments.bell,
        on_loss=_words(arguments.on_loss),
        on_return=_words(arguments.on_return),
        ascii_only=arguments.ascii,
        metrics=_place("--metrics", arguments.metrics),
        web=_place("--web", arguments.web),
    )


def _place(option: str, text: str | None) -> "Place | None":
    """Parse an address to listen on. Raises ValueError with a sentence."""
    if text is None:
        return None
    from netechod.client.watch.pages.server import place

    try:
        return place(text)
    except ValueError:
        raise ValueError(tr("{option} takes [ADDR:]PORT, not {text!r}", option=option, text=text)) from None


def _words(command: str) -> list[str]:
    """Split a command into its words, as a shell does. Raises ValueError."""
    try:
        return shlex.split(command)
    except ValueError:
        raise ValueError(tr("a quotation mark is missing") + f": {command}") from None
