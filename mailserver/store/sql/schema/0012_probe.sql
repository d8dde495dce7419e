-- What a remote answered with these words: MAIL, RCPT, DATA, end of message, ...; NULL: unknown, or our own words.
ALTER TABLE attempt ADD COLUMN phase TEXT;

-- When a list wrote to a member whose mail fails, to see whether that fails, too; NULL: it has not, or it was answered.
ALTER TABLE list_member ADD COLUMN probed_at_s {real};
