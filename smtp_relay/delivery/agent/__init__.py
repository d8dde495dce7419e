"""Carries out what `schedule` decides: the only room here with leases, tasks and sockets.

    agent       orders to connections, answers to outcomes
    leases      asked for, kept, read ahead, settled
    unoffered   copies that no server gets
    timekeeper  tells delays, returns what is too old
    means       what the agent works with

In: wake-ups, and due destinations of the store.  Out: settlements, written by the store's writer.
May not know SMTP: it gives transactions to `client` and hears verdicts.
"""
