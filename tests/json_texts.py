"""JSON texts that parsers read differently, with the value that the core reads or its refusal.

Sources: RFC 8259 section 4 (names SHOULD be unique), section 6 (NaN and Infinity are no numbers;
numbers beyond a double), section 8.1 (UTF-8 only), RFC 7493 (I-JSON) sections 2.1 to 2.3.
"""

REFUSED_TEXTS = {
    "NaN": (b'{"a": NaN}', "expected a JSON value"),
    "Infinity": (b'{"a": Infinity}', "expected a JSON value"),
    "-Infinity": (b'{"a": -Infinity}', "no digit after sign"),
    "a number beyond a double": (b'{"a": 1e400}', "infinity"),
    "an integer beyond a double": (b'{"a": 1' + b"0" * 400 + b"}", "infinity"),
    "a key twice": (b'{"a": 1, "a": 1}', "the key 'a' occurs twice"),
    "a key twice, once escaped": (b'{"a": 1, "\\u0061": 2}', "the key 'a' occurs twice"),
    "a key twice in an inner object": (b'{"b": [{"a": 1, "c": 2, "a": 3}]}', "'a' occurs twice"),
    "a lone surrogate": (b'{"a": "\\ud800"}', "surrogate"),
    "Latin-1": (b'{"a": "\xe9"}', "UTF-8"),
    "a byte order mark": (b'\xef\xbb\xbf{"a": 1}', "byte order mark"),
    "a comma at the end": (b'{"a": 1,}', "trailing comma"),
    "a comment": (b'{"a": 1} // one', "after"),
    "very deep nesting": (b'{"a": ' + b"[" * 1_000 + b"]" * 1_000 + b"}", "nested too deeply"),
}
"""Kind → (the text, a part of the refusal)."""

READ_TEXTS: dict[str, tuple[bytes, object]] = {
    "the largest integer of 64 bits": (b'{"a": 18446744073709551615}', 2**64 - 1),
    "the smallest integer of 64 bits": (b'{"a": -9223372036854775808}', -(2**63)),
    "an integer of more bits": (b'{"a": 18446744073709551616}', 2.0**64),
    "an integer of many digits": (b'{"a": 123456789012345678901234567890}', 1.2345678901234568e29),
    "a number too small for a double": (b'{"a": 1e-400}', 0.0),
    "the same key in two objects": (b'{"a": {"b": 1}, "b": {"a": 2}}', {"b": 1}),
}
"""Kind → (the text, the value of its field `a`)."""
