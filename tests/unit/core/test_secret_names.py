"""What counts as a secret, by its name and in a text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.secret_names import HIDDEN, hide_in_text, is_secret

# What the documents of webhooks and the table of runs each hid, when they still had rules of their own.
OF_EVENTS = re.compile(
    r"passw|passphrase|pwd|secret|token|credential|authorization|oauth|bearer|jwt|cookie|signature|private|apikey"
    r"|accesskey|accountkey|servicekey|sharedkey|signingkey|encryptionkey|licen[cs]ekey|connectionstring|connstr|dsn"
    r"|webhookurl|^(?:pass|key|auth|pin|salt|cert|certificate|pem)$"
)
SPARED_BY_EVENTS = re.compile(
    r"(?:ref|reference|arn)$|^(?:tokensused|maxtokens|tokenurl|tokenendpoint|tokenuri|oauthversion)$"
)
OF_RUNS = re.compile(
    r"pass(?:word|wd|phrase)|pwd|secret|token(?!s)|credential|authorization|(?:api|access|private|account)[-_ ]?key"
    r"|connection[-_ ]?string|signature",
    re.IGNORECASE,
)
IN_TEXT = re.compile(
    r"(?i)\b((?:[\w.-]{0,40}(?:password|passwd|secret|token|signature)|pwd)\s*=\s*)(?:\"[^\"]*\"|'[^']*'|[^\s;&,\"']+)"
)

WORDS = (
    "pass", "word", "wd", "phrase", "pwd", "secret", "token", "tokens", "used", "max", "url", "credential", "oauth",
    "authorization", "version", "bearer", "jwt", "cookie", "signature", "private", "api", "access", "account", "key",
    "service", "licence", "connection", "string", "dsn", "webhook", "pin", "cert", "ref", "arn", "start", "date",
)  # fmt: skip
# To whoever ignores case these are an s, an i and a k as well.
ODD_LETTERS = str.maketrans("sik", "\u017f\u0131\u212a")
SPELLINGS = st.sampled_from([str, str.upper, str.title, lambda word: word.translate(ODD_LETTERS)])
SPELT = st.tuples(st.sampled_from(WORDS), SPELLINGS).map(lambda drawn: drawn[1](drawn[0]))
NAMES = st.lists(
    st.tuples(SPELT, st.sampled_from(["", "", "-", "_", " ", ".", "é"])).map("".join), min_size=1, max_size=5
).map("".join) | st.text(st.characters(max_codepoint=127), max_size=12)


def hidden_by_events(name: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return bool(OF_EVENTS.search(plain)) and not SPARED_BY_EVENTS.search(plain)


@given(NAMES)
def test_whatever_either_document_hid_by_its_name_is_a_secret(name: str) -> None:
    assert is_secret(name) or not (hidden_by_events(name) or OF_RUNS.search(name))


@given(
    st.lists(
        st.tuples(
            NAMES.map(lambda name: re.sub(r"[^\w.-]", "", name)),
            st.sampled_from(["=", " = ", ":", " "]),
            st.sampled_from(["S3CR3T", '"S3CR3T b"', "'S3CR3T'", "a://b:S3CR3T@c", "x"]),
            st.sampled_from([";", "&", ", ", " "]),
        ).map("".join),
        max_size=4,
    ).map("".join)
)
def test_whatever_the_table_of_runs_hid_in_a_text_is_hidden(text: str) -> None:
    addresses = re.sub(r"(?<=://)([^/?#\s:@]*):[^/?#\s@]+@", rf"\1:{HIDDEN}@", text)
    shown = hide_in_text(text)
    assert shown.count("S3CR3T") <= IN_TEXT.sub(rf"\1{HIDDEN}", addresses).count("S3CR3T")
    assert hide_in_text(shown) == shown


@pytest.mark.parametrize(
    "name", ["start_date", "replication_key", "primary-keys", "tokens_used", "--max-tokens", "author", "oauthVersion"]
)
def test_what_is_called_otherwise_is_no_secret(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize("name", ["secret_arn", "token_url", "password_ref", "--db-passwd", "pa\u017fsword", "key"])
def test_what_is_called_a_secret_or_points_to_one_is_one(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://me:pw@db:5432/x", f"postgres://me:{HIDDEN}@db:5432/x"),
        ("AccountName=me;AccountKey=ab+c==;x=1", f"AccountName=me;AccountKey={HIDDEN};x=1"),
        ("https://a/?X-Amz-Signature=ab12&b=1", f"https://a/?X-Amz-Signature={HIDDEN}&b=1"),
        ("passwords are asked for", "passwords are asked for"),
    ],
)
def test_a_text_keeps_all_but_its_secrets(text: str, shown: str) -> None:
    assert hide_in_text(text) == shown


def test_texts_take_linear_time() -> None:
    for text in ("a.b-" * 25_000, "://a" * 25_000, "x://" + "a:" * 50_000, "password=" * 12_000, "api_" * 25_000):
        assert hide_in_text(text)
