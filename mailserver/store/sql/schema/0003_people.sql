-- People: the organisation's tree, what people do in it, names that are never given twice, history.

ALTER TABLE account ADD COLUMN kind TEXT NOT NULL DEFAULT 'person';   -- person, establishment, function
ALTER TABLE account ADD COLUMN source_key TEXT;                       -- how an import knows it again; never a NUMEN
ALTER TABLE account ADD COLUMN given_name TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN surname TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN name_key TEXT NOT NULL DEFAULT '';     -- folded words, surname first, for search
ALTER TABLE account ADD COLUMN class TEXT NOT NULL DEFAULT '';        -- of quota and sending limits; empty: the default one
ALTER TABLE account ADD COLUMN language TEXT NOT NULL DEFAULT '';     -- fr, en; empty: the service's
ALTER TABLE account ADD COLUMN life TEXT NOT NULL DEFAULT 'present';  -- Life
ALTER TABLE account ADD COLUMN life_since_s {real};
ALTER TABLE account ADD COLUMN life_until_s {real};                   -- when its next step is due
ALTER TABLE account ADD COLUMN is_hidden {integer} NOT NULL DEFAULT 0; -- liste rouge
ALTER TABLE account ADD COLUMN telephone TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN forward_to TEXT NOT NULL DEFAULT '';   -- an address elsewhere
ALTER TABLE account ADD COLUMN keeps_copy {integer} NOT NULL DEFAULT 1; -- of what is forwarded
ALTER TABLE account ADD COLUMN numen TEXT;                            -- its verifier, once the password is another one
ALTER TABLE account ADD COLUMN change_told_count {integer} NOT NULL DEFAULT 0; -- warnings that the grace ends
ALTER TABLE account ADD COLUMN must_change_by_s {real};               -- end of the first password's grace

CREATE UNIQUE INDEX account_source ON account (source_key) WHERE source_key IS NOT NULL;
CREATE INDEX account_name ON account (name_key);
CREATE INDEX account_change ON account (must_change_by_s) WHERE must_change_by_s IS NOT NULL;
CREATE INDEX account_life ON account (life_until_s) WHERE life_until_s IS NOT NULL;

-- An address leads to a mailbox or to a list.
CREATE TABLE address_new (
    address_key TEXT NOT NULL PRIMARY KEY, -- folded
    address     TEXT NOT NULL,             -- as given
    account_id  {integer},
    mailbox_id  {integer},
    list_id     {integer},
    position    {integer} NOT NULL         -- 0: the canonical one
) {clustered};
INSERT INTO address_new (address_key, address, account_id, mailbox_id, position)
    SELECT address_key, address, account_id, mailbox_id, position FROM address;
DROP TABLE address;
ALTER TABLE address_new RENAME TO address;
CREATE INDEX address_account ON address (account_id, position);

-- A copy that leaves under another sender than its message's (forwarding, SRS).
ALTER TABLE copy ADD COLUMN sender TEXT;

CREATE TABLE unit (
    unit_id     {id},
    code        TEXT NOT NULL UNIQUE,      -- folded: 0170705z for an establishment, else the import's
    kind        TEXT NOT NULL,             -- academy, department, district, sector, establishment, service
    nature      TEXT NOT NULL,             -- of an establishment: maternelle, ecole, college, ...; or empty
    parent_id   {integer},
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL,             -- folded words, for search
    street      TEXT NOT NULL,
    postcode    TEXT NOT NULL,
    town        TEXT NOT NULL,
    town_key    TEXT NOT NULL,
    telephone   TEXT NOT NULL,
    web_site    TEXT NOT NULL,
    is_hidden   {integer} NOT NULL,
    account_id  {integer},                 -- of its own mailbox
    closed_at_s {real},
    is_gone     {integer} NOT NULL         -- its creation was undone; may come back
) {rows};

CREATE INDEX unit_parent ON unit (parent_id, name_key);
CREATE INDEX unit_town ON unit (town_key);

-- Who does what where.  A post that ended stays, for history.
CREATE TABLE post (
    account_id {integer} NOT NULL,
    unit_id    {integer} NOT NULL,
    function   TEXT NOT NULL,              -- enseignant, directeur, gestionnaire, ...
    function_key TEXT NOT NULL,            -- folded words, for search
    subject    TEXT NOT NULL,              -- discipline, or empty
    since_s    {real} NOT NULL,
    until_s    {real},
    PRIMARY KEY (account_id, unit_id, function, subject, since_s)
) {clustered};

