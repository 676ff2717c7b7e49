"""`kastana consent decode` and `decide`: lines in, one JSON object a line out."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from collector.cli import cli
from tests.tc_strings import CREATED_MS, encode_tc

WHEN = CREATED_MS + 86_400_000


def run(command: str, *lines: object) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code and what was printed."""
    text = "\n".join(
        line if isinstance(line, str) else json.dumps(line) for line in lines
    )
    done = CliRunner().invoke(cli, ["consent", command], input=text)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, [json.loads(line) for line in done.output.splitlines()]


def decide(**line: Any) -> dict[str, Any]:
    """Return the decision on one line."""
    code, (told,) = run("decide", line)
    assert code == 0, told
    return told


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (encode_tc(cmp_id=31), {"kind": "tcf", "Version": 2, "CmpId": 31}),
        ("DBABLA~CVVVkkkkkpFY.YA", {"kind": "gpp", "sectionIds": [7]}),
        ("1YNN", {"kind": "us_privacy", "OptOutSale": "N"}),
        ("G101", {"kind": "gcs", "ad_storage": False, "analytics_storage": True}),
        ("11r1p1l1t5", {"kind": "gcd", "analytics_storage": "p"}),
        ("us_privacy=1YYN", {"kind": "us_privacy", "OptOutSale": "Y"}),
        ("usprivacy=1YYN", {"kind": "us_privacy", "OptOutSale": "Y"}),
        (f"euconsent-v2={encode_tc()}", {"kind": "tcf"}),
        ("gdpr_consent=${GDPR_CONSENT}", {"kind": "absent"}),
        ("cookieconsent_status=deny", {"kind": "cookie", "cmp": "osano"}),
        ("klaro=%7B%22matomo%22%3Atrue%7D", {"cmp": "klaro"}),
    ],
)
def test_decode(line: str, expected: dict[str, Any]) -> None:
    """Each kind of string is known by its form, or by its name."""
    code, (told,) = run("decode", line)
    assert code == 0
    assert expected.items() <= told.items()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("CPw", "truncated"),
        (encode_tc()[:-1] + "=", "bad_character"),
        ("BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA", "bad_version"),
        ("1YXN", "bad_format"),
        ("1YYNN", "too_long"),
        ("what is this", "unknown_format"),
        ("session=1", "unknown_format"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}", "unknown_format"),
    ],
)
def test_decode_says_what_is_wrong(line: str, code: str) -> None:
    """A line that cannot be read is an error with a code, and no quotation."""
    exit_code, (told,) = run("decode", line)
    assert exit_code == 1
    assert told["error"]["code"] == code
    assert line not in json.dumps(told, ensure_ascii=False)


def test_one_bad_line_does_not_hide_the_others() -> None:
    """Each line has its answer, in order; empty ones have none."""
    code, told = run("decode", "CPw", "", "1YNN")
    assert code == 1
    assert ["error" in one for one in told] == [True, False]


def test_decode_of_bytes_that_are_no_text() -> None:
    """A line that is not UTF-8 is an error as any other."""
    done = CliRunner().invoke(cli, ["consent", "decode"], input=b"\xff\xfe\n")
    assert json.loads(done.output)["error"]["code"] == "bad_character"


def test_decide_names_row_pack_and_reasons() -> None:
    """A decision can be looked up in the table."""
    told = decide(consent={"statistics": True}, context={"place": "DE"})
    assert (told["outcome"], told["row"]) == ("identified", "3")
    assert told["regime"] == "eu_strict"
    assert told["reasons"] == ["consent_given"]
    assert told["categories"]["marketing"] == {
        "state": "unknown",
        "outcome": "dropped",
        "row": "5",
        "reasons": ["no_consent"],
    }


def test_decide_reads_what_a_request_carries() -> None:
    """Strings, headers and cookies, flat or in the consent object."""
    auto = {"time": WHEN, "site": {"rules": ["auto"]}}
    string = encode_tc(publisher_purpose_consents=range(1, 12))
    flat = decide(gdpr="1", gdpr_consent=string, context={**auto, "place": "DE"})
    assert (flat["outcome"], flat["sources"]) == ("identified", ["tcf"])
    inside = decide(
        consent={"gdpr": 1, "gdpr_consent": string}, context={**auto, "place": "DE"}
    )
    assert inside == flat
    gpc = decide(headers={"Sec-GPC": "1"}, context={**auto, "place": "DE"})
    assert gpc["flags"] == ["gpc"]
    cookie = decide(cookies={"usprivacy": "1YYN"}, context={"place": "US-CA"})
    assert cookie["flags"] == ["sale_opt_out"]
    tagged = decide(tfcd="1", npa="1", context={"place": "DE"})
    assert "child" in tagged["flags"]
    assert tagged["categories"]["marketing"]["state"] == "refused"


def test_decide_under_other_circumstances() -> None:
    """Event, category, door, switches, withdrawals and flags may be stated."""
    yes = {"statistics": True, "marketing": True}
    essential = decide(consent=yes, context={"event": "exception"})
    assert essential["category"] == "essential"
    marketing = decide(consent=yes, context={"category": "marketing"})
    assert marketing["outcome"] == "identified"
    withdrawn = decide(consent=yes, context={"withdrawn": ["statistics"]})
    assert withdrawn["reasons"] == ["consent_withdrawn"]
    erased = decide(consent=yes, context={"flags": ["erased"]})
    assert (erased["outcome"], erased["row"]) == ("dropped", "1")
    uncounted = decide(context={"site": {"switches": []}})
    assert uncounted["outcome"] == "dropped"
    unasked = decide(context={"event": "email_open"})
    assert unasked["row"] == "19"


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        ("[]", "not_an_event", ""),
        ("{", "not_json", ""),
        ({"unheard": 1}, "bad_format", ""),
        ({"consent": {"unheard": 1}}, "bad_format", ""),
        ({"consent": {"statistics": "maybe"}}, "bad_format", ""),
        ({"consent": {"updated_at": "soon"}}, "bad_time", ""),
        ({"consent": [], "gdpr": 1}, "wrong_type", "consent"),
        ({"context": {"event": "unheard"}}, "unknown_event", "context.event"),
        ({"context": {"place": "Germany"}}, "bad_format", ""),
        ({"context": {"flags": ["unheard"]}}, "bad_format", "context.flags"),
        ({"context": {"site": {"rules": ["unheard"]}}}, "bad_format", "context.site"),
    ],
)
def test_decide_says_what_is_wrong(line: object, code: str, field: str) -> None:
    """A line that cannot be decided is an error with a code."""
    exit_code, (told,) = run("decide", line)
    assert exit_code == 1
    assert (told["error"]["code"], told["error"]["field"]) == (code, field)
