"""Lists: who may, who reads, what waits for a moderator, and how far a post has come.

In: verdicts of `mailserver.lists`.  Out: rows.  May not decide who may
post.  Who is a member by rule is read from `people`.
"""
