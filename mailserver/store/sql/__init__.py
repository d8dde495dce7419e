"""All statements of the store, over the small `engine` port; what differs, each engine says itself.

    mail/      messages, entries, mailboxes, bodies, what is removed and reclaimed
    queue/     copies that must leave: accepted, leased, settled, searched
    people/    accounts, the directory, imports, recovery, targets of addresses
    lists/     lists, their readers and their posts
    history/   journeys and traces
    schema/    the numbered migrations

No door imports anything from here.
"""
