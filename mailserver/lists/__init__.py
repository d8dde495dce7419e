"""Lists: who may post, what changes in a message, loops, requests by mail.  Pure.

Given facts and octets, the functions here return decisions and octets; the
delivery agent's expander carries them out, RCPT and the command line ask them.
Imports the store's values; never a door.
"""
