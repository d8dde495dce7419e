"""Door 1, asyncio: mail comes in over SMTP (`inbound`).

Called by the supervisor, through `inbound.worker`.  Imports the core
(`mailserver`), never another door.
"""
