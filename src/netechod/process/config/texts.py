"""Texts for DICT clients, which stand in files of their own."""

from collections.abc import Mapping
from pathlib import Path

from netechod.errors import ConfigError
from netechod.process.config.schema import Config
from netechod.regular_file import read_regular

MAX_TEXT = 64 * 1024  # bytes


def texts_of(config: Config, origins: Mapping[str, str]) -> Mapping[str, str]:
    """Return the texts of the files that the configuration names, by its keys. Raises ConfigError."""
    texts: dict[str, str] = {}
    for key, path in text_files(config).items():
        if path is not None:
            try:
                texts[key] = _text_of(path)
            except ValueError as error:
                raise ConfigError(f"error: {origins.get(key, 'default')}: {key}: {path}: {error}") from None
    return texts


def text_files(config: Config) -> Mapping[str, Path | None]:
    """Return the files of the texts, by the keys of the configuration.

    Without the dictionary server nobody asks for texts, and there are none.
    """
    if not (config.dict.enabled and config.dictionary.enabled):
        return {}
    files = {"dict.information": config.dict.information}
    for section, dictionary in config.dictionary.sections.items():
        files[f"{section}.information"] = dictionary.information
    return files


def _text_of(path: Path) -> str:
    """Return the text of a file. Raises ValueError with the reason."""
    try:
        data = read_regular(path, MAX_TEXT + 1)
    except OSError as error:
        raise ValueError(error.strerror) from None
    if len(data) > MAX_TEXT:
        raise ValueError(f"longer than {MAX_TEXT} bytes")
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
