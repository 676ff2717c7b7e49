"""What Hypothesis draws from: consent, sites, JSON, bytes, events."""

from typing import Any

from hypothesis import strategies as st

from schemas.consent import CATEGORIES, FLAGS, ConsentState
from schemas.site import Site

STATES = ("unknown", "requested", "given", "refused", "withdrawn", "expired")
RULES = (("eu_strict",), ("eu_fr_exempt",), ("us_other",), ("auto",))

states = st.sampled_from(STATES)
flags = st.lists(st.sampled_from(sorted(FLAGS)), unique=True, max_size=4).map(
    lambda names: tuple(sorted(names))
)
categories = st.sampled_from(CATEGORIES)

sites = st.builds(
    Site,
    name=st.just("example.com"),
    rules=st.sampled_from(RULES),
)
consents = st.builds(
    ConsentState,
    preference=states,
    statistics=states,
    marketing=states,
    precise_location=states,
    flags=flags,
)

# Any Unicode text but lone surrogates, which JSON cannot carry.
texts = st.text(st.characters(codec="utf-8"), max_size=40)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)
    ),
    max_leaves=8,
)


def json_objects(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects that have some of these keys, with any JSON in them."""
    keys = st.one_of(st.sampled_from(names), texts)
    return st.dictionaries(keys, json_values, max_size=8)
