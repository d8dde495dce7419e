-- The trunk: accounts, addresses, mailboxes, messages, copies, entries.
-- {integer} {blob} {real} {id} {key} {rows} {clustered} are the words in which engines differ (see dialect).

CREATE TABLE migration (
    number       {integer} NOT NULL PRIMARY KEY,
    applied_at_s {real} NOT NULL
) {rows};

CREATE TABLE counter (
    name  TEXT NOT NULL PRIMARY KEY,
    value {integer} NOT NULL
) {clustered};

CREATE TABLE account (
    account_id         {id},
    identifier         TEXT NOT NULL,
    identifier_key     TEXT UNIQUE,        -- folded; NULL once deleted
    name               TEXT NOT NULL,
    state              TEXT NOT NULL,
    inbox_id           {integer},
    created_at_s       {real} NOT NULL,
    deleted_at_s       {real},
    verifier           TEXT,
    credential_version {integer} NOT NULL,
    must_change        {integer} NOT NULL
) {rows};

CREATE INDEX account_deleted ON account (deleted_at_s) WHERE deleted_at_s IS NOT NULL;

CREATE TABLE address (
    address_key TEXT NOT NULL PRIMARY KEY, -- folded
    address     TEXT NOT NULL,             -- as given
    account_id  {integer} NOT NULL,
    mailbox_id  {integer} NOT NULL,
    position    {integer} NOT NULL         -- 0: the canonical one
) {clustered};

CREATE INDEX address_account ON address (account_id, position);

CREATE TABLE mailbox (
    mailbox_id  {id},
    account_id  {integer} NOT NULL,
    name        TEXT NOT NULL,
    epoch       TEXT NOT NULL,             -- begins every UIDL of this mailbox
    next_uid    {integer} NOT NULL,
    modseq      {integer} NOT NULL,        -- grows with every removal
    entry_count {integer} NOT NULL,
    octets      {integer} NOT NULL
) {rows};

CREATE UNIQUE INDEX mailbox_account ON mailbox (account_id, name);

CREATE TABLE message (
    message_id          {key},
    accept_id           {blob} NOT NULL,
    accepted_at_s       {real} NOT NULL,
    account_id          {integer},
    reverse_path        TEXT NOT NULL,
    door                TEXT NOT NULL,
    peer                TEXT NOT NULL,
    flags               {integer} NOT NULL, -- 1 ends with CRLF, 2 eight-bit, 4 NUL, 8 SMTPUTF8
    envelope_id         TEXT NOT NULL,
    return_content      TEXT NOT NULL,
    header_octets       {integer} NOT NULL,
    longest_line_octets {integer} NOT NULL,
    dotted_line_count   {integer} NOT NULL,
    body_octets         {integer} NOT NULL,
    file_name           TEXT,               -- of a filed body
    return_path         {blob} NOT NULL,
    head                {blob} NOT NULL,
    body                {blob}              -- of an inline one; both NULL once freed
) {rows};

CREATE UNIQUE INDEX message_file ON message (file_name) WHERE file_name IS NOT NULL;

CREATE TABLE copy (
    message_id   {integer} NOT NULL,
    copy_no      {integer} NOT NULL,
    recipient    TEXT NOT NULL,
    state        {integer} NOT NULL,       -- CopyState
    mailbox_id   {integer},
    uid          {integer},
    settled_at_s {real},
    PRIMARY KEY (message_id, copy_no)
) {clustered};

CREATE TABLE entry (
    mailbox_id     {integer} NOT NULL,
    uid            {integer} NOT NULL,
    message_id     {integer} NOT NULL,
    octets         {integer} NOT NULL,     -- what RETR sends before dot-stuffing
    prefix         {blob} NOT NULL,
    removed_modseq {integer},              -- NULL: visible
    removed_at_s   {real},
    PRIMARY KEY (mailbox_id, uid)
) {clustered};

-- Exactly once: one entry per mailbox and message, however many addresses led there.
CREATE UNIQUE INDEX entry_message ON entry (message_id, mailbox_id);
CREATE INDEX entry_removed ON entry (removed_at_s) WHERE removed_at_s IS NOT NULL;

INSERT INTO counter (name, value) VALUES ('message', 0);
