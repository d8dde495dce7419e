"""Copies: the states that each goes through, and who moves it on.

Called by the store and by doors; imports values only.
"""
