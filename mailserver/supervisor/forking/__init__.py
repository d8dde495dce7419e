"""The fork server and the doors' parents: import once, fork workers, bring back those that die.

In: orders with descriptors.  Out: workers that run a door's `serve`.
Whoever forks may not have a thread, an event loop or a database handle.
"""
