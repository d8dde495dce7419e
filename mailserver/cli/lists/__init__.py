"""`mailserver list`: lists, their members, and what waits for a moderator.

In: what an operator typed.  Out: changes through `store.lists`; tables.
May not decide who may post or join: that is `mailserver.lists`.
"""
