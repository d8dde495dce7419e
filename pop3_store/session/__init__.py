"""One POP3 session, without a socket: octets in, octets and decisions out (RFC 1939).

In: octets, the answers of the gate and of the committer.  Out: octets, and `states.Action`.
May not know Twisted, sockets or threads.  `commands` is the table that a session is given.
"""
