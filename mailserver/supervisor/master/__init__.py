"""The process that lives as long as the service: holds sockets and keys, starts, reloads, stops.

In: a plan, signals, what children report on the board.  Out: orders to fork servers, log lines.
May not import the core or a library: nothing that it does not need stays in its memory for months.
"""
