"""What a peer may say before and around a message: EHLO, STARTTLS, AUTH, and in which order.

In: one command line, its order checked in `table`.  Out: a reply, and what is known of the
session from then on.
May not know the socket.
"""
