"""What is shown of both directions: lines for people, an object for programs. See docs/measuring.md."""

from collections.abc import Iterator, Mapping

from netechod.client.i18n.translate import tr
from netechod.client.ping.layout import ms, wrapped
from netechod.client.ping.stamp.directions import Clocks, Direction, Directions
from netechod.client.ping.tally import Crossing, Times
from netechod.client.terminal.text import padded
from netechod.services.cells import cells

_JITTER = ("p50", "p95", "max")


def statistics(title: str, times: Mapping[str, float]) -> list[str]:
    """Return statistics in milliseconds as cases of a line."""
    names = {"min": tr("min"), "avg": tr("avg"), "p50": tr("p50"), "max": tr("max"), "mdev": tr("mdev")}
    return [title, *(f"{names.get(name, name)} {ms(value / 1000)}" for name, value in times.items())]


def aligned(title: str) -> str:
    """Return the title of a line, as wide as the widest of them."""
    titles = tr("RTT ms"), tr("forward ms"), tr("backward ms"), tr("jitter ms")
    return padded(title, max(map(cells, titles)))


def losses(directions: Directions, lost: int) -> str:
    """Say in which direction probes were lost; empty if none was, or nobody knows."""
    forward, backward, unknown = directions.numbers.losses(lost)
    if not lost or forward is None or backward is None:
        return ""
    text = tr(": {forward} forward, {backward} backward", forward=forward, backward=backward)
    return text + (tr(", {count} unknown", count=unknown) if unknown else "")


def lines(directions: Directions, width: int) -> Iterator[str]:
    """Return the lines of a summary below the round-trip times."""
    if directions.forward.delays.count:
        clocks = directions.clocks()
        for name, direction in (
            (tr("forward ms"), directions.forward),
            (tr("backward ms"), directions.backward),
        ):
            yield from wrapped(_delays(aligned(name), direction, directions, clocks), "  ", width)
        if directions.forward.jitter.count:
            yield from wrapped(_jitter(directions), "  ", width)
        yield from wrapped(_journey(directions), tr("; "), width)
        yield _clocks(directions, clocks)
    yield from _notes(directions)


def _delays(name: str, direction: Direction, directions: Directions, clocks: Clocks) -> list[str]:
    if clocks.is_absolute:
        times = direction.delays.in_ms()
        del times["mdev"]
        return [*statistics(name, times), f"+- {ms(directions.uncertainty)}"]
    times = direction.variation.in_ms()
    kept = {key: value for key, value in times.items() if key not in ("min", "avg", "mdev")}
    first, *rest = statistics("", kept)[1:]
    return [name, tr("above its least: {first}", first=first), *rest]


def _jitter(directions: Directions) -> list[str]:
    forward, backward = (
        statistics("", {key: direction.jitter.in_ms()[key] for key in _JITTER})[1:]
        for direction in (directions.forward, directions.backward)
    )
    forward[0], backward[0] = f"{tr('forward')} {forward[0]}", f"{tr('backward')} {backward[0]}"
    forward[-1] += " "  # one more between the directions
    return [aligned(tr("jitter ms")), *forward, *backward]


def _journey(directions: Directions) -> list[str]:
    times = directions.residence.in_ms()
    parts = [
        tr(
            "{ms} ms in the reflector taken off (p99 {p99})",
            ms=ms(times["p50"] / 1000),
            p99=ms(times["p99"] / 1000),
        )
    ]
    forward, backward = directions.forward.hops, directions.backward.hops
    if forward is not None and backward is not None:
        parts.append(tr("{forward} hops forward, {backward} backward", forward=forward, backward=backward))
    elif backward is not None:
        parts.append(tr("{backward} hops backward", backward=backward))
    return parts


def _clocks(directions: Directions, clocks: Clocks) -> str:
    """Say what both clocks are worth, and how far the reflector's may be from ours."""
    return tr(
        "clocks: {claims}; {offset}",
        claims=_claims(directions, clocks),
        offset=_offset(clocks, _subject(clocks)),
    )


def _claims(directions: Directions, clocks: Clocks) -> str:
    if clocks.is_ptp:
        return tr("the reflector's counts as PTP does: no absolute delays")
    if clocks.reflectors is None and clocks.ours is None:
        return tr("neither is synchronized: no absolute delays")
    if clocks.reflectors is None:
        return tr("the reflector's is not synchronized: no absolute delays")
    if clocks.ours is None:
        return tr("ours is not synchronized: no absolute delays")
    errors = {"ours": ms(clocks.ours), "theirs": ms(clocks.reflectors)}
    if clocks.is_contradictory:
        least = min(directions.forward.least, directions.backward.least)
        return tr(
            "both claim to be synchronized to {error} ms, but {count} packets came {ms} ms before they left: "
            "not believed",
            error=ms(directions.uncertainty),
            count=directions.early,
            ms=ms(-least),
        )
    if clocks.is_vague:
        return tr(
            "both synchronized, but errors of {error} ms say nothing about delays of {delay} ms",
            error=ms(directions.uncertainty),
            delay=ms((directions.forward.least + directions.backward.least) / 2),
        )
    return tr("both synchronized, errors {theirs} and {ours} ms", **errors)


