"""From a next hop to the way there: hosts, addresses, and what each must prove.

In: a destination's name.  Out: a `plan.Way` or why there is none, kept while its look-ups hold.
May not know copies, leases or connections.  `explain` tells the same to `mailserver route`.
"""
