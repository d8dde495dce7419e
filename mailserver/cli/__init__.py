"""The command line: `mailserver`.

Each module holds one command or one family of them, and imports what is heavy
inside its functions, so that `--help` is quick.  A person's mistake is one
line on standard error and exit status 2; our own failure is one line and 1.
May import every room of the core; nothing imports it.
"""
