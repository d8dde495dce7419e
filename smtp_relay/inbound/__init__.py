"""The SMTP server: MX for strangers, submission for people with an account.

Pure rooms decide (`paths`, `parameters`, `policy`, `body`, `opening`, `headers`,
`cleaning`, `authors`, `trace`, `sasl`, `idleness`, `commands`); `connection`,
`door` and `worker` hold the sockets and the loop and decide nothing about mail.
Called by the supervisor only (`worker.prepare`, `worker.serve`).  No SQL, no
Twisted, no other door.
"""
