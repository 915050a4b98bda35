"""The address of the bus: a server, several servers of which one is the master, or Sentinels."""

import re
from dataclasses import dataclass

PORT, SENTINEL_PORT = 6379, 26379

_URL = re.compile(
    r"(?P<scheme>[a-z+]+)://(?:(?P<user>[^@/]*)@)?(?P<servers>[^/?#]*)(?P<path>/[^?#]*)?(?P<rest>[?#].*)?",
    re.S,
)
_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
_SERVER = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True)
class Url:
    """The parts of a URL. With `path` it is a Unix socket; with `sentinel`, `servers` are Sentinels."""

    servers: tuple[tuple[str, int], ...] = ()
    path: str = ""
    user: str = ""
    tls: bool = False
    database: int = 0
    sentinel: str = ""  # the name of the master

    @classmethod
    def parse(cls, text: str) -> "Url":
        """Parse a URL. Raises ValueError with a sentence for the operator.

        >>> Url.parse("rediss://a.example,[::1]:7000/2").servers
        (('a.example', 6379), ('::1', 7000))
        """
        found = _URL.fullmatch(text)
        if found is None or found["scheme"] not in _SCHEMES:
            raise ValueError(f"must begin with one of {', '.join(f'{scheme}://' for scheme in _SCHEMES)}")
        if ":" in (found["user"] or ""):
            raise ValueError("must have no password: bus.password_file names the file that holds it")
        if found["rest"] or re.search(r"[\x00-\x20\x7f]", text):
            raise ValueError("must have no '?', '#', blank or control character")
        return cls._made(found["scheme"], found["user"] or "", found["servers"], found["path"] or "")

    @classmethod
    def _made(cls, scheme: str, user: str, listed: str, path: str) -> "Url":
        """Read the parts of a URL."""
        if scheme == "unix":
            if listed or len(path) < 2:
                raise ValueError("must name an absolute path, as in unix:///run/redis/redis.sock")
            return cls(path=path, user=user)
        is_sentinel = scheme.endswith("+sentinel")
        servers = tuple(_server(each, SENTINEL_PORT if is_sentinel else PORT) for each in listed.split(","))
        tls, rest = scheme.startswith("rediss"), path.removeprefix("/")
        if is_sentinel:
            if not re.fullmatch(r"[\w.-]+", rest):
                raise ValueError(
                    "must end with the name of the master, as in redis+sentinel://a,b,c/mymaster"
                )
            return cls(servers, user=user, tls=tls, sentinel=rest)
        if rest and not re.fullmatch(r"\d{1,4}", rest):
            raise ValueError("must have the number of a database after the last '/', or nothing")
        return cls(servers, user=user, tls=tls, database=int(rest or 0))

    @property
    def leaves_in_clear(self) -> bool:
        """Return whether password and talk go to another machine without encryption."""
        return not (self.tls or self.path or all(map(_is_here, self.servers)))


def _server(text: str, port: int) -> tuple[str, int]:
    found = _SERVER.fullmatch(text)
    if found is None or not 0 < int(found["port"] or port) < 1 << 16:
        raise ValueError("must have servers such as 'redis.example:6379' or '[fd00::1]:6379'")
    return found["ipv6"] or found["host"], int(found["port"] or port)


def _is_here(server: tuple[str, int]) -> bool:
    return server[0] in ("localhost", "::1") or server[0].startswith("127.")
