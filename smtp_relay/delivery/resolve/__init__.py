"""From a next hop to its delivery plan: hosts, addresses, and what each must prove.

In: a destination's name.  Out: a `plan.Resolution` (a plan, or why there is none), kept while its
look-ups hold.  May not know copies, leases or connections.  `explain` tells `mailserver route`.
"""
