import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph_schema.repository_names import repository_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://git.example.com/team/credit.git", "https://git.example.com/team/credit"),
        ("https://git.example.com/team/credit/", "https://git.example.com/team/credit"),
        ("HTTPS://Git.Example.COM:443/Team/Credit.git/", "https://git.example.com/Team/Credit"),
        ("https://user:pw@git.example.com:8443/a.git", "https://git.example.com:8443/a"),
        ("https://git@git.example.com/a", "https://git.example.com/a"),
        ("https://[2001:db8::1]:8443/a.git", "https://[2001:db8::1]:8443/a"),
        ("git@git.example.com:team/credit.git", "ssh://git@git.example.com/team/credit"),
        ("git@git.example.com:/team/credit", "ssh://git@git.example.com/team/credit"),
        ("git.example.com:team/a@b", "ssh://git.example.com/team/a@b"),
        ("alice@git.example.com:a.git", "ssh://git.example.com/a"),
        ("alice:pw@git.example.com:a.git", "ssh://git.example.com/a"),
        ("git:pw@[2001:db8::1]:a.git", "ssh://git@[2001:db8::1]/a"),
        ("ssh://git@git.example.com:22/a.git", "ssh://git@git.example.com/a"),
        ("ssh://alice@gerrit.example.com:29418/a", "ssh://gerrit.example.com:29418/a"),
        ("git+ssh://git:pw@git.example.com/a", "ssh://git@git.example.com/a"),
        ("git://git.example.com:9418/a.git", "git://git.example.com/a"),
        ("/srv/git/a b.git/", "/srv/git/a b"),
        ("/srv/work/a/.git", "/srv/work/a"),
        ("file:///srv/git/a%20b.git", "/srv/git/a b"),
        ("file://localhost/srv/a", "/srv/a"),
        ("git@h:a?b#c.git", "ssh://git@h/a%3Fb%23c"),
        ("/", "/"),
        ("  https://h/a\n", "https://h/a"),
    ],
)
def test_one_repository_has_one_address(url: str, address: str) -> None:
    assert repository_url(url) == address
    assert repository_url(address) == address


@pytest.mark.parametrize(
    "url",
    [
        "", "a/b", "../a", "name", "C:\\repos\\a", "C:/repos/a", "ext::sh -c x", "file://host/a", "https:///a", "https://h",
        "git@h:", "h:/", "file:///a%0Ab",
        "https://h:port/a", "https://[::1/a", "a:pw@h/b", "a@b:pw@h/c", "https://h/a\nb", "x" * 5000,
    ],
)  # fmt: skip
def test_what_nobody_else_could_follow_has_no_address(url: str) -> None:
    assert repository_url(url) is None


_SCHEMES = ["https://", "ssh://", "http://", "git+ssh://", "", "hg://"]


@given(st.sampled_from(_SCHEMES), st.text("abc:%.", max_size=6), st.sampled_from(["/", ":", "/a/"]))
def test_no_spelling_lets_a_password_through(scheme: str, user: str, separator: str) -> None:
    found = repository_url(f"{scheme}{user}:s3cret@git.example.com{separator}team/credit.git")
    assert found is None or "s3cret" not in found


_SPELLINGS = st.text("aB:/@.?#%20[] ~\\", max_size=20) | st.text(max_size=20)


@given(st.sampled_from([*_SCHEMES, "file://", "git@h:", "/"]), _SPELLINGS, st.sampled_from(["", ".git", ".git/.git/"]))
def test_any_text_is_an_address_or_none_and_an_address_stays_as_it_is(start: str, text: str, end: str) -> None:
    found = repository_url(start + text + end)
    assert found is None or repository_url(found) == found
