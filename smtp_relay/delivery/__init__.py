"""The delivery agent: moves each queued copy along its best route, and tells what became of it.

    agent      leases copies, keeps links busy, settles          (shell over `dispatch`)
    settling   what became of copies, written together
    dispatch   which destination, how many connections, when      (pure)
    client     one SMTP or LMTP connection                        (sans-IO core, thin protocol)
    dns        questions and answers, cached                      (shell on dnspython)
    itinerary  from a next hop to hosts, addresses and TLS        (asks `dns`, decides purely)
    security   DANE, MTA-STS, opportunistic TLS
    reporter   makes the reports that are owed
    timekeeper tells delays, returns what is too old
    worker     the process: `prepare` before the fork, `serve` after it

Imports the hall; never `smtp_relay.inbound`, and the reverse.
"""
