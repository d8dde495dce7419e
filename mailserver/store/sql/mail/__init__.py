"""What lies in mailboxes: messages with their bodies, entries, maildrops, removal and reclaiming.

In: a question about a mailbox, or what is to be removed from it.  Out: rows.
May not know its neighbours; what is written into mailboxes and queue at once stands in `deposits`.
"""
