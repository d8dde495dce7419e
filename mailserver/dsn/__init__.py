"""Reports to senders (RFC 3464, RFC 6533): from what a copy's journey says to a message's octets.

In: what happened, and the head of the original.  Out: octets, in French, in English, or both.
Pure.  May not know the store, who is told, or whether a report is owed.
"""
