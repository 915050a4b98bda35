"""Formats the daemon's answers for people: plain values become lines of text."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from netechod.client.terminal.text import padded
from netechod.services.cells import cells

DROPPED = ("dropped", "kernel_dropped", "overflowed", "refused", "proxy_refused")
"""How the names of the counters begin that the status sums up as dropped."""


def status_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """Return what the daemon is doing, a line for each service."""
    config = status["config"] or "built in"
    yield (
        f"netechod {status['version']}   up {duration(status['uptime'])}   pid {status['pid']}   "
        f"configuration {config}"
    )
    yield ""
    rows: list[tuple[str, ...]] = [("service", "listening on", "now", "received", "answered", "dropped")]
    rows += [_service_row(status, service, address) for service, address in status["listeners"]]
    yield from table(rows)
    yield ""
    if edition := status["dictionary"]:
        yield (
            f"dictionary   generation {edition['generation']}, loaded {clock(edition['loaded'])}, "
            f"{grouped(edition['skipped'])} lines skipped, sha256 {edition['sha256'][:12]}"
        )
        where = ", looked up in an index" if edition["store"] == "index" else ""
        yield f"             {edition['file']}{where}"
    if reflector := status.get("stamp"):
        yield f"clock        {_clock_line(reflector['clock'])}"
    if len(databases := status.get("databases", ())) > 1:  # a daemon of version 0.1.0 has none
        yield ""
        yield from database_lines(databases)
        yield ""
    if bus := status.get("bus"):
        yield from bus_lines(bus)
    yield f"last reload  {_reload_line(status['last_reload'])}"
    yield from _attention_lines(status)


def _attention_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """Return what was lost, and what is not as the configuration has it."""
    for service, counters in status["counters"].items():
        if lost := counters.get("kernel_dropped"):
            yield f"kernel       {grouped(lost)} datagrams for {service} dropped before the daemon took them"
    if status["log_lost"]:
        yield f"log          {grouped(status['log_lost'])} lines lost"
    for complaint in status.get("complaints", ()):  # a daemon of version 0.1.0 has none
        yield f"attention    {complaint}"


def _service_row(status: Mapping[str, Any], service: str, address: str) -> tuple[str, ...]:
    """A daemon of any version, with any services: counters that it does not have are left out."""
    counters = status["counters"].get(service, {})
    now = {
        "echo-tcp": f"{grouped(status['connections'] or 0)} connections",
        "dictionary": f"{grouped(_entries(status))} words",
        "chat": f"{grouped(status['members'] or 0)} online",
        "command": f"{grouped(status['commands'] or 0)} running",
        "stamp": f"{grouped((status.get('stamp') or {}).get('sessions', 0))} sessions",
    }.get(service, "")
    if "bytes_in" in counters:
        received, answered = size(counters["bytes_in"]), size(counters["bytes_out"])
    else:
        received, answered = (grouped(counters.get(name, 0)) for name in ("received", "sent"))
    dropped = sum(count for name, count in counters.items() if name.startswith(DROPPED))
    return service, address, now, received, answered, grouped(dropped)


def bus_lines(bus: Mapping[str, Any]) -> Iterator[str]:
    """Return the state of the bus, and the other nodes."""
    since, server = duration(bus["since"]), bus["server"]
    state = f"up since {since}, {server}" if bus["state"] == "up" else f"down since {since}: {bus['why']}"
    waiting = f", {grouped(bus['waiting'])} lines wait" if bus["waiting"] else ""
    yield f"bus          {state}, this node is {bus['node']}{waiting}"
    rows: list[tuple[str, ...]] = [("node", "members", "heard", "received", "missed")]
    for node in bus["nodes"]:
        counts = (grouped(node[key]) for key in ("received", "missed"))
        rows.append((node["node"], grouped(node["members"]), duration(node["heard"]), *counts))
    if len(rows) > 1:
        yield ""
        yield from table(rows)
        yield ""


def _clock_line(claim: Mapping[str, Any]) -> str:
    if not claim["synchronized"]:
        return "not synchronized: STAMP claims nothing"
    return f"within {1000 * claim['error_s']:.3f} ms of UTC, as STAMP claims"


def _entries(status: Mapping[str, Any]) -> int:
    """Return the number of words in all dictionaries."""
    dictionaries = status.get("databases") or filter(None, [status["dictionary"]])
    return sum(each.get("entries", 0) for each in dictionaries)


def database_lines(databases: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Return the dictionaries, in the order in which they are asked."""
    rows: list[tuple[str, ...]] = [("name", "words", "skipped", "over UDP", "in", "sha256", "file")]
    rows += [
        (
            each["name"],
            grouped(each["entries"]),
            grouped(each["skipped"]),
            "yes" if each["udp"] else "no",
            each["store"],
            each["sha256"][:12],
            each["file"],
        )
        for each in databases
    ]
    yield from table(rows)


