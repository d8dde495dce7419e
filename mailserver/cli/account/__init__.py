"""`mailserver account`, `password` and `recovery`: one person's account, and their way in.

In: what an operator typed.  Out: changes by `mailserver.recovery`, `auth`, `directory`; words.
May not know statements: the store's ports and the core's functions decide, this says it.
"""
