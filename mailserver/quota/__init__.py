"""How much an account may keep and send: limits by class, and decisions over plain numbers.

In: a class, counts and octets.  Out: may it be kept or sent, and what people are told.
May not know a connection or a clock.  Called by the SMTP door, the keeper and the command line.
"""
