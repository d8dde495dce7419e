"""Text that people wrote or will read: decoded, made safe for eyes, spelled, copied from paper.

In: octets or text of anybody.  Out: text, in one stated form; nothing here fails on what it meets
but where it says so.  May not know addresses, messages or the service; imports nothing of ours.
"""
