"""Digests of RFC 2617: offers that a client can answer, and answers that a server accepts, once each."""

from __future__ import annotations

import base64
import time

import pytest

from runarchive.ucondb.digest import Challenge
from runarchive.ucondb.server.users import Credentials, Guard, Judgement, Users


def test_a_nonce_is_good_from_its_first_microsecond() -> None:
    guard = Guard(Users.single("writer", "secret"))
    for _ in range(200):
        challenge = Challenge.read(guard.challenge("public.f"))
        assert challenge is not None
        given = Credentials(challenge.answer("writer", "secret", "POST", "/app/put"), "POST", "/put")
        assert guard.judge("public.f", given) is Judgement.ACCEPTED


def test_credentials_cannot_be_used_again_elsewhere_or_with_a_made_up_nonce() -> None:
    guard = Guard(Users.single("writer", "secret"))
    challenge = Challenge.read(guard.challenge("public.f"))
    assert challenge is not None
    header = challenge.answer("writer", "secret", "POST", "/app/put?folder=f&object=o&key=1")
    here = Credentials(header, "POST", "/put?folder=f&object=o&key=1")
    assert guard.judge("public.f", Credentials(header, "POST", "/put?folder=f&object=o&key=2")) is Judgement.REFUSED
    assert guard.judge("public.g", here) is Judgement.REFUSED
    assert guard.judge("public.f", here) is Judgement.ACCEPTED
    assert guard.judge("public.f", here) is Judgement.STALE
    invented = Challenge.invent("public.f").answer("writer", "secret", "POST", "/app/put?folder=f&object=o&key=1")
    assert guard.judge("public.f", Credentials(invented, "POST", here.target)) is Judgement.STALE
    wrong = Challenge.invent("public.f").answer("writer", "wrong", "POST", "/app/put?folder=f&object=o&key=1")
    assert guard.judge("public.f", Credentials(wrong, "POST", here.target)) is Judgement.CHALLENGE
    basic = base64.b64encode(b"writer:secret").decode()
    assert guard.judge("public.f", Credentials(f"Basic {basic}", "POST", here.target)) is Judgement.CHALLENGE
    assert guard.judge("public.f", Credentials("", "POST", here.target)) is Judgement.CHALLENGE


def header_of(challenge: Challenge) -> Credentials:
    return Credentials(challenge.answer("writer", "secret", "POST", "/app/put"), "POST", "/put")


def test_many_nonces_make_no_put_slower_and_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Guard(Users.single("writer", "secret"))
    checked = 0
    is_fresh = Guard._is_fresh

    def counting(self: Guard, nonce: str) -> bool:
        nonlocal checked
        checked += 1
        return is_fresh(self, nonce)

    monkeypatch.setattr(Guard, "_is_fresh", counting)

    def put_with_a_new_nonce() -> None:
        challenge = Challenge.read(guard.challenge("public.f"))
        assert challenge is not None
        assert guard.judge("public.f", header_of(challenge)) is Judgement.ACCEPTED

    for _ in range(300):
        put_with_a_new_nonce()
    assert (checked, len(guard._used)) == (300, 300)
    now = time.monotonic() + 700
    monkeypatch.setattr("runarchive.ucondb.server.users.time.monotonic", lambda: now)
    put_with_a_new_nonce()
    assert len(guard._used) == 1


def test_counts_may_come_in_any_order_but_each_once() -> None:
    guard = Guard(Users.single("writer", "secret"))
    challenge = Challenge.read(guard.challenge("public.f"))
    assert challenge is not None
    given = [header_of(challenge) for _ in range(3000)]
    assert [guard.judge("public.f", one) for one in reversed(given[:500])] == [Judgement.ACCEPTED] * 500
    assert guard.judge("public.f", given[0]) is Judgement.STALE
    assert [guard.judge("public.f", one) for one in given[500:2999]] == [Judgement.ACCEPTED] * 2499
    assert [guard.judge("public.f", one) for one in given[:2999]] == [Judgement.STALE] * 2999
    assert guard.judge("public.f", given[2999]) is Judgement.ACCEPTED


@pytest.mark.parametrize(
    ("offer", "realm"),
    [
        ('Digest realm="a, b", nonce="n", algorithm=MD5, qop="auth"', "a, b"),
        ('digest  realm=a,nonce=n,qop="auth-int,auth"', "a"),
        ('Basic realm="other", Digest realm="a", nonce="n", qop="auth"', "a"),
        ('Digest realm="a", nonce="n", qop="auth", Basic realm="other"', "a"),
        ('Digest realm="a \\"b\\"", nonce="n", qop="auth"', 'a "b"'),
    ],
)
def test_an_offer_of_a_digest_is_found_and_read(offer: str, realm: str) -> None:
    challenge = Challenge.read(offer)
    assert challenge is not None
    assert (challenge.realm, challenge.nonce) == (realm, "n")


@pytest.mark.parametrize(
    "offer",
    [
        'Basic realm="x"', "", "Digest", 'Digest realm="a", nonce="n"', 'Digest realm="a", qop="auth"',
        'Digest realm="a", nonce="n", qop="auth-int"', 'Digest realm="a", nonce="n", qop="auth", algorithm=SHA-256',
        'Negotiate digest="x", nonce="n", qop="auth"',
    ],
)
def test_what_we_cannot_answer_is_no_offer(offer: str) -> None:
    assert Challenge.read(offer) is None
