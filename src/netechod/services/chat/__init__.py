"""The chat room.

| module | contents |
|---|---|
| `room` | the service: joining, talking, leaving |
| `terms` | the operator's limits |
| `members` | the members, their names, and their number from each source |
| `history` | the latest lines, for members that come back |
| `cookie` | proves that a newcomer receives at its address |
| `strangers` | limits the prompts to peers that are not members |
| `message_rate` | limits the messages of each member |
"""
