"""Killing processes of a real service under load, and asking what it still knows.

`python -m tests.crash --kills 200` is the long form.  `letters`, `wire`,
`journal`, `sender`, `collector` are the load, which `tests.powercut` uses too;
`ledger` says what was promised, `verdict` what the mailboxes must then hold.
"""
