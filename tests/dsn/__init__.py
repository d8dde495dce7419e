"""Reports to senders: their octets, read by parsers that other people wrote."""
