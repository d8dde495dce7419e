"""All statements of the store, each one text for both engines, over the small `engine` port.

    writes     where each kind of write begins: it alone knows all folders
    deposits   what one transaction puts into mailboxes and into the queue
    mail/      messages, entries, mailboxes, bodies, what is removed and reclaimed
    queue/     copies that must leave: accepted, leased, settled, searched
    people/    accounts, the directory, imports, recovery, targets of addresses
    lists/     lists, their readers and their posts
    history/   journeys and traces
    counters/  what all processes share and may lose
    schema/    the numbered migrations
    dialect    in what the engines differ, and what bridges it

In: calls of the ports.  Out: rows, through a `Connection` of either engine.  May not know a door.
"""
