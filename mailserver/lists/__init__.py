"""Lists: who may post, what changes in a message, loops, requests by mail, links to leave by.

Given facts and octets, the functions here return decisions and octets; the
delivery agent's expander carries them out, RCPT and the command line ask them.
Pure, but for `leaving`, which every door that takes members off a list calls.
Imports the store's values; never a door.
"""
