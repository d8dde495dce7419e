"""All statements of the store, over the small `engine` port; what differs, each engine says itself.

    writes     where each kind of write begins: it alone knows all folders
    deposits   what one transaction puts into mailboxes and into the queue
    mail/      messages, entries, mailboxes, bodies, what is removed and reclaimed
    queue/     copies that must leave: accepted, leased, settled, searched
    people/    accounts, the directory, imports, recovery, targets of addresses
    lists/     lists, their readers and their posts
    history/   journeys and traces
    schema/    the numbered migrations

No door imports anything from here.
"""
