-- One line of a journey for all copies of a message that one answer took, numbered without a gap.

ALTER TABLE attempt ADD COLUMN last_no {integer}; -- of the last of them; NULL: of this copy alone
