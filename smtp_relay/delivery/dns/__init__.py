"""Questions to the name servers, and their answers as values.

    answers     what a question came to: Found, NoSuchName, NoData, Unanswered   (values)
    resolver    the front on dnspython: one question at a time per name, cached  (shell)
    validation  whether the resolver's word about DNSSEC is believed

Knows nothing of mail.  Called by `resolve.hop_resolver` and `security`.
"""
