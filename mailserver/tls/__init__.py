"""TLS as a door on asyncio serves it: contexts, the watch over their certificate's files, and
what is said, logged and counted of handshakes that fail.

Called by doors; imports the settings and telemetry.  No loop.  The POP3 door has Twisted's own
contexts, and the rest from here.
"""
