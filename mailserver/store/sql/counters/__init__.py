"""What all processes share and may lose: throttles, limits, who was seen, bodies that were missed.

In: what the ports of `mailserver.store.ports.shared` ask.  Out: rows, or none where the tables do
not answer; nothing here fails.  May not decide whether mail is kept.
"""
