"""Carries out what `schedule` decides: the only room here with leases, tasks and sockets.

    agent       orders to connections, answers to outcomes         means  what it works with
    leases      asked for, kept, read ahead, settled               unsent what no connection gets
    timekeeper  tells delays, returns what is too old

In: wake-ups, and due destinations of the store.  Out: settlements, written by the store's writer.
May not know SMTP: it gives transactions to `client` and hears verdicts.
"""
