-- Whom senders are told of in place of the recipient: of a copy that its holder has sent on elsewhere.  NULL: the recipient.
ALTER TABLE copy ADD COLUMN told_as TEXT;

-- May senders read where this account's mail goes on to?
ALTER TABLE account ADD COLUMN shows_forward {integer} NOT NULL DEFAULT 0;

-- How many members have a post by now; each may have several copies.
ALTER TABLE list_post ADD COLUMN reader_count {integer} NOT NULL DEFAULT 0;
UPDATE list_post SET reader_count = copy_count;
