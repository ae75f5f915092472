"""Addresses as they may be shown."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.util.address import is_slipped, mask_words, scheme_of, shown_address, shown_source


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-",
        "in.mp4",
        "user:password@host",  # a file's name
        "C:\\videos\\in.mp4",
        "rtsp://camera/live",
        "rtsp://camera:554/cam/realmonitor",
        "http://[fe80::1]:8080/video",
        "http://[fe80::1%25eth0]/video",
        "http://camera:8080/@home/live",
        "http://camera/2024-05-01/hall-2/clip-000123.mp4",
        "rtmp://host/live",
        "udp://@239.0.0.1:5000",
        "rtsp://${HOST}:${PORT}/${PATH}",  # names of variables, not their values
    ],
)
def test_addresses_without_secrets_are_unchanged(text: str) -> None:
    assert shown_address(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://me:pw@camera/live", "rtsp://***@camera/live"),
        ("RTSP://me:pw@camera", "RTSP://***@camera"),
        ("rtsp://me@camera/live", "rtsp://***@camera/live"),
        ("rtsp://${U}:${P}@camera/live", "rtsp://***@camera/live"),
        ("rtsp://me:pw@[fe80::1]:554/live", "rtsp://***@[fe80::1]:554/live"),
        ("rtsp://me:p@w:x@camera:554/live", "rtsp://***@camera:554/live"),
        ("rtsp://me:p%40w%2F@camera/live", "rtsp://***@camera/live"),
        ("rtsp://me:p/w@camera/live", "rtsp://***@camera/live"),
        ("rtsp://me:p?w@camera/live", "rtsp://***@camera/live"),
        ("rtsp://me:p#w@camera/live", "rtsp://***@camera/live"),
        ("rtsp://me:p@w/x@camera/live", "rtsp://***@camera/live"),
        ("rtsp://me:p w@camera/live", "rtsp://***@camera/live"),
        ("rtsp:// me:pw@camera/live", "rtsp://***@camera/live"),
        ("rtsp:///me:pw@camera/live", "rtsp://***@camera/live"),
        ("rtsp://me:pw", "rtsp://***"),
        ("rtsp://me:pw/live", "rtsp://***/live"),
        ("rtsp://me%3Apw%40camera/live", "rtsp://***/live"),
        ("rtsp://me:pw@", "rtsp://***@"),
        ("http://me:pw@camera/@home", "http://***@home"),  # might be the password "pw@camera/"
        ("http://me:pw@camera/x?mail=a@b", "http://***@camera/x?mail=***"),
        # Every value of a query, whatever its name.
        ("rtsp://camera/live?channel=1&subtype=0", "rtsp://camera/live?channel=***&subtype=***"),
        ("http://camera/live?mail=a@b", "http://camera/live?mail=***"),
        ("http://camera/x?token=a/b=&n=1", "http://camera/x?token=***&n=***"),
        ("http://camera/x?n=1;API_KEY=s", "http://camera/x?n=***;API_KEY=***"),
        ("http://camera/x?s3cret", "http://camera/x?***"),
        ("http://camera/x?czNjcmV0==&n=1", "http://camera/x?***&n=***"),
        ("http://camera/x?a%3Ds3cret", "http://camera/x?a%3D***"),
        ("http://camera/x?a%253Ds3cret", "http://camera/x?a%253D***"),
        ("http://camera/x?%70assword=s", "http://camera/x?%70assword=***"),
        ("http://camera/x?a=b?c=d", "http://camera/x?a=***"),
        ("srt://host:99?passphrase=s&mode=caller", "srt://host:99?passphrase=***&mode=***"),
        ("http://c/x?hdnts=exp=1~acl=/*~hmac=ab&n=1", "http://c/x?hdnts=***&n=***"),
        # The whole fragment.
        ("http://camera/x#access_token=s", "http://camera/x#***"),
        ("http://camera/x?n=1#s", "http://camera/x?n=***#***"),
        ("http://camera/x#s?n=1", "http://camera/x#***"),
        # Values and keys in the path.
        (
            "rtsp://camera:554/user=admin_password=tlJw_channel=1_stream=0.sdp",
            "rtsp://camera:554/user=***",
        ),
        ("http://camera/x%3Ftoken%3Ds3cret/y", "http://camera/x%3Ftoken%3D***/y"),
        ("rtsps://host:7441/Kk3jD9aQ0wLx7Zp2", "rtsps://host:7441/***"),
        ("http://host/0123456789abcdef/hall.m3u8", "http://host/***/hall.m3u8"),
        (
            "http://host/3f2504e0-4f89-11d3-9a0c-0305e82c3301.mp4",
            "http://host/***.mp4",
        ),
        ("rtmp://a.host/live2/abcd-1234-efgh", "rtmp://a.host/live2/***"),
        ("rtsp://admin:1234/5@host:554/main", "rtsp://***@host:554/main"),
        ("rtsp://admin:12?4@host/main", "rtsp://***@host/main"),
        ("rtsp://admin:12#4@host/main", "rtsp://***@host/main"),
    ],
)
def test_secrets_are_masked(text: str, shown: str) -> None:
    assert shown_address(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp:/me:pw@door/main", "rtsp:/***@door/main"),
        ("rtsp:me:pw@door/main", "rtsp:***@door/main"),
        ("rtsp//me:pw@door/main", "rtsp//***@door/main"),
        ("rtsp:\\\\me:pw@door\\main", "rtsp:\\\\***@door\\main"),
        (" rtsp://me:pw@door?a=b", " rtsp://***@door?a=***"),
        ("'http:/door?a=b'", "'http:/door?a=***"),
        ("me:pw@door/main", "***@door/main"),
    ],
)
def test_misspelt_addresses_are_recognised_and_masked(text: str, shown: str) -> None:
    assert is_slipped(text)
    assert shown_source(text) == shown


@pytest.mark.parametrize("text", ["in.mp4", "C:\\in.mp4", "a@b.mp4", "12:30.mp4", "rtsp://door/a"])
def test_texts_that_are_not_misspelt_addresses(text: str) -> None:
    assert not is_slipped(text)
    assert shown_source(text) == text


def test_words_of_a_command_line_are_masked_in_messages() -> None:
    words = ["run", "in.mp4", "--detector=https://me:pw@h/x", "rtsp://me:p w@h//x?a=b"]
    message = "https://me:pw@h/x, rtsp://me:p w@h//x?a=b, rtsp:/me:p w@h: no; write SCHEME://A:B@C"
    assert mask_words(message, words) == (
        "https://***@h/x, rtsp://***@h//x?a=***, rtsp:/***@h: no; write SCHEME://A:B@C"
    )


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_quoted_password_never_shows(user: str, password: str) -> None:
    text = f"rtsp://{quote(user, safe='')}:{quote(password, safe='')}@camera:554/live"
    assert shown_address(text) == "rtsp://***@camera:554/live"


@given(st.text(st.characters(exclude_characters="?#/"), min_size=1))
def test_a_raw_password_never_shows(password: str) -> None:
    shown = shown_address(f"rtsp://admin:{password}@camera:554/live?channel=1")
    assert shown == "rtsp://***@camera:554/live?channel=***"


@given(st.text(st.characters(exclude_characters="&;#"), min_size=1))
def test_a_secret_value_never_shows(value: str) -> None:
    shown = shown_address(f"http://camera/x?password={value}&n=1")
    assert shown in {"http://camera/x?password=***&n=***", "http://camera/x?***&n=***"}


@given(st.text())
def test_any_text_can_be_shown_and_shown_again(text: str) -> None:
    shown = shown_address("http://" + text)
    assert shown_address(shown) == shown


@pytest.mark.parametrize(
    ("text", "scheme"),
    [("", None), ("a:b", None), ("://x", None), ("RTSP://x", "rtsp"), ("v4l2:///dev", "v4l2")],
)
def test_schemes(text: str, scheme: str | None) -> None:
    assert scheme_of(text) == scheme


@pytest.mark.parametrize(
    "piece", ["a", "a1", "a.b", "https", "e+", "@", ":", "/", "%25", "user:p@h/"]
)
def test_the_time_grows_with_the_length(piece: str) -> None:
    """Half a million characters take minutes where a search begins anew at each of them."""
    text = piece * (500_000 // len(piece))
    for show in (shown_address, shown_source):
        for beginning in ("", "x:", "http://", "rtmp:/"):
            assert show(beginning + text)
    assert len(mask_words(f"wrong: {text}", [text])) >= 3