def _subject(clocks: Clocks) -> str:
    """Return what the sentence about the offset begins with: the claim before it may have named the clock."""
    is_named = clocks.is_ptp or (clocks.reflectors is None and clocks.ours is not None)
    return tr("it") if is_named else tr("the reflector's")


def _offset(clocks: Clocks, clock: str) -> str:
    if clocks.offset is None:
        return tr("the clocks drift, or were set")
    least, most = clocks.offset
    if least > 0:
        return tr(
            "{clock} is {least} to {most} ms ahead of ours", clock=clock, least=ms(least), most=ms(most)
        )
    if most < 0:
        return tr(
            "{clock} is {least} to {most} ms behind ours", clock=clock, least=ms(-most), most=ms(-least)
        )
    return tr(
        "{clock} is between {most} ahead and {least} behind", clock=clock, most=ms(most), least=ms(-least)
    )


def _notes(directions: Directions) -> Iterator[str]:
    if directions.stepped:
        yield tr("clocks: ours was set during the run; {count} probes left out", count=directions.stepped)
    if directions.untold:
        yield tr("{count} answers tell no usable times: round trips alone", count=directions.untold)
    if directions.numbers.counts is False:
        yield tr("the reflector does not count: losses have no direction")
    if directions.has_kept_dscp is False:
        yield tr("answers came in another traffic class")


def delays_text(crossing: Crossing) -> list[str]:
    """Return the delays of one probe as parts of a sentence. Relative ones have a plus in front."""
    plus = "" if crossing.is_absolute else "+"
    forward, backward = (f"{plus}{ms(seconds)}" for seconds in crossing.shown)
    return [tr("forward {ms}", ms=forward), tr("backward {ms}", ms=backward)]


def crossing_text(crossing: Crossing) -> list[str]:
    """Return one probe's way as parts of a sentence."""
    parts = [*delays_text(crossing), tr("(reflector {ms})", ms=ms(crossing.residence))]
    forward, backward = crossing.reroutings
    if forward:
        parts.append(tr("{before} hops -> {now}", before=forward[0], now=forward[1]))
    if backward:
        parts.append(tr("{before} hops back -> {now}", before=backward[0], now=backward[1]))
    return parts


def crossing_record(crossing: Crossing | None) -> dict[str, object]:
    """Return one probe's way for programs; the delays have the offset of the clocks in them."""
    if crossing is None:
        return {}
    return {
        "forward_ms": _ms(crossing.forward),
        "backward_ms": _ms(crossing.backward),
        "residence_ms": _ms(crossing.residence),
        "reflector_seq": crossing.reflector_number,
        "hops_forward": crossing.hops_forward,
        "hops_backward": crossing.hops_backward,
    }


def record(directions: Directions | None, lost: int) -> dict[str, object]:
    """Return everything for programs: `stamp` of docs/json/ping.schema.json, if there is a reflector."""
    return {} if directions is None else {"stamp": _stamp(directions, lost)}


def _stamp(directions: Directions, lost: int) -> dict[str, object]:
    clocks, numbers = directions.clocks(), directions.numbers
    of_direction = zip(
        (directions.forward, directions.backward),
        numbers.losses(lost)[:2],
        numbers.duplicates(),
        numbers.reordered(),
        strict=True,
    )
    forward, backward = (_direction(*facts, is_absolute=clocks.is_absolute) for facts in of_direction)
    return {
        "ssid": directions.ssid,
        "mode": directions.mode,
        "reflector": {
            "stateful": numbers.counts,
            "ssid_copied": directions.has_copied_ssid,
            "dscp_kept": directions.has_kept_dscp,
            "bytes": directions.bytes or None,
        },
        "clocks": {
            "sender": {"synchronized": clocks.ours is not None, "error_ms": _ms(clocks.ours)},
            "reflector": {
                "synchronized": clocks.reflectors is not None,
                "error_ms": _ms(clocks.reflectors),
                "format": "ptp" if clocks.is_ptp else "ntp",
            },
            "offset_ms": None
            if clocks.offset is None
            else {"least": _ms(clocks.offset[0]), "most": _ms(clocks.offset[1])},
            "absolute": clocks.is_absolute,
            "contradictory": clocks.is_contradictory,
            "stepped": directions.stepped,
        },
        "forward": forward,
        "backward": backward,
        "lost_unknown": numbers.losses(lost).unknown,
        "residence_ms": _some(directions.residence, ("p50", "p99", "max")),
    }


def _direction(
    direction: Direction,
    lost: int | None,
    duplicates: int | None,
    reordered: int | None,
    *,
    is_absolute: bool,
) -> dict[str, object]:
    return {
        "lost": lost,
        "duplicates": duplicates,
        "reordered": reordered,
        "hops": direction.hops,
        "delay_ms": direction.delays.in_ms() if is_absolute else None,
        "variation_ms": direction.variation.in_ms() or None,
        "ipdv_ms": _some(direction.jitter, _JITTER),
    }


def _some(times: Times, names: tuple[str, ...]) -> dict[str, float] | None:
    found = times.in_ms()
    return {name: found[name] for name in names} if found else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
