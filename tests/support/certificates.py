"""Certificates of an authority of our own, made by openssl(1)."""

import subprocess
from pathlib import Path


class Authority:
    """An authority with its files under `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(exist_ok=True)
        self.file = directory / "ca.pem"
        self._key = directory / "ca.key"
        self._openssl(
            *("req", "-x509", "-subj", "/CN=Authority", *self._new_key(self._key), "-out", self.file),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),  # Python 3.13 wants it (RFC 5280, 4.2.1.3)
        )

    def certificate(self, name: str) -> tuple[Path, Path]:
        """Make a certificate for a host name or an address. Return its file and that of its key."""
        file, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        kind = "IP" if name[0].isdigit() else "DNS"
        self._openssl(
            *("req", "-x509", "-subj", f"/CN={name}", *self._new_key(key), "-out", file),
            *("-addext", f"subjectAltName={kind}:{name}", "-addext", "basicConstraints=critical,CA:FALSE"),
            *("-CA", self.file, "-CAkey", self._key),
        )
        return file, key

    def _new_key(self, key: Path) -> tuple[str | Path, ...]:
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", key)

    def _openssl(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
