"""Reports to senders (RFC 3464, RFC 6533): from what a copy's journey says to a message's octets.

Pure: facts in, octets out; the sentences are in French, in English, or both.
"""
