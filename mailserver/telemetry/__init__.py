"""Logs and counters: what the service says about itself.

In: events and facts of every process.  Out: lines of the log, counters for `status`. May not know
what an event means.  Called by every room and door.  May import `mailserver.values` only.
"""
