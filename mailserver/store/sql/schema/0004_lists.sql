-- Lists: addresses with members, who does what for them, posts on their way to members.

CREATE TABLE list (
    list_id            {id},
    address            TEXT NOT NULL,      -- as given; where posts go
    prefix             TEXT NOT NULL,      -- what stands in brackets before subjects; empty: nothing
    description        TEXT NOT NULL,
    language           TEXT NOT NULL,      -- fr, en
    posting            TEXT NOT NULL,      -- members, inside, named, moderated, announce
    joining            TEXT NOT NULL,      -- closed, inside, anyone
    is_hidden          {integer} NOT NULL,
    archive_account_id {integer},          -- gets one copy of each post
    secret             {blob} NOT NULL,    -- signs its unsubscribe links
    created_at_s       {real} NOT NULL
) {rows};

-- Members by hand.  One of ours has an account, another one has an address only.
CREATE TABLE list_member (
    member_id      {id},
    list_id        {integer} NOT NULL,
    account_id     {integer},
    address        TEXT NOT NULL,          -- as given; empty for an account
    address_key    TEXT NOT NULL,          -- folded; '#' and the number for an account
    gets_mail      {integer} NOT NULL,
    stopped_why    TEXT NOT NULL,          -- asked, bounces; empty while it gets mail
    bounce_count   {integer} NOT NULL,
    bounced_at_s   {real},                 -- the last one that was counted
    bounce_since_s {real}                  -- the first one that was counted
) {rows};

CREATE UNIQUE INDEX list_member_key ON list_member (list_id, address_key);
CREATE INDEX list_member_order ON list_member (list_id, member_id);
CREATE INDEX list_member_account ON list_member (account_id) WHERE account_id IS NOT NULL;

-- Members by rule: looked up anew for each post.
CREATE TABLE list_rule (
    rule_id   {id},
    list_id   {integer} NOT NULL,
    unit_code TEXT NOT NULL,
    is_below  {integer} NOT NULL,          -- and all units under it
    who       TEXT NOT NULL,               -- person, establishment
    function  TEXT NOT NULL,               -- of persons; empty: any
    nature    TEXT NOT NULL                -- of the unit; empty: any
) {rows};

CREATE INDEX list_rule_list ON list_rule (list_id);

CREATE TABLE list_role (
    list_id    {integer} NOT NULL,
    role       TEXT NOT NULL,              -- owner, moderator, poster
    account_id {integer} NOT NULL,
    PRIMARY KEY (list_id, role, account_id)
) {clustered};

CREATE INDEX list_role_account ON list_role (account_id);

-- One post on its way: which message its members get, and how far it came.
CREATE TABLE list_post (
    message_id {integer} NOT NULL,         -- the copy that came for the list
    copy_no    {integer} NOT NULL,
    derived_id {integer} NOT NULL,         -- the message that members get
    stage      {integer} NOT NULL,         -- 0 by hand, 1 by rule, 2 all are there
    after_id   {integer} NOT NULL,         -- of that stage: the last one that is there
    copy_count {integer} NOT NULL,
    PRIMARY KEY (message_id, copy_no)
) {clustered};

CREATE INDEX list_post_derived ON list_post (derived_id);

-- Posts that a moderator must see.
CREATE TABLE list_held (
    message_id {integer} NOT NULL,
    copy_no    {integer} NOT NULL,
    list_id    {integer} NOT NULL,
    token      TEXT NOT NULL UNIQUE,       -- digest
    held_at_s  {real} NOT NULL,
    verdict    TEXT NOT NULL,              -- empty, approved, rejected
    by_whom    TEXT NOT NULL,
    PRIMARY KEY (message_id, copy_no)
) {clustered};

CREATE INDEX list_held_list ON list_held (list_id);

-- Somebody outside wants to join or to leave, and was asked whether it is true.
CREATE TABLE list_wish (
    token        TEXT NOT NULL PRIMARY KEY, -- digest
    list_id      {integer} NOT NULL,
    address      TEXT NOT NULL,
    joins        {integer} NOT NULL,
    expires_at_s {real} NOT NULL
) {clustered};
