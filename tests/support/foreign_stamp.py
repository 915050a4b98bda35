"""scapy as a codec for STAMP, in a process of its own: one JSON object in, one out."""

import json
import sys

from scapy.contrib.stamp import (  # type: ignore[import-not-found, unused-ignore]
    ErrorEstimate,
    STAMPSessionReflectorTestUnauthenticated,
    STAMPSessionSenderTestUnauthenticated,
)


def built(fields: dict[str, int]) -> str:
    """Return a request with these fields, in hexadecimal digits."""
    error = ErrorEstimate(S=1, scale=5, multiplier=9)
    packet = STAMPSessionSenderTestUnauthenticated(seq=fields["seq"], ssid=fields["ssid"], err_estimate=error)
    return bytes(packet).hex()


def taken_apart(packet: str) -> dict[str, object]:
    """Return the fields of an answer."""
    answer = STAMPSessionReflectorTestUnauthenticated(bytes.fromhex(packet))
    return {
        name: answer.getfieldval(name)
        for name in ("seq", "ssid", "seq_sender", "ttl_sender", "ts", "ts_rx", "ts_sender")
    }


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump(built(asked) if "seq" in asked else taken_apart(asked["packet"]), sys.stdout, default=float)
