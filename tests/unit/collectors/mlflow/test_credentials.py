import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.mlflow.credentials import hidden_value, without_credentials


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("postgresql://bot:s3cret@db.example/credit", "postgresql://db.example/credit"),
        ("see https://token@git.example/x and https://a.example", "see https://git.example/x and https://a.example"),
        ("abfss://container@account.dfs.core.windows.net/p", "abfss://container@account.dfs.core.windows.net/p"),
        ("abfss://container:key@account.dfs/p", "abfss://account.dfs/p"),
        ("Server=db;Password=hunter22;Timeout=3", "Server=db;Password=***;Timeout=3"),
        ('{"api_key": "abcd1234"}', '{"api_key": "***"}'),
        ("Authorization: Bearer abcdefgh", "Authorization: ***"),
        ("key AKIAIOSFODNN7EXAMPLE here", "key *** here"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ", "***"),
        ("eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2lnbmF0dXJl", "***"),
        ("https://s3.example/m?X-Amz-Signature=abc&versionId=3", "https://s3.example/m?X-Amz-Signature=***&versionId=3"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", "***"),
        ("max_tokens=4000, tokenizer: bert-base", "max_tokens=4000, tokenizer: bert-base"),
        ("mail ada@example.org about the secret of success", "mail ada@example.org about the secret of success"),
        ("", ""),
    ],
)
def test_credentials_are_removed_and_the_rest_stays(text: str, left: str) -> None:
    assert without_credentials(text) == left


@pytest.mark.parametrize("key", ["password", "db.password", "DB_PASSWD", "aws-secret-access-key", "hf_token", "apiKey"])
def test_a_tag_that_is_called_a_credential_has_no_value(key: str) -> None:
    assert hidden_value(key, "anything") == "***"


@pytest.mark.parametrize("key", ["tokenizer", "max_tokens", "owner", "passed", "monkey"])
def test_other_tags_keep_theirs(key: str) -> None:
    assert hidden_value(key, "anything") == "anything"


@given(st.text(max_size=300))
def test_any_text_goes_through_and_a_second_time_changes_nothing(text: str) -> None:
    once = without_credentials(text)
    assert without_credentials(once) == once
