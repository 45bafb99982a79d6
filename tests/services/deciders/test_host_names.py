"""The limits of host names; their spellings are in the text cases."""

import pytest

from services.deciders.host_names import decode_host, encode_host


def name_of_length(length: int) -> str:
    """Return a name of labels that are short enough."""
    return ".".join(["a" * 49] * 6)[: length - 2] + ".b"


@pytest.mark.parametrize(("name", "is_host"), [
    ("a" * 63 + ".example", True), ("a" * 64 + ".example", False),
    (name_of_length(253), True), (name_of_length(254), False),
])  # fmt: skip
def test_a_name_and_its_labels_have_a_longest_length(name: str, is_host: bool) -> None:
    if is_host:
        assert encode_host(name) == name
        return
    with pytest.raises(ValueError, match="is not a host name"):
        encode_host(name)


@pytest.mark.parametrize("label", [
    "xn--strasse-", "xn--a-ecp", "xn--99999999", "xn--MNCHEN-3ya-a",
])  # fmt: skip
def test_a_label_that_only_looks_encoded_stays_as_it_is(label: str) -> None:
    encoded = encode_host(f"{label}.example")
    assert decode_host(f"{label}.example") == encoded


def test_a_label_with_an_underscore_is_decoded() -> None:
    """A browser does not apply the rules for ASCII characters of STD 3."""
    encoded = encode_host("_münchen.example")
    assert encoded.startswith("xn--")
    assert decode_host(encoded) == "_münchen.example"
