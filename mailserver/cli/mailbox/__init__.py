"""`mailserver mailbox` and `usage`: what lies in mailboxes, what was removed, what it weighs.

In: an account.  Out: restored entries; tables.  May not know bodies: only ids.
"""
