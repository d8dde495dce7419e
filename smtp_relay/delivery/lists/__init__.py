"""A copy that came for a list becomes its members' copies, slice by slice; requests are answered.

In: leased copies of destinations `list:<id>`.  Out: acceptances, a slice in one transaction.
May not know connections or DNS beyond the one question of `dmarc`.
"""
