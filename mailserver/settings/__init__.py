"""The settings: their model, how they are read, what would fail with them.

May be called from every room and door.  May import `mailserver.values` only.
`model` knows no disk, `load` reads the file and the environment, `check` looks
at the machine.  `bind` and `template` are what those three share.
"""
