"""The school's own sign-on, by OpenID Connect: the authorization code flow with PKCE.

Authlib writes the request and checks the id token's claims, joserfc (its own library for that) the
signature, httpx fetches. Authlib's integration for Starlette is not used: it needs a session before
anybody has signed on, takes a provider's word on algorithms, and compares neither the audience nor
the issuer that the discovery names.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import quote_plus, urlsplit

import httpx
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from pydantic import Field, SecretStr, model_validator

from services.notify.secret_settings import SecretSettings
from shared.telemetry import note

_SECONDS = 5.0
_KEPT_SECONDS = 3600.0
"""How long a provider's own description is believed before it is asked for anew."""

_LEEWAY = 60
"""Seconds by which a provider's clock may differ."""

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""Signatures by a key that only the provider has; never a shared secret, never none."""


class OidcSettings(SecretSettings):
    """The provider, such as a municipality's Entra ID or ADFS; an empty issuer turns it off."""

    oidc_issuer: str = Field(default="", description="As its discovery document names it.")
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    oidc_client_secret_file: str = ""
    oidc_scope: str = "openid email"
    oidc_claim: str = Field(default="email", description="Which claim says who somebody is.")
    oidc_matches: Literal["email", "staff"] = Field(
        default="email", description="What the claim holds: a work address, or the staff id."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> "OidcSettings":
        parts = urlsplit(self.oidc_issuer)
        is_here = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}
        if self.oidc_issuer and parts.scheme != "https" and not is_here:
            raise ValueError("NARVARA_OIDC_ISSUER is no https address; name the provider's")
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("NARVARA_OIDC_ISSUER is set without NARVARA_OIDC_CLIENT_ID; set both")
        if "openid" not in self.oidc_scope.split():
            raise ValueError("NARVARA_OIDC_SCOPE has no openid in it; add it")
        return self


class Sought(NamedTuple):
    """What only the browser keeps between leaving for the provider and coming back."""

    state: str
    nonce: str
    verifier: str
    then: str
    """Where it goes after the sign-on."""


class SignOnError(Exception):
    """No sign-on came of it; `reason` is a word of ours and tells nothing of the person."""

    def __init__(self, reason: Literal["cancelled", "down", "refused"]) -> None:
        super().__init__(reason)
        self.reason = reason


