"""Properties: what only their name gives away."""

import pytest

from pipeline.redaction.keys import redact_named
from pipeline.redaction.version import redact_version


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("password", "hunter2", "[secret]"),
        ("userPassword", "hunter2", "[secret]"),
        ("new-passwd.1", "hunter2", "[secret]"),
        ("pass", "hunter2", "[secret]"),
        ("passWord", "hunter2", "[secret]"),
        ("PASSWORD", "hunter2", "[secret]"),
        ("user[password]", "hunter2", "[secret]"),
        ("api_key", "abc", "[secret]"),
        ("apiKey", "abc", "[secret]"),
        ("APIKey", "abc", "[secret]"),
        ("x-private-key", "abc", "[secret]"),
        ("csrfToken", "abc", "[secret]"),
        ("authorization", "Basic x", "[secret]"),
        ("session_id", "7", "[secret]"),
        ("card_pin", "1234", "[secret]"),
        ("phone", "0170 1234567", "[phone]"),
        ("mobileNumber", "01701234567", "[phone]"),
        ("tel", "030/123456", "[phone]"),
        ("card", "4111 1111 1111 1112", "[card]"),
        ("cc_number", "411111111111", "[card]"),
        ("iban", "DE00 3704 0044", "[iban]"),
        ("passport_no", "C01X00T478", "[ssn]"),
        ("e_mail", "jane@localhost", "[email]"),
        ("email_address", "Jane <jane@example.com>", "[email]"),
        ("first_name", "Jane", "[contact]"),
        ("lastName", "Doe", "[contact]"),
        ("username", "jane77", "[contact]"),
        ("login", "jane77", "[contact]"),
        ("billing.street", "Main St 1", "[contact]"),
        ("birth_year", "1977", "[contact]"),
        ("lat", "52.5200066", "[location]"),
        ("geo", "52.520,13.405", "[location],[location]"),
        ("homeLongitude", "-13.404954", "[location]"),
        ("lng", "13404954", "[location]"),
        ("coords", "POINT(13.404954 52.5)", "POINT([location] 52.5)"),
    ],
)
def test_the_name_tells(name: str, value: str, kept: str) -> None:
    """A name of whole words says what the value is."""
    assert kept == redact_named(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("plan", "pro"),
        ("seats", "12"),
        ("name", "Blue shirt"),
        ("product_name", "Blue shirt"),
        ("token_count", "512"),
        ("tokens", "512"),
        ("password_strength", "good"),
        ("session_duration", "12"),
        ("login_method", "google"),
        ("phone_model", "iPhone 15"),
        ("phone", "Pixel 9"),
        ("mobile", "yes"),
        ("card_type", "visa"),
        ("card", "visa"),
        ("email", "weekly"),
        ("passenger", "2"),
        ("season_pass", "gold"),
        ("author", "7"),
        ("spinner", "9"),
        ("street_count", "3"),
        ("translate", "1.23456"),
        ("lat", "52.52"),
        ("location", "Berlin"),
        ("password", ""),
        ("7", "x"),
        ("", "x"),
    ],
)
def test_other_names_tell_nothing(name: str, value: str) -> None:
    """Words inside of words, and properties of a thing, leave the value alone."""
    assert value == redact_named(name, value)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("1.2.3", "1.2.3"),
        ("1.2.0.4", "1.2.0.4"),
        ("v2.0.0-rc.1+3f2a1b9", "v2.0.0-rc.1+3f2a1b9"),
        ("139.0.7258.66", "139.0.7258.66"),
        ("203.0.113.7", ""),
        ("a@b.example", ""),
        ("1.2 of Jane", ""),
        ("+4915123456789", ""),
        ("d41d8cd98f00b204e9800998ecf8427e", ""),
        ("1" * 33, ""),
        ("1.2\n", ""),
        ("", ""),
    ],
)
def test_version(text: str, kept: str) -> None:
    """A version is short and of few characters; nothing else is kept."""
    assert kept == redact_version(text)
