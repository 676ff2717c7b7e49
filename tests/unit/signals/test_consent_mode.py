"""Google Consent Mode: who chose, and what only a tag assumed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.signals.consent_mode import decode_gcd, decode_gcs, read_consent_mode
from pipeline.signals.errors import CODES, SignalError

# (gcs, gcd, npa): statistics, marketing, problems, method; "" is not spoken of.
READ = [
    # gcd alone, one letter for all.
    (None, "11l1l1l1l5", False, "unknown", "unknown", "", "none"),
    (None, "11p1p1p1p5", False, "refused", "refused", "", "implied"),
    (None, "11q1q1q1q5", False, "refused", "refused", "", "explicit"),
    (None, "11t1t1t1t5", False, "unknown", "unknown", "implied", "none"),
    (None, "11r1r1r1r5", False, "given", "given", "", "explicit"),
    (None, "11m1m1m1m5", False, "refused", "refused", "", "explicit"),
    (None, "11n1n1n1n5", False, "given", "given", "", "explicit"),
    (None, "11u1u1u1u5", False, "refused", "refused", "", "explicit"),
    (None, "11v1v1v1v5", False, "given", "given", "", "explicit"),
    (None, "11z1z1z1z5", False, "unknown", "unknown", "", "none"),
    # Each letter has its own place: ads, analytics, user data, personalisation.
    (None, "11l1p1l1l5", False, "refused", "unknown", "", "implied"),
    (None, "11l1r1l1l5", False, "given", "unknown", "", "explicit"),
    (None, "11p1r1r1r5", False, "given", "refused", "", "explicit"),
    (None, "11r1r1q1r5", False, "given", "refused", "", "explicit"),
    (None, "11r1r1r1u5", False, "given", "refused", "", "explicit"),
    (None, "11r1r1l1l5", False, "given", "given", "", "explicit"),
    (None, "11r1r1t1r5", False, "given", "unknown", "implied", "explicit"),
    (None, "11r1t1r1r5", False, "unknown", "given", "implied", "explicit"),
    # A refusal beats a default beside it, which then is no problem.
    (None, "11t1r1p1t5", False, "given", "refused", "", "explicit"),
    # Digits and tail vary.
    (None, "13v3v3v2v9l1zz", False, "given", "given", "", "explicit"),
    # gcs alone cannot tell a choice from a default.
    ("G111", None, False, "unknown", "unknown", "implied", "none"),
    ("G100", None, False, "refused", "refused", "", "implied"),
    ("G101", None, False, "unknown", "refused", "implied", "implied"),
    ("G110", None, False, "refused", "unknown", "implied", "implied"),
    ("G1--", None, False, "unknown", "unknown", "", "none"),
    # Together gcd confirms.
    ("G111", "11r1r1r1r5", False, "given", "given", "", "explicit"),
    ("G111", "11n1v1n1n5", False, "given", "given", "", "explicit"),
    ("G111", "11t1t1t1t5", False, "unknown", "unknown", "implied", "none"),
    ("G111", "11l1l1l1l5", False, "unknown", "unknown", "implied", "none"),
    ("G100", "11p1p1p1p5", False, "refused", "refused", "", "implied"),
    ("G100", "11l1l1l1l5", False, "refused", "refused", "", "implied"),
    ("G1--", "11r1r1r1r5", False, "given", "given", "", "explicit"),
    # They disagree: the most restrictive holds.
    ("G111", "11p1p1p1p5", False, "refused", "refused", "disagree", "implied"),
    ("G100", "11r1r1r1r5", False, "refused", "refused", "disagree", "explicit"),
    ("G100", "11t1t1t1t5", False, "refused", "refused", "disagree", "implied"),
    ("G101", "11r1r1r1r5", False, "given", "refused", "disagree", "explicit"),
    ("G111", "11r1u1r1r5", False, "refused", "given", "disagree", "explicit"),
    # One that cannot be read keeps the other from granting, never from refusing.
    ("G2", "11r1r1r1r5", False, "unknown", "unknown", "bad_format", "explicit"),
    ("G111", "11", False, "unknown", "unknown", "bad_format implied", "none"),
    ("G100", "11", False, "refused", "refused", "bad_format", "implied"),
    ("g100", None, False, "unknown", "unknown", "bad_format", "none"),
    ("", "x" * 65, False, "unknown", "unknown", "empty too_long", "none"),
    ("x", "y", False, "unknown", "unknown", "bad_format", "none"),
    # npa refuses marketing, and says nothing of statistics.
    (None, None, True, "", "refused", "", "implied"),
    (None, "11r1r1r1r5", True, "given", "refused", "", "explicit"),
    ("G111", "11v1v1v1v5", True, "given", "refused", "", "explicit"),
    (None, None, False, "", "", "", "none"),
]


@pytest.mark.parametrize(
    ("gcs", "gcd", "npa", "statistics", "marketing", "problems", "method"), READ
)
def test_the_most_restrictive_of_all_parameters_holds(  # noqa: PLR0913 - a table
    *,
    gcs: str | None,
    gcd: str | None,
    npa: bool,
    statistics: str,
    marketing: str,
    problems: str,
    method: str,
) -> None:
    """Only what the visitor granted is given; a default is never consent."""
    read = read_consent_mode(gcs, gcd, npa=npa)
    expected = {"statistics": statistics, "marketing": marketing}

    assert {name: state for name, state in expected.items() if state} == read.states
    assert tuple(problems.split()) == read.problems
    assert ("consent_mode", method, frozenset()) == (
        read.source,
        read.method,
        read.flags,
    )


def test_parameters_decode_to_googles_names() -> None:
    """True, false and not asked for; letters as they stand."""
    assert {"ad_storage": True, "analytics_storage": False} == decode_gcs("G110")
    assert {"ad_storage": None, "analytics_storage": True} == decode_gcs("G1-1")
    assert {
        "ad_storage": "p",
        "analytics_storage": "r",
        "ad_user_data": "t",
        "ad_personalization": "u",
    } == decode_gcd("11p1r1t1u5")


@pytest.mark.parametrize(
    "text",
    ["", "G1", "G11", "G1111", "G112", "G211", "g111", "G111\n", "1G111", "GXYZ"],
)
def test_what_is_no_gcs_raises(text: str) -> None:
    """With a code, and without the text."""
    with pytest.raises(SignalError) as caught:
        decode_gcs(text)

    assert ("bad_format" if text else "empty") == caught.value.code
    assert str(caught.value).startswith("gcs: ")
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("11r1r1r1r", "bad_format"),
        ("11r1r1r5", "bad_format"),
        ("11R1R1R1R5", "bad_format"),
        ("21r1r1r1r5", "bad_format"),
        ("1r1r1r1r5", "bad_format"),
        (" 11r1r1r1r5", "bad_format"),
        ("11rr1r1r1r5", "bad_format"),
        ("11r1r1r1r5" + "l" * 55, "too_long"),
    ],
)
def test_what_is_no_gcd_raises(text: str, code: str) -> None:
    """Cut, in capitals, of another prefix, or endless."""
    with pytest.raises(SignalError) as caught:
        decode_gcd(text)

    assert code == caught.value.code
    assert str(caught.value).startswith("gcd: ")


texts = st.none() | st.text(max_size=12) | st.text("G1-0", max_size=5)
gcds = texts | st.from_regex(r"\A1[0-9](?:[a-z][0-9]){4}\Z")


@given(gcs=texts, gcd=gcds, npa=st.booleans())
def test_any_text_is_read_and_more_never_grants_more(
    gcs: str | None, gcd: str | None, *, npa: bool
) -> None:
    """Whatever is given together is given by gcd alone, by its visitor's letters."""
    read = read_consent_mode(gcs, gcd, npa=npa)
    alone = read_consent_mode(None, gcd)

    assert set(read.problems) <= {*CODES, "implied", "disagree"}
    for category, state in read.states.items():
        if state == "given":
            assert "given" == alone.states[category]
            assert "explicit" == read.method
        if alone.states.get(category) == "refused":
            assert "refused" == state
    if npa:
        assert "refused" == read.states["marketing"]
    if gcd:
        for end in range(len(gcd)):
            cut = read_consent_mode(gcs, gcd[:end], npa=npa)
            given_ = {name for name, state in cut.states.items() if state == "given"}
            assert given_ <= {
                name for name, state in read.states.items() if state == "given"
            }
