"""One outgoing connection, SMTP or LMTP: parcels in, verdicts out.

    link          the socket, the clock, the call-backs            (shell)
    conversation  octets in, octets out, what became of parcels    (sans-IO)
    opening       greeting, EHLO, STARTTLS, AUTH                   (sans-IO)
    transaction   one parcel: answers to verdicts                  (sans-IO)
    replies       the bounded reader of answers                    (sans-IO)
    offers        what EHLO said
    envelope      MAIL and RCPT, and what a hop cannot take
    content       the message, dot-stuffed where it must be
    trust         certificates: names, DANE

Called by the agent only, through `link`.  Imports the hall and the values of
`smtp_relay.delivery`; knows nothing of queues, routes or DNS.
"""
