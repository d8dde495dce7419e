"""One outgoing connection, SMTP or LMTP: transactions in, verdicts out.

    connection    the socket, the clock, the call-backs            (shell)
    conversation  octets in, octets out, what became of it all     (sans-IO)
    opening       greeting, EHLO, STARTTLS, AUTH                   (sans-IO)
    transaction   answers to one transaction, to verdicts          (sans-IO)
    replies       the bounded reader of answers                    (sans-IO)
    offers        what EHLO said
    mail_object   MAIL and RCPT, the message, what a hop cannot take
    trust         certificates: names, DANE

In: a hop, and transactions for it.  Out: a verdict for each copy.  Called by the agent only,
through `connection`.  May not know queues, routes or DNS.
"""
