"""Names that the organisation gives: identifiers, addresses, establishments' codes and aliases.

In: names of people and codes of establishments.  Out: identifiers, addresses.  May not know the
store. Pure: what a name would be is computed here; whether it is free, and which digit a homonym
gets, only the store can tell (`given_name`, `homonym`).
"""
