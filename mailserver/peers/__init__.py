"""Who connects: blocks of addresses, how many, what they may cost us, whether they still live.

In: addresses, moments, what a peer has cost.  Out: a seat, a pause, a refusal.
May not know a protocol, a socket or a loop: every door shares it.
"""
