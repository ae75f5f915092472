"""Addresses as they may be shown."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.sources.address import scheme_of, shown_address


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
        "rtsp://camera:554/live?channel=1&subtype=0",
        "http://[fe80::1]:8080/video",
        "http://camera:8080/@home/live",
        "http://camera/live?mail=a@b",
        "udp://@239.0.0.1:5000",
    ],
)
def test_what_holds_no_secret_stays(text: str) -> None:
    assert shown_address(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://me:pw@camera/live", "rtsp://***@camera/live"),
        ("RTSP://me:pw@camera", "RTSP://***@camera"),
        ("rtsp://me@camera/live", "rtsp://***@camera/live"),
        ("rtsp://me:p@w:x@camera:554/live", "rtsp://***@camera:554/live"),
        ("rtsp://me:p%40w%2F@camera/live", "rtsp://***@camera/live"),
        ("rtsp://me:p/w@camera/live", "rtsp://***@camera/live"),
        ("rtsp://me:p?w@camera/live", "rtsp://***@camera/live"),
        ("rtsp://me:p#w@camera/live", "rtsp://***@camera/live"),
        ("rtsp://me:p@w/x@camera/live", "rtsp://***@camera/live"),
        ("http://me:pw@camera/@home", "http://***@home"),  # might be the password "pw@camera/"
        ("http://me:pw@camera/x?mail=a@b", "http://***@camera/x?mail=a@b"),
        ("http://camera/x?token=a/b=&n=1", "http://camera/x?token=***&n=1"),
        ("http://camera/x?n=1;API_KEY=s", "http://camera/x?n=1;API_KEY=***"),
        ("http://camera/x?loginuse=a&loginpas=b", "http://camera/x?loginuse=***&loginpas=***"),
        ("http://c/x?X-Amz-Signature=1&t=2", "http://c/x?X-Amz-Signature=***&t=2"),
        ("http://camera/x#access_token=s", "http://camera/x#access_token=***"),
        ("http://camera/x?%70assword=s", "http://camera/x?%70assword=***"),
        ("srt://host:99?passphrase=s&mode=caller", "srt://host:99?passphrase=***&mode=caller"),
        (
            "rtsp://camera:554/user=admin_password=tlJw_channel=1_stream=0.sdp",
            "rtsp://camera:554/user=***",
        ),
        ("rtsp://admin:1234/5@host:554/main", "rtsp://***@host:554/main"),
        ("rtsp://admin:12?4@host/main", "rtsp://***@host/main"),
        ("rtsp://admin:12#4@host/main", "rtsp://***@host/main"),
        ("http://c/x?hdnts=exp=1~acl=/*~hmac=ab&n=1", "http://c/x?hdnts=***&n=1"),
        (
            "http://c/x?md5=ab&ticket=cd&u=me&p=pw&up=1",
            "http://c/x?md5=***&ticket=***&u=***&p=***&up=1",
        ),
    ],
)
def test_secrets_are_starred(text: str, shown: str) -> None:
    assert shown_address(text) == shown


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_quoted_password_never_shows(user: str, password: str) -> None:
    text = f"rtsp://{quote(user, safe='')}:{quote(password, safe='')}@camera:554/live"
    assert shown_address(text) == "rtsp://***@camera:554/live"


@given(st.text(st.characters(exclude_characters="?#/"), min_size=1))
def test_a_raw_password_never_shows(password: str) -> None:
    shown = shown_address(f"rtsp://admin:{password}@camera:554/live?channel=1")
    assert shown == "rtsp://***@camera:554/live?channel=1"


@given(st.text(st.characters(exclude_characters="&;#"), min_size=1))
def test_a_secret_value_never_shows(value: str) -> None:
    shown = shown_address(f"http://camera/x?password={value}&n=1")
    assert shown == "http://camera/x?password=***&n=1"


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
