"""Copies: their states and who moves them on, whose turn it is, which reports are owed.

In: facts of a copy, and a moment.  Out: a state, a next try, a turn.  Pure.
May not know the store, a connection or a clock.  Called by the store and by doors.
"""
