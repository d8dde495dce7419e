-- What is promised and has not arrived: the queue, its destinations, its attempts, its reports.

ALTER TABLE copy ADD COLUMN notify {integer};              -- NULL: nothing was said (RFC 3461)
ALTER TABLE copy ADD COLUMN original_recipient TEXT;       -- ORCPT as typed

CREATE TABLE destination (
    destination_id    {id},
    next_hop          TEXT NOT NULL UNIQUE,
    next_due_at_s     {real},             -- of what waits; NULL: nothing does.  Never later than the truth
    not_before_s      {real} NOT NULL,    -- the hop itself failed: nobody tries before; 0: may be tried
    failure_count     {integer} NOT NULL, -- in a row, of the hop itself
    last_error        TEXT NOT NULL,
    last_error_at_s   {real},
    suspended_until_s {real}              -- by a person; NULL: not suspended
) {rows};

CREATE INDEX destination_due ON destination (next_due_at_s) WHERE next_due_at_s IS NOT NULL;

-- One row for each copy that is not final; `copy.state` says QUEUED meanwhile.
CREATE TABLE queue (
    message_id     {integer} NOT NULL,
    copy_no        {integer} NOT NULL,
    destination_id {integer} NOT NULL,
    lane           {integer} NOT NULL,    -- 0 first try, 1 waits until due, 2 leased, 3 held
    due_at_s       {real} NOT NULL,       -- lane 0: its turn; lane 1: not before; 2, 3: what it was
    tell_at_s      {real} NOT NULL,       -- when its sender must hear of it next: delay, then expiry
    attempt_count  {integer} NOT NULL,
    agent_id       {integer},             -- who holds the lease
    reason         TEXT,                  -- why it is held; NULL in the other lanes
    PRIMARY KEY (message_id, copy_no)
) {clustered};

CREATE INDEX queue_order ON queue (destination_id, lane, due_at_s);
CREATE INDEX queue_tell ON queue (tell_at_s) WHERE reason IS NULL; -- a lease does not touch it

CREATE TABLE agent (
    agent_id {id},
    slot     {integer} NOT NULL,
    until_s  {real} NOT NULL              -- its leases end then, unless renewed
) {rows};

CREATE TABLE attempt (
    message_id {integer} NOT NULL,
    copy_no    {integer} NOT NULL,
    number     {integer} NOT NULL,
    at_s       {real} NOT NULL,
    outcome    {integer} NOT NULL,        -- the CopyState that it led to
    host       TEXT NOT NULL,             -- name of the hop; empty: none was reached
    address    TEXT NOT NULL,             -- its IP address and port
    tls        TEXT NOT NULL,             -- over what, and which policy asked for it
    status     TEXT NOT NULL,             -- enhanced code, theirs or ours
    words      TEXT NOT NULL,             -- the remote's exact words, or ours
    PRIMARY KEY (message_id, copy_no, number)
) {clustered};

-- A report that a transition owes to the sender, written by that transition.
CREATE TABLE owed_report (
    message_id {integer} NOT NULL,
    copy_no    {integer} NOT NULL,
    kind       {integer} NOT NULL,        -- ReportKind
    owed_at_s  {real} NOT NULL,
    PRIMARY KEY (message_id, copy_no, kind)
) {clustered};

CREATE INDEX owed_report_order ON owed_report (owed_at_s);

-- Messages whose last copy has left the queue: the reclaimer frees their bodies.
CREATE TABLE spent (
    message_id {integer} NOT NULL PRIMARY KEY
) {clustered};

CREATE TABLE sts_policy (
    domain       TEXT NOT NULL PRIMARY KEY,
    policy_id    TEXT NOT NULL,
    mode         TEXT NOT NULL,           -- enforce, testing, none
    hosts        TEXT NOT NULL,           -- mx patterns, one a line
    max_age_s    {integer} NOT NULL,
    fetched_at_s {real} NOT NULL
) {clustered};
