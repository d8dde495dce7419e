"""Door 2: the maildrop over POP3 (RFC 1939, 2449, 2595, 3206), on Twisted.

In: connections of mail programs.  Out: messages; removals for the committer.  The supervisor calls
`pop3_store.worker`; nothing else is called from outside.  It opens onto the core (`mailserver`);
may not know another door, nor asyncio.

    session/     the rules, without a socket
    connection/  the shell on Twisted, and who may come in
    worker       the process
"""
