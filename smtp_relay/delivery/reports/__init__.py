"""Makes the reports that are owed, until none is left.

In: owed reports of the store.  Out: a message deposited or queued, in the settling transaction.
May not know how a report reads: that is `mailserver.dsn`.
"""
