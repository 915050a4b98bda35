"""The command line of scripts/make-pictures."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.lib.options import Parser
from scripts.lib.pictures import architecture, chat, ping

PICTURES: Mapping[str, Callable[[], str]] = {
    "architecture": architecture.picture,
    "chat": chat.picture,
    "ping": ping.picture,
}
ROOT = Path(__file__).resolve().parents[3]


def main() -> int:
    """Make the pictures of the names on the command line, or all."""
    parser = Parser(prog="scripts/make-pictures", add_help=False, allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*PICTURES, []])
    for name in parser.parse_args().names or PICTURES:
        file = ROOT / "docs" / "pictures" / f"{name}.svg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(PICTURES[name](), encoding="utf-8")
        print(file.relative_to(ROOT))
    return 0


sys.exit(main())
