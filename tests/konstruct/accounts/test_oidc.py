"""Signing in through a provider: what comes back is believed when it holds in everything, and else in nothing."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest
from joserfc import jws
from joserfc.jwk import RSAKey

from konstruct.accounts import id_tokens
from konstruct.accounts.id_tokens import Expected, Identity
from konstruct.accounts.oidc import Attempt, CameBack, Provider
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.errors import Misconfigured, NotAllowed, Unauthentic, Unavailable
from tests.support.oidc_double import Lies, OidcDouble

BACK = "https://portal.example/sign-in/with/double/callback"


@pytest.fixture
async def double() -> AsyncIterator[OidcDouble]:
    double = OidcDouble(redirect_uris={BACK})
    async with double.running():
        yield double
    assert not double.complaints


@pytest.fixture
async def provider(double: OidcDouble) -> AsyncIterator[Provider]:
    async with open_client([double.place]) as client:
        yield Provider(double.settings(), SafeWeb(client))


def came_back(url: str) -> CameBack:
    said = dict(parse_qsl(urlsplit(url).query))
    return CameBack(said.get("state", ""), said.get("code", ""), said.get("error", ""), said.get("iss"))


async def walked(provider: Provider, double: OidcDouble) -> tuple[Attempt, CameBack]:
    url, attempt = await provider.start(BACK)
    return attempt, came_back(await double.walk(url))


async def signed_in(provider: Provider, double: OidcDouble) -> Identity:
    return await provider.finish(*await walked(provider, double), BACK)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_person_comes_back_as_who_they_are(provider: Provider, double: OidcDouble, method: str) -> None:
    double.metadata = {"token_endpoint_auth_methods_supported": [method]}
    double.person["email"] = "Ana@ACME.example"

    person = await signed_in(provider, double)

    assert person == Identity(double.issuer, "248289761001", "ana@acme.example", True, None)
    [asked] = double.asked
    assert asked["code_challenge_method"] == "S256"
    assert "prompt" not in asked


async def test_who_is_to_show_anew_who_they_are_is_asked_for_it(provider: Provider, double: OidcDouble) -> None:
    url, _ = await provider.start(BACK, anew=True, email="ana@acme.example")
    await double.walk(url)
    assert {("prompt", "login"), ("max_age", "0"), ("login_hint", "ana@acme.example")} <= set(double.asked[0].items())


LIES = {
    "another nonce": Lies({"nonce": "another"}),
    "no nonce": Lies({"nonce": None}),
    "another client": Lies({"aud": "another-client"}),
    "another client beside us": Lies({"aud": ["konstruct-client", "another-client"]}),
    "another authorized party": Lies({"azp": "another-client"}),
    "no audience": Lies({"aud": None}),
    "another issuer": Lies({"iss": "https://accounts.google.com"}),
    "expired": Lies({"exp": int(time.time()) - 120}),
    "without an end": Lies({"exp": None}),
    "made long ago": Lies({"iat": int(time.time()) - 3_600}),
    "made in the future": Lies({"iat": int(time.time()) + 86_400}),
    "about nobody": Lies({"sub": None}),
    "about a number": Lies({"sub": 17}),
    "about no character": Lies({"sub": "a\0na"}),
    "with a NUL in the name": Lies({"name": "A\0na"}),
    "signed with nothing": Lies(signed_with="nothing"),
    "signed with what everybody knows": Lies(signed_with="public"),
    "signed with another key": Lies(signed_with="stranger"),
    "signed with a key that is not published": Lies(header={"kid": "unheard-of"}),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_token_that_does_not_hold_is_refused(provider: Provider, double: OidcDouble, lie: str) -> None:
    double.lies = LIES[lie]
    with pytest.raises(Unauthentic, match="Signing in with Double did not work"):
        await signed_in(provider, double)


@pytest.mark.parametrize("state", ["", "forged", "ünïcode"])
async def test_a_state_that_is_not_this_attempts_is_refused_before_anything_is_asked(
    provider: Provider, double: OidcDouble, state: str
) -> None:
    attempt, came = await walked(provider, double)
    with pytest.raises(Unauthentic):
        await provider.finish(attempt, CameBack(state, came.code), BACK)
    assert "token" not in double.reads


async def test_the_code_of_another_attempt_is_refused(provider: Provider, double: OidcDouble) -> None:
    mine, _ = await walked(provider, double)
    _, others = await walked(provider, double)
    with pytest.raises(Unauthentic):
        await provider.finish(mine, CameBack(mine.state, others.code), BACK)
    assert double.complaints.pop() == "The code is not this client's."


async def test_a_code_opens_once(provider: Provider, double: OidcDouble) -> None:
    attempt, came = await walked(provider, double)
    await provider.finish(attempt, came, BACK)
    with pytest.raises(Unauthentic):
        await provider.finish(attempt, came, BACK)
    assert double.complaints.pop() == "A code that is none, or was used."


async def test_an_attempt_with_another_provider_is_not_this_ones(provider: Provider, double: OidcDouble) -> None:
    attempt, came = await walked(provider, double)
    with pytest.raises(Unauthentic):
        await provider.finish(Attempt("google", attempt.state, attempt.nonce, attempt.verifier), came, BACK)


@pytest.mark.parametrize("said", [None, "https://evil.example"])
async def test_who_promises_to_name_itself_must(provider: Provider, double: OidcDouble, said: str | None) -> None:
    double.metadata = {"authorization_response_iss_parameter_supported": True}
    double.answers = {"iss": said}
    with pytest.raises(Unauthentic, match="another provider"):
        await signed_in(provider, double)
    double.answers = {"iss": double.issuer}
    assert await signed_in(provider, double)


async def test_whoever_says_no_is_told_that_nothing_happened(provider: Provider, double: OidcDouble) -> None:
    double.answers = {"code": None, "error": "access_denied"}
    with pytest.raises(NotAllowed, match="did not let you in"):
        await signed_in(provider, double)


async def test_new_keys_are_read_when_a_token_names_one_and_not_each_time(double: OidcDouble) -> None:
    now = 1_000.0
    async with open_client([double.place]) as client:
        provider = Provider(double.settings(), SafeWeb(client), clock=lambda: now)
        assert await signed_in(provider, double)
        now += 60
        double.change_keys()
        assert await signed_in(provider, double)
        assert double.reads["keys"] == 2
        double.lies = Lies(header={"kid": "made up"})
        for _ in range(3):
            with pytest.raises(Unauthentic):
                await signed_in(provider, double)
    assert double.reads["keys"] == 2
    assert double.reads["metadata"] == 1


async def test_an_address_that_the_token_leaves_out_is_asked_for(provider: Provider, double: OidcDouble) -> None:
    double.person = {"sub": "ana"}
    double.outside_the_token = {"email": "ana@acme.example", "email_verified": True}
    person = await signed_in(provider, double)
    assert (person.email, person.is_email_proven) == ("ana@acme.example", True)


async def test_what_is_told_beside_the_token_does_not_win_over_it(provider: Provider, double: OidcDouble) -> None:
    double.person = {"sub": "ana", "email": "ana@acme.example", "email_verified": False}
    double.outside_the_token = {"email": "boss@acme.example", "email_verified": True}
    person = await signed_in(provider, double)
    assert (person.email, person.is_email_proven) == ("ana@acme.example", False)


async def test_what_is_told_of_another_person_is_not_listened_to(provider: Provider, double: OidcDouble) -> None:
    double.person = {"sub": "ana"}
    double.outside_the_token = {"sub": "boss", "email": "boss@acme.example", "email_verified": True}
    assert (await signed_in(provider, double)).email is None


# Found by F14-parsers with the seed 20261130.
@pytest.mark.parametrize("claim", ["sub", "nonce", "email", "name"])
def test_a_token_in_half_characters_is_refused(claim: str) -> None:
    key, now = RSAKey.generate_key(2048, {"kid": "1"}), int(time.time())
    claims = {"iss": "https://id.example", "aud": "client", "nonce": "nonce", "sub": "1", "iat": now, "exp": now + 60}
    token = jws.serialize_compact({"alg": "RS256", "kid": "1"}, json.dumps(claims | {claim: "\ud800"}), key)
    expected = Expected("https://id.example", "client", "nonce")
    with pytest.raises(Unauthentic, match="nobody can write down"):
        id_tokens.identity(token, [key.as_dict(private=False)], expected)


async def test_what_is_told_beside_the_token_in_half_characters_is_refused(
    provider: Provider, double: OidcDouble
) -> None:
    double.person = {"sub": "ana"}
    double.outside_the_token = {"email": "ana\ud800@acme.example"}
    with pytest.raises(Unauthentic, match="nobody can write down"):
        await signed_in(provider, double)


@pytest.mark.parametrize("verified", [False, None, "true", 1, "yes"])
async def test_only_what_is_said_plainly_proves_an_address(
    provider: Provider, double: OidcDouble, verified: object
) -> None:
    double.person["email_verified"] = verified
    assert not (await signed_in(provider, double)).is_email_proven


class TestProviderOfManyDirectories:
    """As Microsoft's: its metadata names no directory, and anybody can have one."""

    ours = str(uuid4())

    @pytest.fixture
    async def provider(self, double: OidcDouble) -> AsyncIterator[Provider]:
        double.metadata = {"issuer": f"{double.issuer}/{{tenantid}}/v2.0"}
        self.speaks_for(double, self.ours)
        async with open_client([double.place]) as client:
            yield Provider(double.settings(issuer=f"{double.issuer}/common/v2.0"), SafeWeb(client))

    def speaks_for(self, double: OidcDouble, directory: str, **claims: object) -> None:
        double.lies = Lies({"iss": f"{double.issuer}/{directory}/v2.0", "tid": directory, **claims})

    async def test_a_person_is_of_the_directory_that_the_token_names(
        self, provider: Provider, double: OidcDouble
    ) -> None:
        assert (await signed_in(provider, double)).issuer == f"{double.issuer}/{self.ours}/v2.0"

    @pytest.mark.parametrize(
        "claims", [{"tid": str(uuid4())}, {"tid": None}, {"tid": "../evil"}, {"iss": "{tenantid}"}]
    )
    async def test_a_token_of_one_directory_does_not_speak_for_another(
        self, provider: Provider, double: OidcDouble, claims: dict[str, Any]
    ) -> None:
        self.speaks_for(double, self.ours, **claims)
        with pytest.raises(Unauthentic):
            await signed_in(provider, double)

    async def test_an_address_there_is_anybodys_unless_its_domain_is_the_directorys(
        self, provider: Provider, double: OidcDouble
    ) -> None:
        self.speaks_for(double, self.ours, email_verified=True)
        assert not (await signed_in(provider, double)).is_email_proven
        self.speaks_for(double, self.ours, xms_edov=True)
        assert (await signed_in(provider, double)).is_email_proven


