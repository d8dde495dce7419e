"""The delivery agent: moves each queued copy along its best route, and tells what became of it.

    worker     the process: `prepare` before the fork, `serve` after it
    agent/     leases copies, keeps connections busy, settles         (the shell, on the loop)
    schedule/  which destination, how many connections, what follows  (pure)
    resolve/   from a next hop to hosts, addresses and TLS            (asks `dns`, decides purely)
    dns/       questions and answers, cached                          (shell on dnspython)
    security/  DANE, MTA-STS, opportunistic TLS
    client/    one SMTP or LMTP connection                            (sans-IO core, thin protocol)
    lists/     a copy for a list becomes its members' copies
    reports/   makes the reports that are owed
    plan, verdicts   the values that pass between them

In: copies that are due.  Out: verdicts, settled in the store.  May not know `smtp_relay.inbound`.
"""
