"""The core: values, accounts and auth, store, routing, settings, telemetry, CLI.

In: calls that may block.  Out: values.  May not know asyncio, Twisted or a door.  Anything here may
be called from any door; nothing here imports a door.
"""

__version__ = "0.1.0"
