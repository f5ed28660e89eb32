"""Two files, one pair: when it is taken, when it is refused, and how often that is told."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eventing.errors import InvalidSetting
from eventing.runtime.certificate import CertificateFiles, CertificateWatch
from tests.support.certificates import issue, replace, turn

OTHER, OTHER_KEY = issue()


class Folder:
    """Where the two files are, and the looks at them."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self.chain, self.secret = issue()
        self.certificate.write_bytes(self.chain)
        self.key.write_bytes(self.secret)
        self.files = CertificateFiles(self.certificate, self.key)

    def taken(self, looks: int = 2) -> bool:
        """Whether one of that many looks took a new pair."""
        return sum(self.files.look() is not None for _ in range(looks)) > 0


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.files.load()
    return made


def test_files_that_stay_are_read_once(folder: Folder) -> None:
    assert not folder.taken(5)


def test_a_new_pair_counts_once_two_looks_find_it_the_same(folder: Folder) -> None:
    replace(folder.certificate, OTHER)
    replace(folder.key, OTHER_KEY)
    assert not folder.taken(1)
    assert folder.taken(1)
    assert not folder.taken(5)


def test_between_the_certificate_and_its_key_nothing_is_taken_and_nothing_told(folder: Folder) -> None:
    replace(folder.certificate, OTHER)
    assert not folder.taken(1)
    replace(folder.key, OTHER_KEY)
    assert not folder.taken(1)
    assert folder.taken(1)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: replace(folder.certificate, OTHER), "does not belong to the certificate"),
        (lambda folder: replace(folder.key, OTHER_KEY), "does not belong to the certificate"),
        (lambda folder: folder.certificate.write_bytes(OTHER[:300]), "not valid PEM"),
        (lambda folder: folder.key.write_bytes(b""), "not valid PEM"),
        (lambda folder: folder.key.unlink(), r"the TLS key .*tls\.key can't be read: No such file"),
    ],
    ids=["the certificate alone", "the key alone", "half a certificate", "an empty key", "no key"],
)
def test_what_is_no_pair_is_told_once_and_the_whole_one_is_taken(folder: Folder, spoil: object, reason: str) -> None:
    assert callable(spoil)
    spoil(folder)
    assert not folder.taken(1)
    with pytest.raises(InvalidSetting, match=reason):
        folder.files.look()
    assert not folder.taken(5)
    replace(folder.certificate, OTHER)
    replace(folder.key, OTHER_KEY)
    assert folder.taken()


def test_a_chain_that_is_still_being_written_is_not_taken_in_part(folder: Folder) -> None:
    """The server's own certificate is there and its authority's is not: a valid pair, but not yet the new one."""
    replace(folder.key, OTHER_KEY)
    for end in (len(OTHER) // 2, len(OTHER) - 1):
        folder.certificate.write_bytes(OTHER[:end])
        assert not folder.taken(1)
    folder.certificate.write_bytes(OTHER)
    assert not folder.taken(1)
    assert folder.taken(1)


def test_a_change_while_it_is_read_leaves_it_to_the_next_looks(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    read, third = folder.files._read, issue()

    def meanwhile() -> object:
        pair = read()
        replace(folder.certificate, third[0])
        replace(folder.key, third[1])
        return pair

    replace(folder.certificate, OTHER)
    replace(folder.key, OTHER_KEY)
    monkeypatch.setattr(folder.files, "_read", meanwhile)
    assert not folder.taken(2)
    monkeypatch.undo()
    assert folder.taken(2)


def test_a_file_that_goes_while_it_is_read_is_told_as_one_that_is_not_there(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any other error would end the watch, and the program with it."""

    def gone(*_arguments: object, **_more: object) -> None:
        folder.key.unlink(missing_ok=True)
        raise FileNotFoundError(2, "No such file or directory")

    replace(folder.certificate, OTHER)
    replace(folder.key, OTHER_KEY)
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", gone)
    assert not folder.taken(2)
    monkeypatch.undo()
    with pytest.raises(InvalidSetting, match="can't be read"):
        folder.taken(2)
    replace(folder.key, OTHER_KEY)
    assert folder.taken(2)


def test_links_are_followed_as_certbot_and_kubernetes_turn_them(tmp_path: Path) -> None:
    """tls.crt and tls.key point through one link to the folder of the day; turning that link changes both in one step."""
    for name, (chain, key) in {"monday": issue(), "tuesday": issue()}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "tls.crt").write_bytes(chain)
        (tmp_path / name / "tls.key").write_bytes(key)
    (tmp_path / "..data").symlink_to("monday")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(Path("..data") / name)
    files = CertificateFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    files.load()
    turn(tmp_path / "..data", Path("tuesday"))
    assert [files.look() is not None for _ in range(3)] == [False, True, False]


class Lines:
    """A log that keeps level, message and fields."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def info(self, message: str, /, **fields: object) -> None:
        self.lines.append(("info", message, fields))

    def warning(self, message: str, /, **fields: object) -> None:
        self.lines.append(("warning", message, fields))

    def error(self, message: str, /, **fields: object) -> None:
        self.lines.append(("error", message, fields))


def test_what_is_in_use_is_told_with_its_end_and_what_is_refused_by_name_and_once(folder: Folder) -> None:
    lines, end = Lines(), datetime(2040, 5, 6, 7, 8, 9, tzinfo=UTC)
    watch = CertificateWatch(folder.certificate, folder.key, lines)  # type: ignore[arg-type]
    assert [line[:2] for line in lines.lines] == [("info", "the TLS certificate is in use")]
    chain, key = issue(end)
    replace(folder.certificate, chain)
    for _ in range(5):
        assert watch.look() is None
    level, message, fields = lines.lines[1]
    assert (level, message) == ("error", "the new TLS certificate is not taken; the one before stays in use")
    assert str(folder.key) in str(fields["reason"])
    assert len(lines.lines) == 2
    replace(folder.key, key)
    assert [watch.look() is not None for _ in range(2)] == [False, True]
    expected = {"certificate": str(folder.certificate), "expires": "2040-05-06T07:08:09Z"}
    assert lines.lines[2:] == [("info", "a new TLS certificate is in use", expected)]
    assert watch.expires == end.timestamp()
    assert b"PRIVATE" in key
    assert "PRIVATE" not in repr(lines.lines)


def test_an_end_that_is_near_is_told_once_a_day(folder: Folder) -> None:
    end = datetime(2040, 1, 8, tzinfo=UTC)
    chain, key = issue(end)
    replace(folder.certificate, chain)
    replace(folder.key, key)
    clock, lines = [(end - timedelta(days=8)).timestamp()], Lines()
    watch = CertificateWatch(folder.certificate, folder.key, lines, wall=lambda: clock[0])  # type: ignore[arg-type]
    told = []
    for _hour in range(24 * 10):
        watch.look()
        told += [(clock[0], line[1]) for line in lines.lines if line[0] == "warning"]
        lines.lines.clear()
        clock[0] += 3600
    assert [message for _, message in told] == ["the TLS certificate ends soon"] * 7 + ["the TLS certificate has expired"] * 2
    assert told[0][0] == (end - timedelta(days=7)).timestamp()
