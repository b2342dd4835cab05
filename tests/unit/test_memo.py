"""What was made of a file's content is kept, within bounds."""

from closeout.parsing.memo import Remembered, on_trial


def _counted() -> tuple[list[bytes], Remembered[[bytes], int]]:
    asked: list[bytes] = []

    def size(content: bytes) -> int:
        asked.append(content)
        return len(content)

    return asked, Remembered(size, most_bytes=10)


def test_a_content_is_asked_about_once() -> None:
    """Equal bytes are one content, whichever object holds them."""
    asked, size = _counted()
    assert [size(b"abc"), size(bytes(bytearray(b"abc"))), size(b"abd")] == [3, 3, 3]
    assert asked == [b"abc", b"abd"]


def test_the_least_used_is_let_go_beyond_the_bound() -> None:
    """What was used again stays; the newest stays even where it is larger than the bound."""
    asked, size = _counted()
    for content in (b"1234", b"abcd", b"1234", b"xyz", b"1234", b"abcd"):
        size(content)
    assert asked == [b"1234", b"abcd", b"xyz", b"abcd"]
    size(b"much larger than ten")
    size(b"much larger than ten")
    size(b"1234")
    assert asked[4:] == [b"much larger than ten", b"1234"]


def test_after_clearing_all_is_asked_again() -> None:
    """The bound is as it was, too."""
    asked, size = _counted()
    for _ in range(2):
        size(b"12345678")
        size.cache_clear()
    assert asked == [b"12345678", b"12345678"]
    assert [size(b"ab"), size(b"cd"), size(b"ab")] == [2, 2, 2]
    assert asked[2:] == [b"ab", b"cd"]


def test_what_is_on_trial_makes_room_until_it_is_asked_for_again() -> None:
    """A content that was let go and is asked for again stays, whatever comes after it."""
    asked: list[bytes] = []

    def size(content: bytes) -> int:
        asked.append(content)
        return len(content)

    tried = Remembered(size, trial_bytes=4)
    for content in (b"123", b"abc", b"123", b"xyz", b"uvw", b"123", b"abc"):
        tried(content)
    assert asked == [b"123", b"abc", b"123", b"xyz", b"uvw", b"abc"]
    assert [tried.known(content) for content in (b"123", b"abc", b"xyz", b"uvw")] == [3, 3, None, 3]
    assert asked[6:] == []


def test_what_is_given_beside_a_content_counts() -> None:
    """The same bytes at another path are another question."""
    said = on_trial(lambda name, content: f"{name}: {content!r}")
    assert (said("a", b"1"), said("b", b"1"), said("a", b"1")) == ("a: b'1'", "b: b'1'", "a: b'1'")
    assert said.made == len(("a", "b"))
