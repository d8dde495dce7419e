"""Letters that carry first passwords: who gets one, in which pile, what it says, as A4 pages.

In: people and units as they are kept, passwords that were just made.  Out: octets of a PDF.
May not know the store's statements, nor keep a password anywhere.
"""
