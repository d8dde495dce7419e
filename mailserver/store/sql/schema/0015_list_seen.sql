-- Message-IDs of posts that lists handed out: what we signed and somebody brings again is not posted again.
CREATE TABLE list_seen (
    digest {blob} NOT NULL PRIMARY KEY, -- of one Message-ID
    at_s   {real} NOT NULL              -- the last time
) {clustered};

CREATE INDEX list_seen_at ON list_seen (at_s);
