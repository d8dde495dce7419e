"""How much an account may keep and send: limits by class, and decisions over plain numbers.

Called by the SMTP door, the keeper and the command line.  Pure: no store, no clock, no I/O.
"""