CREATE INDEX post_unit ON post (unit_id, function_key, until_s); -- searches need no more of a post

-- Dated: who holds a mailbox, who is a unit's correspondent, who manages whom.
CREATE TABLE relation (
    relation_id {id},
    kind        TEXT NOT NULL,             -- holder, correspondent, manager
    account_id  {integer} NOT NULL,        -- the one who may
    of_account  {integer},                 -- over this account (holder, manager)
    of_unit     {integer},                 -- over this unit (correspondent, manager)
    since_s     {real} NOT NULL,
    until_s     {real}
) {rows};

CREATE INDEX relation_account ON relation (account_id, kind);
CREATE INDEX relation_of_account ON relation (of_account, kind) WHERE of_account IS NOT NULL;
CREATE INDEX relation_of_unit ON relation (of_unit, kind) WHERE of_unit IS NOT NULL;

-- Every identifier and address that was ever given, in use or in quarantine.
CREATE TABLE given_name (
    name_key      TEXT NOT NULL PRIMARY KEY, -- folded identifier, or folded address (it has an @)
    account_id    {integer} NOT NULL,        -- may have it back at any time; 0: a list's
    given_at_s    {real} NOT NULL,
    released_at_s {real},                    -- NULL: in use
    free_at_s     {real}                     -- end of the quarantine; NULL: in use
) {clustered};

CREATE INDEX given_name_account ON given_name (account_id);
INSERT INTO given_name (name_key, account_id, given_at_s)
    SELECT identifier_key, account_id, created_at_s FROM account WHERE identifier_key IS NOT NULL;
INSERT INTO given_name (name_key, account_id, given_at_s)
    SELECT address_key, account_id, 0 FROM address WHERE true ON CONFLICT DO NOTHING;

-- The last number given to homonyms: only grows, whoever leaves.
CREATE TABLE homonym (
    base_key    TEXT NOT NULL PRIMARY KEY, -- jmartin, or jean.martin@ac-exemple.fr
    last_number {integer} NOT NULL         -- 1: the one without a digit
) {clustered};

-- What happened to an account, and who did it.
CREATE TABLE account_event (
    account_id {integer} NOT NULL,
    number     {integer} NOT NULL,
    at_s       {real} NOT NULL,
    by_whom    TEXT NOT NULL,              -- an identifier, cli:NAME, import:RUN, service
    what       TEXT NOT NULL,
    details    TEXT NOT NULL,              -- words for a person; never a secret
    PRIMARY KEY (account_id, number)
) {clustered};

-- One apply of an import, and what each subject was before and is after.
CREATE TABLE import_run (
    run_id    {id},
    at_s      {real} NOT NULL,
    by_whom   TEXT NOT NULL,
    digest    TEXT NOT NULL,               -- of the plan
    state     TEXT NOT NULL,               -- applying, applied, undoing, undone
    done      {integer} NOT NULL,          -- changes that are in
    total     {integer} NOT NULL
) {rows};

CREATE TABLE import_change (
    run_id  {integer} NOT NULL,
    number  {integer} NOT NULL,
    kind    TEXT NOT NULL,                 -- unit, person
    subject TEXT NOT NULL,                 -- code, or source key
    before  TEXT,                          -- JSON of the whole subject; NULL: it was not there
    after   TEXT,
    undone  {integer} NOT NULL,
    PRIMARY KEY (run_id, number)
) {clustered};

-- Codes for recovery and first passwords: only their keyed digests.
CREATE TABLE recovery_code (
    code_id      {id},
    account_id   {integer} NOT NULL,
    purpose      TEXT NOT NULL,            -- reset, handed, prove-address
    digest       {blob} NOT NULL,
    given_by     TEXT NOT NULL,
    made_at_s    {real} NOT NULL,
    expires_at_s {real} NOT NULL,
    used_at_s    {real},
    tries        {integer} NOT NULL,
    details      TEXT NOT NULL             -- the address to prove
) {rows};

CREATE INDEX recovery_code_account ON recovery_code (account_id, purpose);

CREATE TABLE recovery_address (
    account_id   {integer} NOT NULL PRIMARY KEY,
    address      TEXT NOT NULL,
    proved_at_s  {real}
) {clustered};