def _reload_line(outcome: Mapping[str, Any] | None) -> str:
    if outcome is None:
        return "none since the start"
    if outcome["error"]:
        return f"{clock(outcome['when'])} FAILED: {outcome['error']}"
    troubles = "".join(f"; {trouble}" for trouble in outcome.get("troubles", ()))
    return f"{clock(outcome['when'])} {_words_changed(outcome['dictionary'])}{troubles}"


def reload_lines(outcome: Mapping[str, Any]) -> Iterator[str]:
    """Return what a reload has changed."""
    yield f"configuration  {', '.join(outcome['keys']) or 'unchanged'}"
    if outcome["waiting"]:
        yield f"               needs a restart: {', '.join(outcome['waiting'])}"
    yield f"dictionary     {_words_changed(outcome['dictionary'])} in {outcome['seconds']:.2f} s"
    if "skipped" in outcome:  # a daemon of version 0.1.0 does not tell
        skipped, lost = grouped(outcome["skipped"]), grouped(outcome["lost"])
        yield f"               {skipped} lines skipped, {lost} words lost"
    if len(databases := outcome.get("databases", {})) > 1:
        for name, changes in databases.items():
            yield f"               {name}: {_words_changed(changes)}"


def _words_changed(changes: Mapping[str, int]) -> str:
    return (
        f"{grouped(changes['before'])} -> {grouped(changes['after'])} words "
        f"(+{changes['added']} -{changes['removed']}, {changes['changed']} changed)"
    )


def member_lines(members: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Return the members, with how long they are online and silent. Those of other nodes have their node."""
    rows: list[tuple[str, ...]] = [("member", "online", "silent", "node")]
    for who in members:
        silent = "" if who["silent"] is None else duration(who["silent"])
        rows.append((who["name"], duration(who["online"]), silent, who.get("node", "")))
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    yield from table(rows)


def session_lines(sessions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Return the sessions of the STAMP reflector, with what was received and sent in each."""
    rows: list[tuple[str, ...]] = [("sender", "port", "ssid", "received", "sent", "last number")]
    rows += [tuple(map(str, session.values())) for session in sessions]
    yield from table(rows)


def diff_lines(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Return the lines that only one side has, marked as by diff(1). Their order has no meaning."""
    for sign, lines, others in (("-", old, frozenset(new)), ("+", new, frozenset(old))):
        yield from (f"{sign}{line}" for line in lines if line not in others)


def table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Format rows in columns as wide as their widest cell, two spaces apart."""
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(padded(*cell) for cell in zip(row, widths, strict=True)).rstrip()


def grouped(number: int) -> str:
    """Format a number in groups of three digits (ISO 80000-1, 7.3.1): `104 342`."""
    return f"{number:,}".replace(",", " ")


def size(count: float) -> str:
    """Format bytes in the largest binary unit that leaves a whole number: `8 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 10 * 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.0f} TiB"


def duration(seconds: float) -> str:
    """Format a length of time in its two largest units: `3 d 4 h`."""
    rest = int(seconds)
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        number, rest = divmod(rest, length)
        if number or parts:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"


def clock(when: float) -> str:
    """Format a moment in local time."""
    return datetime.fromtimestamp(when).astimezone().strftime("%Y-%m-%d %H:%M:%S")
