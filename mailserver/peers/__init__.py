"""Who connects: blocks of addresses, how many, what they may cost us, whether they still live.

Cores and small tools that every door shares.  No sockets of its own, no loop; it may import
values, settings and telemetry.
"""
