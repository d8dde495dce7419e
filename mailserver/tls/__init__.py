"""TLS as a door on asyncio serves it: contexts, the watch over their certificate's files, and
what is said, logged and counted of handshakes that fail.

In: settings, files, errors of handshakes.  Out: contexts, lines of the log, counts.
Called by doors.  May not know a loop or a protocol.  The POP3 door has Twisted's own
contexts, and the rest from here.
"""
