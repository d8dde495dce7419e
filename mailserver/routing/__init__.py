"""Where an address leads: decisions without look-ups of their own.

Called by the doors, with facts from the store.  May import values; knows no
database, no socket and no clock.
"""
