"""Lists: who may post, what changes in a message, loops, requests by mail, links to leave by.

In: facts of a list and of who writes, a header block.  Out: decisions and octets, which the agent's
expander carries out; RCPT and the command line ask them.  Pure, but for `leaving`, which every door
that takes members off a list calls.  May not know a door or a connection.
"""
