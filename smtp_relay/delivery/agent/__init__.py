"""Carries out what `schedule` decides: the only room here that holds leases, tasks and open links.

In: wake-ups, and due destinations of the store.  Out: settlements, written by the store's writer.
May not know SMTP: it gives parcels to `client` and hears verdicts.
"""
