"""Door 2: the maildrop over POP3 (RFC 1939, 2449, 2595, 3206), on Twisted.

Owns the protocol: lines, states, replies, dot-stuffing, TLS and the worker
process.  The supervisor calls `pop3_store.worker`; nothing else is called from
outside.  It opens onto the core (`mailserver`) and imports no other door.

    session/     the rules, without a socket
    connection/  the shell on Twisted, and who may come in
    worker       the process
"""
