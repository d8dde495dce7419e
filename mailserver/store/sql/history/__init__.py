"""What happened to a copy, for `trace` and reports: journeys, and the index they are found by.

In: events of the same transaction as what they tell.  Out: rows in order.
May not change anything else.
"""
