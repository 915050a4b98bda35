"""A small Unix daemon that answers echo, dictionary and chat from one select-based multiplexer."""

__version__ = "0.2.0.dev0"
