"""Host names and origins: compared in the form that a browser sends. Each case names its rule."""

import pytest

from services.api.auth.origins import is_listed, normalize_origin
from services.deciders.host_names import decode_host, encode_host

UTS46 = "UTS #46 §4, non-transitional, which WHATWG URL §3.3 (domain to ASCII) uses"
WHATWG_HOST = "WHATWG URL §3.5, host parser"
RFC5891 = "RFC 5891 §4.4, punycode of a label"

HOSTS = [
    ("straße.example", "xn--strae-oqa.example", "straße.example", UTS46),
    ("STRAẞE.example", "xn--strae-oqa.example", "straße.example", UTS46),
    ("strasse.example", "strasse.example", "strasse.example", UTS46),
    ("νίκος.example", "xn--kxawhkp.example", "νίκος.example", UTS46),
    ("ΝΊΚΟΣ.example", "xn--kxawhku.example", "νίκοσ.example", UTS46),
    ("ＡＢＣ.example", "abc.example", "abc.example", UTS46),
    ("a。b.example", "a.b.example", "a.b.example", UTS46),
    ("cafe\u0301.example", "xn--caf-dma.example", "café.example", UTS46),
    ("München.Example", "xn--mnchen-3ya.example", "münchen.example", UTS46),
    ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example", "münchen.example", RFC5891),
    ("XN--MNCHEN-3YA.example", "xn--mnchen-3ya.example", "münchen.example", RFC5891),
    ("☃.example", "xn--n3h.example", "☃.example", WHATWG_HOST),
    ("a_b.example", "a_b.example", "a_b.example", WHATWG_HOST),
    ("127.0.0.1", "127.0.0.1", "127.0.0.1", WHATWG_HOST),
    ("[0:0:0:0:0:0:0:1]", "[::1]", "[::1]", WHATWG_HOST),
]


@pytest.mark.parametrize(("name", "ascii_form", "unicode_form", "source"), HOSTS)
def test_a_host_has_one_ascii_form_and_one_unicode_form(
    name: str, ascii_form: str, unicode_form: str, source: str
) -> None:
    assert encode_host(name) == ascii_form, source
    assert decode_host(name) == unicode_form, source
    assert encode_host(unicode_form) == ascii_form, source


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("", WHATWG_HOST), ("a b.example", WHATWG_HOST), ("a..example", WHATWG_HOST),
        ("%41.example", WHATWG_HOST), ("\ud800.example", UTS46), ("1.2.3.4.5", WHATWG_HOST),
        ("300.1.1.1", WHATWG_HOST), ("[::1%eth0]", WHATWG_HOST), ("ü" * 60 + ".example", RFC5891),
    ],
)  # fmt: skip
def test_a_text_that_is_no_host_is_refused(name: str, source: str) -> None:
    with pytest.raises(ValueError, match="is not a host name"):
        encode_host(name)
    assert source


@pytest.mark.parametrize(
    ("typed", "sent_by_browser"),
    [
        ("https://straße.example", "https://xn--strae-oqa.example"),
        ("https://ΝΊΚΟΣ.example/", "https://xn--kxawhku.example"),
        ("https://☃.example:443", "https://xn--n3h.example"),
        ("https://[0::1]:8443", "https://[::1]:8443"),
    ],
)
def test_an_allowed_origin_is_what_a_browser_sends(typed: str, sent_by_browser: str) -> None:
    assert normalize_origin(typed) == sent_by_browser
    assert is_listed(sent_by_browser, [typed])


def test_names_that_only_case_folding_makes_equal_are_two_origins() -> None:
    assert not is_listed("https://strasse.example", ["https://straße.example"])
    assert not is_listed("https://xn--strae-oqa.example", ["https://strasse.example"])
    assert not is_listed("null", ["null"])
    assert not is_listed("https://a.example", ["*"])
