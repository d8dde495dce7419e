"""The command line: `mailserver`.

In: words of an operator.  Out: words, and what the core did.  Each module holds one command or one
family of them, and imports what is heavy inside its functions, so that `--help` is quick.  A
person's mistake is one line on standard error and exit status 2; our own failure is one line and 1.
May not know a door; nothing imports it.
"""
