"""`mailserver directory`: imports and their plans, people, units, letters, who may what.

In: files and words of an operator.  Out: plans and changes of `mailserver.directory`; tables.
May not decide names or lives: `words` says what `mailserver.directory` found.
"""
