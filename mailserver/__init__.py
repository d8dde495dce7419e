"""The core: values, accounts and auth, store, routing, settings, telemetry, CLI.

Plain blocking Python: no asyncio, no Twisted.  Anything here may be called
from any door; nothing here imports a door.
"""

__version__ = "0.1.0"
