-- A random number of the commit that made an entry: it ends the entry's unique-id, so that a store that was put back
-- from a copy never gives one away again.  0: made before, its unique-id has no such end.

ALTER TABLE entry ADD COLUMN nonce {integer} NOT NULL DEFAULT 0;
