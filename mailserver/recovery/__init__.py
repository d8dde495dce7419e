"""Getting back in: codes, recovery addresses, who may hand out codes, and what people are told.

In: who asks, for whom, with what in hand.  Out: changes through `store.recovery`, letters, refusals
that tell a stranger nothing.  Called by the command line, the keeper and the webmail's pages.
May not know pages or a door.
"""