class SchoolAccount:
    """Sends browsers to the provider, and reads what it says of whoever comes back."""

    def __init__(self, settings: OidcSettings, back: str, clock: Callable[[], float]) -> None:
        """`back`: our own address that the provider sends browsers to. `clock`: Unix seconds."""
        self._settings = settings
        self._back = back
        self._clock = clock
        self._discovered: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._until = 0.0

    async def address(self, sought: Sought) -> str:
        """Where a browser signs on; raises `SignOnError`."""
        provider = await self._provider()
        return str(
            prepare_grant_uri(
                provider["authorization_endpoint"],
                self._settings.oidc_client_id,
                "code",
                redirect_uri=self._back,
                scope=self._settings.oidc_scope,
                state=sought.state,
                nonce=sought.nonce,
                code_challenge=create_s256_code_challenge(sought.verifier),
                code_challenge_method="S256",
            )
        )

    async def accounts(self, sought: Sought, answer: Mapping[str, str]) -> frozenset[str]:
        """Under which accounts somebody has signed on, by the query they came back with.

        Empty: they have none of the kind that the settings name. Raises `SignOnError`.
        """
        if answer.get("error") == "access_denied":
            raise SignOnError("cancelled")
        is_other = answer.get("iss", self._settings.oidc_issuer) != self._settings.oidc_issuer
        if is_other or not answer.get("code"):  # RFC 9207
            raise SignOnError("refused")
        provider = await self._provider()
        try:
            async with httpx.AsyncClient(timeout=_SECONDS) as client:
                token = await self._token(client, provider, answer["code"], sought.verifier)
                claims = await self._checked(provider, token, sought.nonce)
                if self._settings.oidc_claim not in claims and "userinfo_endpoint" in provider:
                    claims = await _more(client, provider, token, claims)
        except (httpx.HTTPError, httpx.InvalidURL):
            raise SignOnError("down") from None
        # Their words may quote what was met.
        except (JoseError, LookupError, TypeError, ValueError):
            raise SignOnError("refused") from None
        return _accounts(claims, self._settings.oidc_claim)

    async def sign_out_address(self) -> str:
        """Where a browser signs out of the school's account; empty: the provider has no such place.

        By OpenID Connect RP-Initiated Logout. Neither an id token, which holds personal data and
        would stand in an address, nor a page to come back to, which IT would have to register, is
        sent along: both are optional. Raises `SignOnError`.
        """
        provider = await self._provider()
        place = provider.get("end_session_endpoint")
        if not isinstance(place, str):
            return ""
        return str(add_params_to_uri(place, [("client_id", self._settings.oidc_client_id)]))

    async def _token(
        self, client: httpx.AsyncClient, provider: Mapping[str, Any], code: str, verifier: str
    ) -> Mapping[str, Any]:
        """What the provider gives for a code; raises `SignOnError` when it gives nothing."""
        settings = self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": verifier,
        }
        mine, headers = {"client_id": settings.oidc_client_id}, {}
        if secret := settings.oidc_client_secret.get_secret_value():
            ways = provider.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
            if "client_secret_basic" in ways:
                headers["Authorization"] = _basic(mine.pop("client_id"), secret)
            else:
                mine["client_secret"] = secret
        answer = await client.post(provider["token_endpoint"], data=form | mine, headers=headers)
        if answer.status_code in {400, 401}:
            note("provider gives no token", status=answer.status_code)
            raise SignOnError("refused")
        answer.raise_for_status()
        return _an_object(answer)

    async def _provider(self) -> Mapping[str, Any]:
        """What the provider says of itself; raises `SignOnError`."""
        if self._clock() >= self._until:
            issuer = self._settings.oidc_issuer
            found = await self._fetched(issuer.rstrip("/") + "/.well-known/openid-configuration")
            wanted = {"authorization_endpoint", "token_endpoint", "jwks_uri"}
            if found.get("issuer") != issuer or not wanted <= found.keys():
                note(
                    "provider unusable", why="its discovery names another issuer, or lacks a field"
                )
                raise SignOnError("down")
            self._discovered, self._keys = found, None
            self._until = self._clock() + _KEPT_SECONDS
        return self._discovered

    async def _fetched(self, url: str) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=_SECONDS) as client:
                response = await client.get(url)
            response.raise_for_status()
            return _an_object(response)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            raise SignOnError("down") from None

    async def _checked(
        self, provider: Mapping[str, Any], token: Mapping[str, Any], nonce: str
    ) -> Mapping[str, Any]:
        """The claims of an id token that the provider signed, for us, now, for this sign-on."""
        registry = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
        try:
            signed = jwt.decode(token["id_token"], await self._key_set(provider), registry=registry)
        except InvalidKeyIdError:
            # The provider has changed its keys since.
            self._keys = None
            signed = jwt.decode(token["id_token"], await self._key_set(provider), registry=registry)
        wanted = {
            "iss": {"essential": True, "value": self._settings.oidc_issuer},
            "aud": {"essential": True, "value": self._settings.oidc_client_id},
        }
        proved = {
            "nonce": nonce,
            "client_id": self._settings.oidc_client_id,
            "access_token": token.get("access_token"),
        }
        claims = CodeIDToken(signed.claims, signed.header, wanted, proved)
        claims.validate(now=int(self._clock()), leeway=_LEEWAY)
        return dict(claims)

    async def _key_set(self, provider: Mapping[str, Any]) -> KeySet:
        if self._keys is None:
            found: Any = await self._fetched(provider["jwks_uri"])
            self._keys = KeySet.import_key_set(found)
        return self._keys


def _basic(client: str, secret: str) -> str:
    """Both are written as in a form before they are joined (RFC 6749, section 2.3.1)."""
    both = f"{quote_plus(client)}:{quote_plus(secret)}"
    return f"Basic {b64encode(both.encode()).decode()}"


async def _more(
    client: httpx.AsyncClient,
    provider: Mapping[str, Any],
    token: Mapping[str, Any],
    claims: Mapping[str, Any],
) -> Mapping[str, Any]:
    """The claims, and what more the provider says of the same person."""
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    answer = await client.get(provider["userinfo_endpoint"], headers=headers)
    answer.raise_for_status()
    found = _an_object(answer)
    return {**found, **claims} if found["sub"] == claims["sub"] else claims


def _an_object(answer: httpx.Response) -> dict[str, Any]:
    """Raises `ValueError`."""
    found = answer.json()
    if not isinstance(found, dict):
        raise ValueError("the provider answers no JSON object")  # noqa: TRY004 - as json does
    return found


def _accounts(claims: Mapping[str, Any], claim: str) -> frozenset[str]:
    """A claim's texts, which may be one or a list; none of an address that isn't verified."""
    if claim == "email" and claims.get("email_verified", True) not in {True, "true"}:
        return frozenset()
    found = claims.get(claim, ())
    texts = [found] if isinstance(found, str) else found if isinstance(found, list) else ()
    return frozenset(each.strip() for each in texts if isinstance(each, str) and each.strip())
