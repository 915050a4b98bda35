"""`netecho chat`: one member of a chat room, and the user interfaces that show it.

- `run` chooses a user interface and starts the conversation.
- `conversation` is the loop between `transport` (the socket), `protocol` (no I/O) and a user interface.
- `events` parses what the room says. `member_state` and `states` hold the protocol's state.
- `ui` is the interface of all front ends: `lines_ui` (pipes, JSON, plain terminals) and `screen_ui`.
- `render` and `sentences` turn events into text, and `transcript` writes it to a file.
- `people` knows the members and their names. `slash_commands` runs `/who` and the like.

Only `run` is imported from outside.
"""
