"""The keeper: the one process that looks after the store while nobody asks.

In: time that passes, wake-ups.  Out: what is due is done: notices, ends, hashing, reclaimed room.
May not know a door or a socket; the supervisor starts it like a door's worker.
"""
