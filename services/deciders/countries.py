"""The country of a property, in which phone numbers and dates are read."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import phonenumbers

DEFAULT_COUNTRY = "US"
"""The country of a property whose settings, address and time zone name none."""
_KEYS = ("country", "country_code", "countryCode")
_LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl")
_OTHER_NAMES = {
    "usa": "US", "u.s.": "US", "u.s.a.": "US", "united states of america": "US", "america": "US",
    "uk": "GB", "u.k.": "GB", "gbr": "GB", "great britain": "GB", "england": "GB",
    "scotland": "GB", "wales": "GB", "northern ireland": "GB", "can": "CA", "mex": "MX",
    "deu": "DE", "aut": "AT", "che": "CH", "fra": "FR", "esp": "ES", "ita": "IT", "nld": "NL",
    "irl": "IE", "aus": "AU", "nzl": "NZ",
}  # fmt: skip


def find_country(settings: Mapping[str, Any], address: Mapping[str, Any]) -> str:
    """Return the country of a property as two letters (ISO 3166-1).

    It is the first of: the country in the property's settings, the one in its address, the one of
    its time zone, `DEFAULT_COUNTRY`. A country may be a code or a name.
    """
    for values in (settings, address):
        for key in _KEYS:
            if country := _read_country(values.get(key)):
                return country
    zone = settings.get("timezone")
    country = _countries_by_zone().get(zone) if isinstance(zone, str) else None
    return country if country in phonenumbers.SUPPORTED_REGIONS else DEFAULT_COUNTRY


def _read_country(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    text = " ".join(value.split())
    if text.upper() in phonenumbers.SUPPORTED_REGIONS:
        return text.upper()
    return _countries_by_name().get(text.casefold())


@cache
def _countries_by_name() -> Mapping[str, str]:
    names = {
        name.casefold(): country
        for country, by_language in _load_names().items()
        for language in _LANGUAGES
        if country in phonenumbers.SUPPORTED_REGIONS
        and (name := _name_in(by_language, language)) is not None
    }
    return names | _OTHER_NAMES


def _load_names() -> Mapping[str, Mapping[str, str]]:
    """Return country → language → name, from a file of `phonenumbers`.

    An import of its package loads the places of all phone numbers too: 0.4 s and 95 MB.
    """
    file = files("phonenumbers") / "geodata" / "locale.py"
    spec = spec_from_file_location("phonenumbers.geodata.locale", str(file))
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be read: install the pinned version of phonenumbers")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    names: Mapping[str, Mapping[str, str]] = module.LOCALE_DATA
    return names


def _name_in(by_language: Mapping[str, str], language: str) -> str | None:
    """Return a country's name; a name `*xx` stands for the name in the language `xx`."""
    name = by_language.get(language)
    return by_language.get(name[1:]) if name and name.startswith("*") else name


@cache
def _countries_by_zone() -> Mapping[str, str]:
    """Return time zone → country, from the table `zone.tab` of the time zone database."""
    table = (files("tzdata.zoneinfo") / "zone.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return {row[2]: row[0] for row in rows if len(row) > 2}
