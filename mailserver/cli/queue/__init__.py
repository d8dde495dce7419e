"""`mailserver queue`, `trace` and `route`: what must leave, how far each copy has come, and why.

In: a filter or an address.  Out: acts on copies through the store's queue; tables and journeys.
May not know a door; `route` loads the delivery agent's resolver by name.
"""
