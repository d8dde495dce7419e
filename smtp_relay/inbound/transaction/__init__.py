"""MAIL to the answer after the dot: who sends, to whom, and what becomes of each copy.

In: paths that were read, the directory, the rules.  Out: replies, and at the dot one
`Acceptance` for the store.
May not know the socket, nor how octets are read.
"""
