"""Consistency tokens of responses, decrypted, and tokens of any content, encrypted."""

import httpx2

from events.log.secret_keys import load_secret_keys
from events.log.token import Token
from services.api.consistency import TOKEN_HEADER, decrypt_token, encrypt_token
from tests.services.api.site import Site


async def read_token(site: Site, response: httpx2.Response) -> Token:
    """Return the content of a response's consistency token."""
    async with site.world.pool.acquire() as conn:
        keys = await load_secret_keys(conn, "consistency_token")
    return decrypt_token(keys, response.headers[TOKEN_HEADER])


async def make_token(site: Site, token: Token) -> str:
    """Return a token as the core would issue it."""
    async with site.world.pool.acquire() as conn:
        return encrypt_token(await load_secret_keys(conn, "consistency_token"), token)
