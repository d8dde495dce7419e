"""What all processes of a service share and may lose: nothing in here costs an fsync.

In: keys and moments.  Out: counts, or that somebody else holds it.  Locks end with their holder.
May not be what a promise depends on: throttles, limits and turns only.
"""
