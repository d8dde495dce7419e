"""The supervisor: processes, sockets and signals; no mail.

    mailserver run  ->  the supervisor          `master/`: light, no settings library, no door
                          |- fork server        `forking/`: imports the core once
                              |- parent of smtp: imports the door, forks its workers
                              |- parent of pop3: the same
                              |- parent of keeper: the same, with one worker

In: a plan as data.  Out: processes.  Called by the CLI, which execs it; doors import `contract` and
`upkeep` only.  `master/`, `plan`, `orders`, `wakeup`, `interpreter`, `limits` and `memory_file`
may not import but each other, the form of log lines (`telemetry.lines`, `telemetry.stream`) and the
standard library, so that the supervisor stays small; the others may import the core.
"""
