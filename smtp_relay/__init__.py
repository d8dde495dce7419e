"""SMTP: `inbound` is door 1, where mail comes in; `delivery` is the agent, which carries it on.

In: connections; copies that are due.  Out: what the committer stores; mail for other servers.
Called by the supervisor, through each one's `worker`.  The two may not know each other, nor any
other door: they meet in the store.
"""
