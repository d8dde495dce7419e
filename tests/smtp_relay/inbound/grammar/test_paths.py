"""Paths and parameters: what the grammar allows, what it does not, and no third thing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.values.address import Address
from mailserver.values.message import Notify
from smtp_relay.inbound.grammar.parameters import (
    BadParameter,
    MailParameters,
    UnknownParameter,
    parse_mail_parameters,
    parse_rcpt_parameters,
)
from smtp_relay.inbound.grammar.paths import (
    MAX_PATH_OCTETS,
    NULL_PATH,
    BadPath,
    complete_path,
    is_literal_of,
    parse_forward_path,
    parse_reverse_path,
)


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("<a@b>", "a", "b"),
        ("<a.b-c+d@b.example>", "a.b-c+d", "b.example"),
        (" <a@b>", "a", "b"),
        ("<@r1.example,@r2:u@d.fr>", "u", "d.fr"),
        ('<"a b"@d.fr>', "a b", "d.fr"),
        ('<"a\\"b\\\\"@d.fr>', 'a"b\\', "d.fr"),
        ('<"a@b"@d.fr>', "a@b", "d.fr"),
        ('<"<>"@d.fr>', "<>", "d.fr"),
        ("<u@[192.0.2.1]>", "u", "[192.0.2.1]"),
        ("<u@[IPv6:2001:db8::1]>", "u", "[IPv6:2001:db8::1]"),
        ("<frédéric@école.fr>", "frédéric", "école.fr"),
        ("<" + "a" * 65 + "@b.fr>", "a" * 65, "b.fr"),
        ("<" + "é" * 300 + "@b.fr>", "é" * 300, "b.fr"),
        ("<" + "a" * 895 + "@b.fr>", "a" * 895, "b.fr"),
        ('<"' + "a " * 400 + '"@b.fr>', "a " * 400, "b.fr"),
        (
            "<me+caf_=you=school.example@gmail.example>",
            "me+caf_=you=school.example",
            "gmail.example",
        ),
        ("<a..b@c.fr>", "a..b", "c.fr"),
        ("<.a@b.fr>", ".a", "b.fr"),
        ("<a.@b.fr>", "a.", "b.fr"),
        ("<a@b_c.fr>", "a", "b_c.fr"),
        ("<a@_dmarc.b_.fr>", "a", "_dmarc.b_.fr"),
        ("<a@b.fr.>", "a", "b.fr"),
        ("<@r1_x.,@r2:u@d.fr.>", "u", "d.fr"),
        ("\t<a@b>", "a", "b"),
        ('<""@b.fr>', "", "b.fr"),
        ('<"needless"@b.fr>', "needless", "b.fr"),
        ("<a@" + ".".join(["b" * 63] * 3) + ">", "a", ".".join(["b" * 63] * 3)),
        ("<!#$%&'*+-/=?^_`{|}~@b>", "!#$%&'*+-/=?^_`{|}~", "b"),
        ("<a@xn--cole-9oa.fr>", "a", "xn--cole-9oa.fr"),
    ],
)
def test_a_path_of_the_grammar_is_read(text: str, local: str, domain: str) -> None:
    for parse in (parse_reverse_path, parse_forward_path):
        path, rest = parse(text + " SIZE=1")
        assert path.address == Address(local, domain)
        assert rest == "SIZE=1"


@pytest.mark.parametrize(
    "text",
    [
        "", "<", ">", "<a", "a@b", "<a@>", "<@b>", "<a@", "<a b@c>", "<a@b c>", "<a@b..>",
        "<a@b..c>",
        "<a@.>", "<a@.b>", "<a@-b>", "<a@b->", "<a@b>x", "<a@b>>", "<<a@b>>", "<a@@b>",
        "<a@[192.0.2.1].>", "<a@b>SIZE=1", "< a@b>", "<a@b >",
        "<a(c)@b>", '<"a@b>', '<a"b"@c>', "<a@[1.2.3]>", "<a@[1.2.3.256]>", "<a@[]>",
        "<a@[IPv6:zz]>", "<a@[x:y]>", "<@r u@d>", "<@r:>", "<a\0@b>", "<a\x7f@b>", "<\udce9@b>",
        "<a@b>\tSIZE=1", "<" + "a" * 899 + "@b>", "<" + "é" * 450 + "@b>", "<a@" + "b" * 64 + ">",
        "<a@" + ".".join(["b" * 60] * 5) + ">",
    ],
)  # fmt: skip
def test_what_is_no_path_is_refused(text: str) -> None:
    for parse in (parse_reverse_path, parse_forward_path):
        with pytest.raises(BadPath):
            parse(text)


def test_the_null_path_is_a_reverse_path_only() -> None:
    assert parse_reverse_path("<>") == (NULL_PATH, "")
    assert parse_reverse_path("<> SIZE=1") == (NULL_PATH, "SIZE=1")
    with pytest.raises(BadPath):
        parse_forward_path("<>")


@pytest.mark.parametrize("word", ["postmaster", "Postmaster", "POSTMASTER"])
def test_the_bare_postmaster_is_a_forward_path_only(word: str) -> None:
    path, _ = parse_forward_path(f"<{word}>")
    assert path.address == Address(word, "")
    with pytest.raises(BadPath):
        parse_reverse_path(f"<{word}>")


@given(st.text(max_size=300))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    for parse in (parse_reverse_path, parse_forward_path):
        try:
            path, _ = parse(f"<{text}>")
        except BadPath:
            continue
        assert len(path.text.encode()) <= MAX_PATH_OCTETS


@pytest.mark.parametrize(
    "octet", ["a", "-", ".", '"', "\\", "@", "a.", "a-", "@a,", "é", '"a', 'a"b"']
)
def test_a_long_line_of_anything_is_read_in_linear_time(octet: str) -> None:
    for text in (f"<{octet * 2000}", f"<a@{octet * 2000}!>", f"<@{octet * 1000}:{octet * 1000}>"):
        with pytest.raises(BadPath):
            parse_reverse_path(text)
        with pytest.raises(BadPath):
            parse_reverse_path(complete_path(text[1:] + "\0", "b"))


def test_the_domains_final_dot_is_dropped_and_everything_else_stays_as_typed() -> None:
    assert parse_reverse_path("<@r:A..b@C_d.Fr.>")[0].text == "A..b@C_d.Fr"
    assert parse_forward_path('<"marie"@b.fr>')[0].text == '"marie"@b.fr'


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("a@b.fr", "<a@b.fr>"),
        (" a@b.fr", "<a@b.fr>"),
        ("a@b.fr SIZE=1 BODY=7BIT", "<a@b.fr>"),
        ("scan", "<scan@ours.fr>"),
        ("<scan>", "<scan@ours.fr>"),
        (" < scan > SIZE=1", "<scan@ours.fr>"),
        ('"a b"', '<"a b"@ours.fr>'),
        ('"a@b"', '<"a@b"@ours.fr>'),
        ("< a@b >", "<a@b>"),
        ("@r:a@b", "<a@b>"),
        ("scan@h", "<scan@h>"),
    ],
)
def test_our_own_machines_may_leave_out_brackets_and_domain(typed: str, meant: str) -> None:
    for parse in (parse_reverse_path, parse_forward_path):
        path, rest = parse(complete_path(typed, "ours.fr"))
        assert path == parse(meant)[0]
        assert rest == typed.partition(" SIZE")[1].strip() + typed.partition(" SIZE")[2]


@pytest.mark.parametrize(
    "typed",
    ["", " ", "<", "<a@b", "a@b>", "<a@b>x", "<a@b>SIZE=1", "<<a@b>>", "a@b@c", '"a', "a\0b",
     "a@", "@b", "<a b>", "a(c)@b", "<@r:scan>", "a\\@b", "<" + "a" * 900 + ">"],
)  # fmt: skip
def test_what_even_they_cannot_mean_is_refused(typed: str) -> None:
    for parse in (parse_reverse_path, parse_forward_path):
        with pytest.raises(BadPath):
            parse(complete_path(typed, "ours.fr"))


@given(st.text(max_size=200))
def test_whatever_is_completed_is_what_it_was_or_ours(text: str) -> None:
    try:
        path, _ = parse_forward_path(complete_path(text, "ours.fr"))
    except BadPath:
        return
    assert path.text.removesuffix("@ours.fr") in text


def test_mail_parameters_are_read_with_their_case() -> None:
    assert parse_mail_parameters("size=12 Body=8bitmime SMTPUTF8 AUTH=Marie+40b.fr") == (
        MailParameters(size_octets=12, is_8bit=True, smtputf8=True, auth="Marie+40b.fr")
    )
    assert parse_mail_parameters("") == MailParameters()
    assert parse_mail_parameters("AUTH=<> BODY=7BIT").auth == "<>"


@pytest.mark.parametrize(
    "text",
    ["SIZE", "SIZE=", "SIZE=-1", "SIZE=1x", "SIZE=1 SIZE=1", "BODY", "BODY=BINARYMIME",
     "SMTPUTF8=1", "AUTH", "AUTH=+", "AUTH=a+4", "=1", "-x=1", "X=a=b", "SIZE=" + "9" * 21, "é"],
)  # fmt: skip
def test_a_malformed_parameter_is_bad(text: str) -> None:
    with pytest.raises(BadParameter):
        parse_mail_parameters(text)


@pytest.mark.parametrize("text", ["MT-PRIORITY=3", "X"])
def test_a_parameter_that_was_not_offered_is_unknown(text: str) -> None:
    with pytest.raises(UnknownParameter):
        parse_mail_parameters(text)
    with pytest.raises(UnknownParameter):
        parse_rcpt_parameters(text, smtputf8=False)


@pytest.mark.parametrize("text", ["RET=FULL", "ENVID=x", "SIZE=1"])
def test_a_parameter_of_mail_is_unknown_to_rcpt(text: str) -> None:
    with pytest.raises(UnknownParameter):
        parse_rcpt_parameters(text, smtputf8=False)


def test_what_mail_asks_of_reports_is_read_and_kept_as_typed() -> None:
    asked = parse_mail_parameters("ret=hdrs ENVID=QQ+2B31+20x")
    assert (asked.return_content, asked.envelope_id) == ("HDRS", "QQ+2B31+20x")
    assert parse_mail_parameters("ENVID=" + "x" * 100).envelope_id == "x" * 100


@pytest.mark.parametrize(
    "text",
    ["RET", "RET=", "RET=BODY", "RET=FULL,HDRS", "RET=FULL RET=HDRS", "ENVID", "ENVID=", "ENVID=+",
     "ENVID=+2", "ENVID=+2g", "ENVID=+0D+0AX", "ENVID=+7F", "ENVID=+C3", "ENVID=a=b", "ENVID=é",
     "ENVID=" + "x" * 101],
)  # fmt: skip
def test_a_malformed_wish_of_mail_is_bad(text: str) -> None:
    with pytest.raises(BadParameter):
        parse_mail_parameters(text)


@pytest.mark.parametrize(
    ("text", "notify", "original"),
    [
        ("NOTIFY=NEVER", Notify.NEVER, ""),
        ("notify=success,Delay", Notify.SUCCESS | Notify.DELAY, ""),
        ("NOTIFY=FAILURE,FAILURE", Notify.FAILURE, ""),
        ("ORCPT=rfc822;Marie+2Bx@B.fr", Notify.UNSAID, "rfc822;Marie+2Bx@B.fr"),
        ("NOTIFY=FAILURE ORCPT=X400;a+3Db", Notify.FAILURE, "X400;a+3Db"),
        ("ORCPT=utf-8;fr\\x{E9}d@b.fr", Notify.UNSAID, "utf-8;fr\\x{E9}d@b.fr"),
        ("ORCPT=UTF-8;fréd@b.fr", Notify.UNSAID, "UTF-8;fréd@b.fr"),
        ("ORCPT=utf-8;a\\x{20}b\\x{2B}c@b.fr", Notify.UNSAID, "utf-8;a\\x{20}b\\x{2B}c@b.fr"),
        ("ORCPT=utf-8;\\x{5C}\\x{3D}\\x{20AC}@b", Notify.UNSAID, "utf-8;\\x{5C}\\x{3D}\\x{20AC}@b"),
        ("ORCPT=utf-8;\\x{1F33B}\\x{10FFFF}@b", Notify.UNSAID, "utf-8;\\x{1F33B}\\x{10FFFF}@b"),
    ],
)
def test_what_rcpt_asks_of_reports_is_read_and_kept_as_typed(
    text: str, notify: Notify, original: str
) -> None:
    asked = parse_rcpt_parameters(text, smtputf8=True)
    assert (asked.notify, asked.original_recipient) == (notify, original)


@pytest.mark.parametrize(
    "text",
    ["NOTIFY", "NOTIFY=", "NOTIFY=NEVER,SUCCESS", "NOTIFY=SUCCESS,", "NOTIFY=ALWAYS",
     "NOTIFY=NEVER NOTIFY=NEVER", "ORCPT", "ORCPT=", "ORCPT=rfc822", "ORCPT=rfc822;", "ORCPT=;x",
     "ORCPT=rf c;x", "ORCPT=rfc822;a=b", "ORCPT=rfc822;a+0D+0Ab", "ORCPT=rfc822;a+zz",
     "ORCPT=rfc822;é@b.fr", "ORCPT=utf-8;é@b.fr", "ORCPT=utf-8;a+20b", "ORCPT=utf-8;a\\b",
     "ORCPT=rfc822;" + "x" * 494],
)  # fmt: skip
def test_a_malformed_wish_of_rcpt_is_bad(text: str) -> None:
    with pytest.raises(BadParameter):
        parse_rcpt_parameters(text, smtputf8=False)


@pytest.mark.parametrize(
    "hexpoint",
    ["0A", "0D", "00", "09", "1F", "7F", "41", "80", "85", "9F", "0", "00E9", "000A", "e9", "D800",
     "DFFF", "110000", "FFFFFF", "10FFFFF", ""],
)  # fmt: skip
def test_an_original_recipient_hides_no_control_and_no_plain_letter(hexpoint: str) -> None:
    with pytest.raises(BadParameter):
        parse_rcpt_parameters(f"ORCPT=utf-8;a\\x{{{hexpoint}}}b@c.fr", smtputf8=True)


@given(st.text(max_size=200), st.booleans())
def test_any_text_is_wishes_of_rcpt_or_refused(text: str, smtputf8: bool) -> None:
    try:
        parse_rcpt_parameters(text, smtputf8=smtputf8)
    except (BadParameter, UnknownParameter):
        return


@pytest.mark.parametrize(
    ("domain", "own", "ours"),
    [
        ("[192.0.2.1]", "192.0.2.1", True),
        ("[192.0.2.1]", "192.0.2.2", False),
        ("[192.0.2.1]", "", False),
        ("[IPv6:2001:DB8::1]", "2001:db8::1", True),
        ("[ipv6:2001:db8:0::1]", "2001:db8::1", True),
        ("[127.0.0.1]", "192.0.2.1", True),
        ("[0.0.0.0]", "192.0.2.1", True),
        ("[IPv6:::1]", "192.0.2.1", True),
        ("[IPv6:fe80::1]", "fe80::1%eth0", True),
        ("[IPv6:::ffff:192.0.2.1]", "192.0.2.1", True),
        ("[192.0.2.1]", "::ffff:192.0.2.1", True),
    ],
)
def test_a_literal_of_the_address_that_was_reached_is_ours(
    domain: str, own: str, ours: bool
) -> None:
    assert is_literal_of(domain, own) is ours


@given(st.text(max_size=200))
def test_any_text_is_parameters_or_refused(text: str) -> None:
    try:
        parse_mail_parameters(text)
    except (BadParameter, UnknownParameter):
        return


@pytest.mark.parametrize("rest", ["", "NOTIFY=NEVER", "A=1 B"])
def test_what_stands_behind_a_path_is_told_and_nothing_is_an_empty_text(rest: str) -> None:
    behind = f" {rest}" if rest else ""
    for text in ("<a@b.fr>", "<>"):
        assert parse_reverse_path(text + behind)[1] == rest
    for text in ("<a@b.fr>", "<postmaster>", "<PostMaster>"):
        assert parse_forward_path(text + behind)[1] == rest
