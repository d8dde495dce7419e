"""Carries out what `schedule` decides: the only room here with leases, tasks and sockets.

In: wake-ups, and due destinations of the store.  Out: settlements, written by the store's writer.
May not know SMTP: it gives transactions to `client` and hears verdicts.
"""
