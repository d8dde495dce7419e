"""Questions to the name servers, and their answers as values.

    answers     what a question came to: Found, NoSuchName, NoData, Unanswered   (values)
    resolver    the front on dnspython: one question at a time per name, cached  (shell)
    validation  whether the resolver's word about DNSSEC is believed

In: a name and a type.  Out: an answer, never an error.  May not know mail.  Called by
`resolve.hop_resolver` and `security`.
"""
