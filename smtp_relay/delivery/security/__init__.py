"""What a host must prove before it gets a message.

In: a domain, a host, a rule.  Out: a `TlsDemand`.  May not know copies or connections.

    demand      the order: a rule, DANE, MTA-STS, the minimum        (pure)
    dane        TLSA records: which are usable, which names count    (pure; RFC 7672)
    sts         MTA-STS record and policy: parsing and matching      (pure; RFC 8461)
    sts_fetch   the policy over HTTPS
    sts_keeper  the policy in force for a domain, fetched or cached

Called by `resolve.hop_resolver`; asks `dns`.  A policy is fetched for the recipient's
domain, and turned into demands before any connection is shared.
"""
