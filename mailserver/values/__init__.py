"""The words of the house: addresses, replies, NUMEN, identifiers, messages, secrets.

Frozen values and the parsers that make them.  Called from everywhere; imports
nothing of ours, and reads no file, clock or environment.
"""
