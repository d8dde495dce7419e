"""The words of the house: addresses, replies, NUMEN, identifiers, messages, secrets.

In: text and octets.  Out: frozen values, or an error that says why not.  Called from everywhere.
May not know a file, a clock or the environment; imports nothing of ours.
"""
