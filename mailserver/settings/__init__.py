"""The settings: their model, how they are read, what would fail with them.

In: a file and the environment.  Out: a frozen `Settings`, or a sentence that says what is wrong.
May not know what any setting is for.  Called from every room and door.
`model` knows no disk, `load` reads the file and the environment, `check` looks
at the machine.  `bind` and `template` are what those three share.
"""
