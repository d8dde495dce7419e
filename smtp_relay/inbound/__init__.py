"""The SMTP server: MX for strangers, submission for people with an account.

    worker        the process: `prepare` before the fork, `serve` after it
    stranger      plays one against our own listeners before they open
    door          aiosmtpd's SMTP, a shell that hands on; it has a connection
    commands/     what each command does; who owns which state
    connection/   octets, turns, replies, TLS, silence
    transaction/  sender, recipients, what becomes of the copies
    message/      the data while it comes                        (pure, but for `upload`)
    authors/      who wrote it                                   (pure)
    grammar/      paths, parameters, SASL                        (pure)
    service, store     what all connections of a process share, what they ask of the store
    replies, refused   every reply; for which reason it is counted

In: connections to our listeners.  Out: messages for the committer, replies.  May not know SQL,
Twisted or another door; called by the supervisor only.
`replies` has over 400 lines: it is a list.
"""
