"""The supervisor: processes, sockets and signals; no mail.

    mailserver run  ->  the supervisor (light: no settings library, no door)
                          |- parent of smtp: imports the door, forks its workers
                          |- parent of pop3: the same
                          |- parent of keeper: the same, with one worker

Called by the CLI, which execs it.  Doors import `contract` only.  `plan`,
`master`, `sockets`, `events`, `notify`, `wakeup`, `backoff` and `interpreter`
may import nothing but each other and the standard library, so that the
supervisor stays small; `planning`, `parent` and `keeper` may import the hall.
"""
