"""One outgoing connection, SMTP or LMTP: transactions in, verdicts out.

    connection          the socket, the clock, the call-backs            (shell)
    conversation  octets in, octets out, what became of transactions    (sans-IO)
    opening       greeting, EHLO, STARTTLS, AUTH                   (sans-IO)
    transaction   one transaction: answers to verdicts                  (sans-IO)
    replies       the bounded reader of answers                    (sans-IO)
    offers        what EHLO said
    envelope      MAIL and RCPT, and what a hop cannot take
    content       the message, dot-stuffed where it must be
    trust         certificates: names, DANE

Called by the agent only, through `connection`.  Imports the hall and the values of
`smtp_relay.delivery`; knows nothing of queues, routes or DNS.
"""
