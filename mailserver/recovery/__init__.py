"""Getting back in: codes, recovery addresses, who may hand out codes, and what people are told.

Called by the command line, the keeper and the webmail's pages; imports auth,
routing, settings, the store's ports.
"""
