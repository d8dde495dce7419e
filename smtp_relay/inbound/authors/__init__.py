"""Who says they wrote it, and may they?

In: the header block, the account that sends or none.  Out: addresses, or why they cannot be
read or believed.
May not know the connection, nor who receives.
"""
