"""What a peer may say, in which order, and what comes of it.

In: one command line.  Out: a reply, and from then on another session: a `Commands` has a
`Session` (what was learnt since EHLO), which has a `Transaction` (since MAIL).
May not know the loop nor the socket, but for its `Connection`.
"""
