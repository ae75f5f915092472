"""Values of the environment in addresses of sources."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stream_server import MjpegServer, Script
from tracker.errors import ConfigError
from tracker.sources.live.address import with_environment
from tracker.sources.live.stream import NetworkStream

KNOWN = {"U": "me", "P": "p@w:/%#?", "HOST": "door:554", "PATH_1": "a/b", "EMPTY": ""}


@pytest.mark.parametrize(
    ("typed", "used"),
    [
        ("rtsp://${U}:${P}@door/main", "rtsp://me:p%40w%3A%2F%25%23%3F@door/main"),
        ("rtsp://me:${P}x@door/main", "rtsp://me:p%40w%3A%2F%25%23%3Fx@door/main"),
        ("rtsp://${U}:${EMPTY}@door/main", "rtsp://me:@door/main"),
        ("rtsp://${HOST}/${PATH_1}?n=${U}", "rtsp://door:554/a/b?n=me"),
        ("srt://${HOST}?passphrase=${P}", "srt://door:554?passphrase=p@w:/%#?"),
        ("udp://@239.0.0.1:5000", "udp://@239.0.0.1:5000"),
        ("rtsp://me:$U${}${1}$$@door/$PATH", "rtsp://me:$U${}${1}$$@door/$PATH"),
        ("clips/${U}.mp4", "clips/${U}.mp4"),  # a file
    ],
)
def test_only_variables_in_braces_in_addresses_are_replaced(typed: str, used: str) -> None:
    assert with_environment(typed, KNOWN) == used


@pytest.mark.parametrize("typed", ["rtsp://${U}:${NONE}@door/?a=pw", "rtsp://${NONE}/?a=pw"])
def test_a_variable_that_is_not_set_is_named(typed: str) -> None:
    with pytest.raises(ConfigError, match=r"\?a=\*\*\*: the environment has no variable NONE"):
        with_environment(typed, KNOWN)


@pytest.mark.parametrize("typed", ["rtsp://me:p/w@door/main", "rtsp://me:p?w@door/main"])
def test_a_password_that_ends_the_host_says_how_to_write_it(typed: str) -> None:
    with pytest.raises(ConfigError, match=r"^rtsp://\*\*\*@door/main: .*%2F") as raised:
        with_environment(typed, KNOWN)
    assert "p/w" not in str(raised.value)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_password_arrives_as_it_is(password: str) -> None:
    used = with_environment("rtsp://me:${P}@door/main", {"P": password})
    assert used.startswith("rtsp://me:")
    assert used.endswith("@door/main")
    quoted = used.removeprefix("rtsp://me:").removesuffix("@door/main")
    assert unquote(quoted) == password
    assert not set(quoted) & set("@/:?#")


def test_a_camera_gets_user_and_password_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CAM_USER", "m@e")
    monkeypatch.setenv("CAM_PASSWORD", "p@w:/%#?")
    server = MjpegServer(Script(frames=3, user="m@e:p@w:/%#?"))
    with server:
        address = server.address.replace("//", "//${CAM_USER}:${CAM_PASSWORD}@")
        with NetworkStream(address) as stream:
            frame = next(iter(stream))
    assert frame.source == server.address.replace("//", "//***@")
