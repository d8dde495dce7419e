-- Which domains were ever ours, and by which principal domain their people answered; a setting that is gone is not forgotten.
CREATE TABLE served_domain (
    domain    TEXT NOT NULL, -- folded
    principal TEXT NOT NULL, -- folded: whoever had an address there had it at `domain`
    PRIMARY KEY (domain, principal)
) {clustered};
