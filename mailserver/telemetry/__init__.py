"""Logs and counters: what the service says about itself.

Called by every room and door.  May import `mailserver.values` only.
"""
