"""Octets on a socket: whose turn it is, what is said, TLS, silence, the end.

In: what the event loop calls.  Out: lines and message data for what `ports` names, replies.
`Connection` owns transport, buffer and turn, `Voice` the replies; the others own nothing.
May not know what a command means, nor anything about mail.
`connection` has over 400 lines: its turn is one machine, which nobody could read in halves.
"""
