"""The thin shell of sessions on Twisted: sockets, TLS, who may come in, who waits, who goes.

In: connections of the listeners.  Out: a session for each, its actions carried out.
May not know POP3: what a command means, `session` says.
"""
