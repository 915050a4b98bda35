"""The chat room.

| module | contents |
|---|---|
| `room` | the service: joining, talking, leaving |
| `members` | who is in the room, under what name, and how many from one source |
| `cookie`, `strangers` | a newcomer proves its address; everybody else is told how, now and then |
| `message_rate` | messages a second for each member |
"""
