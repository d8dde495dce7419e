"""Key files: which kind of process needs which, and where it has them from.

In: paths.  Out: octets of keys; new files.  May not know what a key is for.

A service that was started as root reads them there and hands each kind of process
only its own, in memory; every other process reads the files.  `files` is what all
readers of keys call and `making` what all makers call; both import nothing of ours.
`table` says who needs what.
"""
