-- Who signed in to somebody else's account and submitted a message there; NULL: nobody but the account itself.
ALTER TABLE message ADD COLUMN by_account_id {integer};
