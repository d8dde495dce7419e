"""The message itself while it streams by: its end, header and line ends, what is added and kept.

In: octets of DATA.  Out: octets to store, and facts about them.
May not know who sends or who receives, nor the connection; never reads MIME.
"""
