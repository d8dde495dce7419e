-- A transfer ends what its correspondent was to be until a day; who takes that import back restores the day.
ALTER TABLE relation ADD COLUMN cut_by_run {integer};  -- the import that ended it early; NULL: none did
ALTER TABLE relation ADD COLUMN cut_until_s {real};    -- until_s before
