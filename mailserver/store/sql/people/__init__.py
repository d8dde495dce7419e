"""Accounts, names, establishments and imports; recovery codes; where an address leads.

In: documents that `mailserver.directory` decided on.  Out: documents and targets.
May not know mail, but for the mailbox that an account has.
"""
