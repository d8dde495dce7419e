"""TLS as a door on asyncio serves it: contexts, and the watch over their certificate's files.

Called by doors; imports the settings.  No sockets, no loop.  (The POP3 door has Twisted's own.)
"""
