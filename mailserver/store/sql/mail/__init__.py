"""What lies in mailboxes: messages with their bodies, entries, maildrops, removal and reclaiming.

In: a write of `ports`, or a question about a mailbox.  Out: rows.  `writes` is where each kind
of write of the whole store begins, so it alone knows the neighbours `queue`, `lists`, `history`.
"""
