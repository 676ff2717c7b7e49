"""US Privacy strings: four characters, and all else opts out."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.signals.errors import CODES, SignalError
from pipeline.signals.reading import Reading
from pipeline.signals.us_privacy import decode_us_privacy, read_us_privacy

ALL = ["1" + "".join(rest) for rest in itertools.product("YN-", repeat=3)]


@pytest.mark.parametrize("text", ALL)
def test_the_third_character_alone_opts_out(text: str) -> None:
    """Y is opted out; N and not applicable are not."""
    decoded = decode_us_privacy(text)
    read = read_us_privacy(text)

    assert (1, text[1], text[2], text[3]) == (
        decoded.Version,
        decoded.Notice,
        decoded.OptOutSale,
        decoded.LspaCovered,
    )
    assert ["Version", "Notice", "OptOutSale", "LspaCovered"] == list(decoded.as_dict())
    assert text == "".join(str(value) for value in decoded.as_dict().values())
    assert ({"sale_opt_out"} if text[2] == "Y" else set()) == read.flags
    assert ("us_privacy", {}, ()) == (read.source, read.states, read.problems)
    assert ("explicit" if text[2] == "Y" else "none") == read.method


BAD = [
    ("", "empty"),
    ("1", "bad_format"),
    ("1YN", "bad_format"),
    ("1YNNN", "too_long"),
    ("1YNN\n", "too_long"),
    ("1ynn", "bad_format"),
    ("2YNN", "bad_format"),
    ("1Y N", "bad_format"),
    ("1Y0N", "bad_format"),
    ("YNN1", "bad_format"),
    ("1YN\n", "bad_format"),
    ("\uff11YNN", "bad_format"),
    ("null", "bad_format"),
]


@pytest.mark.parametrize(("text", "code"), BAD)
def test_what_is_no_us_privacy_string_counts_as_opted_out(text: str, code: str) -> None:
    """Decoding raises, reading does not; neither repeats the text."""
    with pytest.raises(SignalError) as caught:
        decode_us_privacy(text)

    assert code == caught.value.code
    assert not text or text not in str(caught.value)
    assert Reading(
        "us_privacy", {}, frozenset({"sale_opt_out"}), "none", problems=(code,)
    ) == read_us_privacy(text)


def test_a_decoded_string_is_silent_and_fixed() -> None:
    """As all signals are."""
    decoded = decode_us_privacy("1YNN")

    assert "<UsPrivacy>" == repr(decoded) == str(decoded)
    with pytest.raises(AttributeError):
        decoded.OptOutSale = "N"  # type: ignore[misc]


@given(st.one_of(st.text(max_size=8), st.text("1YN-", max_size=5)))
def test_any_text_is_read(text: str) -> None:
    """Nothing but the 27 strings is without a problem."""
    read = read_us_privacy(text)

    assert (text in ALL) == (read.problems == ())
    assert {"sale_opt_out"} == read.flags or text in ALL
    assert set(read.problems) <= set(CODES)
