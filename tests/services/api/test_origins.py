"""Normalisation of origins to the form in which browsers send them."""

import pytest

from services.api.auth.origins import normalize_origin


@pytest.mark.parametrize(
    ("origin", "normalized"),
    [
        ("https://a.example", "https://a.example"), ("https://a.example/", "https://a.example"),
        (" HTTPS://A.Example:443/ ", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://[::1]:8080", "https://[::1]:8080"), ("http://127.0.0.1", "http://127.0.0.1"),
        ("https://münchen.example", "https://xn--mnchen-3ya.example"),
    ],
)  # fmt: skip
def test_an_origin_is_normalized_to_the_form_that_browsers_send(
    origin: str, normalized: str
) -> None:
    assert normalize_origin(origin) == normalized
    assert normalize_origin(normalized) == normalized


@pytest.mark.parametrize(
    "origin",
    [
        "", " ", "null", "*", "a.example", "//a.example", "https://", "https:///x", "https://*",
        "https://*.a.example", "https://a.example/x", "https://a.example//", "https://a.example?",
        "https://a.example#", "https://a.example\\x", "https://u@a.example", "https://u:p@a.example",
        "https://a.example:", "https://a.example:0", "https://a.example:65536",
        "https://a.example:x", "https://a b.example", "https://a\t.example", "https://a..example",
        "https://[::1", "https://[::1%eth0]", "https://" + "a" * 64 + ".example",
        "ftp://a.example", "file:///etc/passwd", "javascript:alert(1)", "data:text/html,x",
        "https://a.example\x00", "https://\ud800.example", "https://a.example\r\nX: y",
    ],
)  # fmt: skip
def test_a_text_that_is_not_an_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        normalize_origin(origin)
