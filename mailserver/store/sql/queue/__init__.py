"""Copies that must leave: accepted, leased, settled, held, searched, and the reports owed for them.

In: decisions of `mailserver.queue` and the agent.  Out: rows.  Leases are conditional updates.
May not know how a copy travels.
"""
