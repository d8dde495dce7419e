"""Octets on a socket: whose turn it is, what is said, TLS, silence, the end.

In: what the event loop calls.  Out: command lines and message data for the commands, replies
for the peer.
May not know what a command means, nor anything about mail.
"""
