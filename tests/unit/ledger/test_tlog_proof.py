import pytest

from lineage_service.ledger.errors import ProofError
from lineage_service.ledger.tlog_proof import read_tlog_proof, write_tlog_proof

NOTE = "test.example/log\n9\nAAAA\n\n\u2014 test.example/log AAAA\n"
TEXT = write_tlog_proof(7, [b"a" * 32, b"b" * 32], NOTE)


def test_a_proof_is_written_as_the_specification_shows_it() -> None:
    header, index, *rest = TEXT.split("\n")
    assert (header, index) == ("c2sp.org/tlog-proof@v1", "index 7")
    assert rest[0] == "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
    assert rest[2] == ""
    assert TEXT.endswith(NOTE)


@pytest.mark.parametrize("path", [[], [b"a" * 32], [bytes([n]) * 32 for n in range(60)]])
def test_a_proof_that_was_written_is_read_again(path: list[bytes]) -> None:
    assert read_tlog_proof(write_tlog_proof(0, path, NOTE)) == (0, path, NOTE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT.replace("@v1", "@v2"),
        TEXT.replace("index 7", "index 07"),
        TEXT.replace("index 7", "index -7"),
        TEXT.replace("index 7\n", ""),
        TEXT.replace("WE=", "WF="),
        TEXT.replace("WE=", "WE"),
        TEXT.replace("YWFh", "", 1),
        TEXT.partition("\n\n")[0],
        " " + TEXT,
    ],
)
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(ProofError):
        read_tlog_proof(text)
