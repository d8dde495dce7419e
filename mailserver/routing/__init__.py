"""Where an address leads: decisions without look-ups of their own.

In: an address, and facts that the caller read from the store.  Out: targets, routes, refusals.
Called by the doors.  May not know a database, a socket or a clock.
"""
