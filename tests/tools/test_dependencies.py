"""New names and known holes are found; where nothing can be known, nothing is claimed."""

from __future__ import annotations

from tools.dependencies import compare, holes_in, names_in, unknown_names


def test_every_locked_name_has_been_looked_at() -> None:
    assert unknown_names() == []


def test_a_lock_s_names_are_read_in_one_form() -> None:
    assert names_in("Jinja2==3.1 \\\n    --hash=x\nzope.interface==8\n# a==1\n") == {
        "jinja2",
        "zope-interface",
    }


def test_a_name_that_is_new_or_gone_is_told() -> None:
    new, gone = compare({"apsw", "apws"}, {"apsw", "passlib"})
    assert new.startswith("apws is new")
    assert gone.startswith("passlib is in no lock")


def test_an_advisory_is_told_with_what_mends_it() -> None:
    hole = {"id": "PYSEC-1", "fix_versions": ["2.0"]}
    holes, why_not = holes_in([{"name": "a", "version": "1.0", "vulns": [hole]}])
    assert holes == ["a 1.0: PYSEC-1, mended in 2.0"]
    assert why_not == ""


def test_where_no_package_was_looked_at_the_audit_is_no_success() -> None:
    holes, why_not = holes_in([{"name": "a", "skip_reason": "not found"}])
    assert holes == []
    assert why_not
