"""Fixtures of the attacks: the API of the API's tests."""

from tests.services.api.conftest import site, site_in_process

__all__ = ["site", "site_in_process"]
