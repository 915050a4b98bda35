"""The people in a chat room, as one member knows them. No I/O.

- `nickname` says which names people may have, and which look alike.
- `introductions` says when to repeat our own name, so that those who come later know it.
- `roster` knows who was seen, and under which name. `mentions` finds our names in messages.
- `scrollback` knows which lines of the room's history we have heard ourselves.
"""
