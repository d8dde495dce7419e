-- What was removed and can be put back: by whom, and what it takes.

ALTER TABLE entry ADD COLUMN removed_by TEXT;                        -- door, address, holder; NULL: not known
ALTER TABLE entry ADD COLUMN share_octets {integer};                 -- of its message's room; NULL: all of its octets
ALTER TABLE mailbox ADD COLUMN removed_count {integer} NOT NULL DEFAULT 0;
ALTER TABLE mailbox ADD COLUMN removed_octets {integer} NOT NULL DEFAULT 0; -- sum of the shares of what is hidden

UPDATE mailbox SET
    removed_count = (SELECT count(*) FROM entry
        WHERE entry.mailbox_id = mailbox.mailbox_id AND entry.removed_modseq IS NOT NULL),
    removed_octets = (SELECT coalesce(sum(octets), 0) FROM entry
        WHERE entry.mailbox_id = mailbox.mailbox_id AND entry.removed_modseq IS NOT NULL)
WHERE mailbox_id IN (SELECT mailbox_id FROM entry WHERE removed_at_s IS NOT NULL);
