"""The SMTP server: MX for strangers, submission for people with an account.

    worker        the process: `prepare` before the fork, `serve` after it
    stranger      plays one against our own listeners before they open
    service       what all connections of a process share
    connection/   octets, turns, replies, TLS, silence           (the shell on aiosmtpd)
    commands/     EHLO, STARTTLS, AUTH, and the order of all
    transaction/  sender, recipients, what becomes of the copies
    message/      the data while it comes                        (pure, but for `upload`)
    authors/      who wrote it                                   (pure)
    grammar/      paths, parameters, SASL                        (pure)
    replies, refused   every reply; for which reason it is counted

Called by the supervisor only.  No SQL, no Twisted, no other door.
"""
