"""The country of a property: from its settings, its address or its zone. Each case has a source."""

from typing import Any

import pytest

from services.deciders.countries import find_country

COUNTRIES: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({}, {"country": "GB"}, "GB", "the address"),
    ({"country": "de"}, {"country": "GB"}, "DE", "the settings come first"),
    ({}, {"country": "United Kingdom"}, "GB", "CLDR, the English name"),
    ({}, {"country": "Deutschland"}, "DE", "CLDR, the German name"),
    ({}, {"country": " united\tKINGDOM "}, "GB", "typed with other spaces and letters"),
    ({}, {"country": "Andorra"}, "AD", "CLDR, a name that several languages share"),
    ({}, {"country": "USA"}, "US", "ISO 3166-1 alpha-3"),
    ({}, {"country": "UK"}, "GB", "ISO 3166-1, reserved for GB"),
    ({"timezone": "Europe/London"}, {}, "GB", "IANA zone.tab"),
    ({"timezone": "America/Chicago"}, {"country": 7}, "US", "IANA zone.tab"),
    ({"timezone": "Europe/Berlin"}, {}, "DE", "IANA zone.tab, a row with a comment"),
    ({"timezone": "Antarctica/McMurdo"}, {}, "US", "ITU: no phone numbers of its own"),
    ({}, {"country": "Antarctica"}, "US", "ITU: no phone numbers of its own"),
    ({"timezone": 7}, {"country_code": "AQ", "countryCode": "fr"}, "FR", "the next key"),
    ({"timezone": "Mars/Olympus"}, {"country": "Atlantis"}, "US", "the default"),
    ({}, {}, "US", "the default"),
]


@pytest.mark.parametrize(("settings", "address", "country", "source"), COUNTRIES)
def test_a_property_has_a_country(
    settings: dict[str, Any], address: dict[str, Any], country: str, source: str
) -> None:
    assert find_country(settings, address) == country, source
