"""The fork server and the doors' parents: import once, fork workers, bring back those that die.

In: orders with descriptors.  Out: workers that run a door's `serve`.
Whoever forks has no thread, no event loop and no database handle.
"""