@pytest.mark.parametrize(
    ("claims", "proven"),
    [
        ({"email": "ana@gmail.com", "email_verified": True}, True),
        ({"email": "ana@acme.example", "email_verified": True, "hd": "acme.example"}, True),
        ({"email": "ana@acme.example", "email_verified": True}, False),
        ({"email": "ana@acme.example", "hd": "acme.example"}, False),
    ],
)
def test_google_speaks_for_its_own_addresses(claims: dict[str, Any], proven: bool) -> None:
    said = id_tokens.said_of(id_tokens.GOOGLE, "1", claims, published=id_tokens.GOOGLE)
    assert said.is_email_proven is proven


async def test_an_issuer_that_calls_itself_something_else_is_not_believed(
    provider: Provider, double: OidcDouble
) -> None:
    double.metadata = {"issuer": "https://accounts.google.com"}
    with pytest.raises(Misconfigured, match="another issuer"):
        await provider.start(BACK)


async def test_a_wrong_secret_is_the_deployments_fault(double: OidcDouble) -> None:
    async with open_client([double.place]) as client:
        provider = Provider(double.settings(), SafeWeb(client))
        attempt, came = await walked(provider, double)
        double.client_secret = "another"
        with pytest.raises(Misconfigured, match="client id and secret"):
            await provider.finish(attempt, came, BACK)


async def test_a_provider_that_is_away_is_said_to_be(double: OidcDouble) -> None:
    async with open_client() as client:
        provider = Provider(double.settings(), SafeWeb(client))
        with pytest.raises(Unavailable, match="Double does not answer"):
            await provider.start(BACK)
