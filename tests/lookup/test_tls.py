"""Whom the two clients trust, and how soon they say so: boto3 decides, for one object and for many."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from botocore import httpsession

from airflow_provider_crr.errors import LookupFailed
from airflow_provider_crr.lookup import choice
from airflow_provider_crr.lookup.choice import choose_lookup
from airflow_provider_crr.lookup.own_faults import raise_for_settings
from airflow_provider_crr.s3.objects import S3Object
from tests.support.s3_server import S3Server, stored
from tests.support.stopwatch import Stopwatch
from tests.support.tls import Identity, identity
from tests.support.tunnel import pass_on, tunnelling

pytestmark = [
    pytest.mark.usefixtures("crt"),
    pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"),
    pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1"),
]

ONE, PAIR = [S3Object("b", "one")], [S3Object("b", "one"), S3Object("b", "two")]
#: Seconds within which whatever it is must be said; the runtime alone takes 10 to 30.
SOON = 9.0
BROKEN = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
EC_PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
#: A record of application data that nobody has encrypted.
UNENCRYPTED = b"\x17\x03\x03\x00\x40" + b"x" * 64
PKCS7 = b"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n"


@pytest.fixture(scope="module")
def private() -> Identity:
    return identity()


@contextmanager
def serving(context: ssl.SSLContext) -> Iterator[S3Server]:
    with S3Server(tls=context) as running:
        running.default = lambda bucket, key, version: stored("COMPLETED")
        yield running


def ask(client: Any, objects: list[S3Object]) -> set[str]:
    """Return the states of some objects, which are there soon."""
    watch = Stopwatch()
    found = {each.state.value for each in choose_lookup(client)(objects)}
    assert watch.seconds() < SOON
    return found


ACCEPTED: dict[str, Callable[[Identity], bytes]] = {
    "plain": lambda made: made.pem,
    "key before": lambda made: made.key_pem + made.pem,
    "key behind": lambda made: made.pem + made.key_pem,
    "X509 CERTIFICATE": lambda made: made.pem.replace(b"CERTIFICATE", b"X509 CERTIFICATE"),
    "parameters before": lambda made: EC_PARAMETERS + made.pem,
    "PKCS7 before": lambda made: PKCS7 + made.pem,
    "CRLF": lambda made: made.pem.replace(b"\n", b"\r\n"),
    "comments": lambda made: b"# our own\nSubject: caf\xc3\xa9\n" + made.pem + b"# behind\n",
    "byte-order mark": lambda made: b"\xef\xbb\xbf" + made.pem,
    "others too": lambda made: identity(name="other").pem + made.pem,
    "twice": lambda made: made.pem * 2,
    "no line break at the end": lambda made: made.pem.rstrip(),
    "spaces behind": lambda made: made.pem.replace(b"\n", b"  \n"),
}


@pytest.mark.parametrize("form", ACCEPTED)
def test_whatever_file_boto3_takes_is_taken(private: Identity, tmp_path: Path, form: str) -> None:
    """One object and two are COMPLETED with each kind of file that OpenSSL reads, whether the runtime does or not."""
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(ACCEPTED[form](private))
    with serving(private.server(tmp_path)) as server:
        client = server.client(verify=str(trusted))
        assert ask(client, ONE) == ask(client, PAIR) == {"COMPLETED"}


REFUSED: dict[str, Callable[[Identity], bytes]] = {
    "empty": lambda made: b"",
    "DER": lambda made: ssl.PEM_cert_to_DER_cert(made.pem.decode()),
    "DER behind": lambda made: BROKEN + ssl.PEM_cert_to_DER_cert(made.pem.decode()),
    "no PEM": lambda made: b"nonsense\n",
    "only a key": lambda made: made.key_pem,
    "broken before": lambda made: BROKEN + made.pem,
    "cut behind": lambda made: made.pem + made.pem[:200],
    "indented": lambda made: b"".join(b"  " + line for line in made.pem.splitlines(keepends=True)),
    "empty lines": lambda made: made.pem.replace(b"\n", b"\n\n"),
    "NUL before": lambda made: b"\0\n" + made.pem,
}


@pytest.mark.parametrize("form", [*REFUSED, "missing", "a folder"])
def test_whatever_file_boto3_does_not_take_is_an_error(private: Identity, tmp_path: Path, form: str) -> None:
    """It can never work: the error says so at once, names the file and verify, and is no UNKNOWN to wait for."""
    trusted = tmp_path / "trusted.pem"
    if form == "a folder":
        trusted.mkdir()
    elif form != "missing":
        trusted.write_bytes(REFUSED[form](private))
    with serving(private.server(tmp_path)) as server:
        for objects in (ONE, PAIR):
            with pytest.raises(
                LookupFailed, match=r"no certificates can be trusted: .*trusted\.pem.* verify"
            ) as raised:
                ask(server.client(verify=str(trusted)), objects)
            assert not raised.value.passing
            assert raised.value.uri in list(map(str, PAIR))
        assert server.requests == []


@pytest.mark.parametrize("given", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "home"])
def test_wherever_boto3_finds_the_file(
    private: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """The variables of the environment that name the file, and a path from the home folder, hold for both."""
    (tmp_path / "trusted.pem").write_bytes(private.pem)
    monkeypatch.setenv("HOME", str(tmp_path))
    if given != "home":
        monkeypatch.setenv(given, str(tmp_path / "trusted.pem"))
    with serving(private.server(tmp_path)) as server:
        client = server.client(verify="~/trusted.pem" if given == "home" else None)
        assert choice.why_not_crt(client) is None
        assert ask(client, ONE) == ask(client, PAIR) == {"COMPLETED"}
        assert "amz-sdk-invocation-id" not in server.heads()[-1].headers


def chain(folder: Path, *, trust: str) -> tuple[ssl.SSLContext, bytes]:
    """Return a server with an intermediate authority, and one of the authorities."""
    root = identity(name="root")
    middle = identity(root, name="middle")
    return identity(middle, name="leaf", ca=False).server(folder, middle), {"root": root, "middle": middle}[trust].pem


def made(folder: Path, **kwargs: Any) -> tuple[ssl.SSLContext, bytes]:
    """Return a server with a certificate of its own, which is trusted."""
    found = identity(**kwargs)
    return found.server(folder), found.pem


def versions(folder: Path, least: ssl.TLSVersion, most: ssl.TLSVersion) -> tuple[ssl.SSLContext, bytes]:
    """Return a server of some versions of TLS."""
    context, pem = made(folder)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = least, most
    return context, pem


TLS = ssl.TLSVersion
SERVERS: dict[str, tuple[Callable[[Path], tuple[ssl.SSLContext, bytes]], str]] = {
    "root": (lambda folder: chain(folder, trust="root"), "COMPLETED"),
    "Ed25519": (lambda folder: made(folder, kind="ed25519"), "COMPLETED"),
    "RSA": (lambda folder: made(folder, kind="rsa"), "COMPLETED"),
    "TLS 1.2": (lambda folder: versions(folder, TLS.TLSv1_2, TLS.TLSv1_2), "COMPLETED"),
    "TLS 1.3": (lambda folder: versions(folder, TLS.TLSv1_3, TLS.TLSv1_3), "COMPLETED"),
    "TLS 1.1": (lambda folder: versions(folder, TLS.TLSv1, TLS.TLSv1_1), "UNKNOWN"),
    "an intermediate alone": (lambda folder: chain(folder, trust="middle"), "UNKNOWN"),
    "expired": (lambda folder: made(folder, days=(-3, -1)), "UNKNOWN"),
    "not valid yet": (lambda folder: made(folder, days=(1, 3)), "UNKNOWN"),
    "another address": (lambda folder: made(folder, host="127.0.0.2"), "UNKNOWN"),
    "another name": (lambda folder: made(folder, host="localhost"), "UNKNOWN"),
    "somebody else's": (lambda folder: (made(folder)[0], identity().pem), "UNKNOWN"),
}


@pytest.mark.parametrize("kind", SERVERS)
def test_both_trust_a_server_alike_and_soon(tmp_path: Path, kind: str) -> None:
    """What is trusted for one object is trusted for two, what is not is UNKNOWN for both, and both are said soon."""
    make, expected = SERVERS[kind]
    context, pem = make(tmp_path)
    (tmp_path / "trusted.pem").write_bytes(pem)
    with serving(context) as server:
        client = server.client(verify=str(tmp_path / "trusted.pem"), retries={"total_max_attempts": 2})
        assert ask(client, ONE) == ask(client, PAIR) == {expected}
        assert ask(client, PAIR) == {expected}


@pytest.mark.parametrize("kind", ["Ed25519", "expired", "another name", "somebody else's"])
def test_who_is_not_checked_is_asked(tmp_path: Path, kind: str) -> None:
    """With verify=False nobody is refused for a certificate, whatever the runtime knows of its key."""
    context, _ = SERVERS[kind][0](tmp_path)
    with serving(context) as server:
        client = server.client(verify=False)
        assert ask(client, ONE) == ask(client, PAIR) == {"COMPLETED"}


def test_the_name_that_is_asked_for_is_told(tmp_path: Path) -> None:
    """A server of several names shows each client the certificate of the one that it asks (SNI, RFC 6066)."""
    named = identity(host="localhost")
    context, hosts = identity(host="elsewhere.example").server(tmp_path), []
    mine = named.server(tmp_path)

    def choose(connection: ssl.SSLSocket, host: str | None, _: ssl.SSLContext) -> None:
        hosts.append(host)
        connection.context = mine if host == "localhost" else context

    context.sni_callback = choose  # type: ignore[assignment]
    (tmp_path / "trusted.pem").write_bytes(named.pem)
    with serving(context) as server:
        url = server.endpoint_url.replace("127.0.0.1", "localhost")
        client = _client_at(url, server, str(tmp_path / "trusted.pem"))
        assert ask(client, ONE) == ask(client, PAIR) == {"COMPLETED"}
        assert set(hosts) == {"localhost"}
        assert "amz-sdk-invocation-id" not in server.heads()[-1].headers


@pytest.mark.parametrize("given", ["both", "one file", "none", "another key", "missing", "no key"])
def test_a_server_that_asks_for_a_certificate(private: Identity, tmp_path: Path, given: str) -> None:
    """A client certificate goes through boto3; one that cannot be used is an error, and without one nobody answers."""
    context = private.server(tmp_path)
    (tmp_path / "trusted.pem").write_bytes(private.pem)
    context.load_verify_locations(tmp_path / "trusted.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    cert, key, both, other = (tmp_path / name for name in ("client.pem", "client.key", "both.pem", "other.key"))
    mine = identity(private, name="client", ca=False)
    cert.write_bytes(mine.pem)
    key.write_bytes(mine.key_pem)
    both.write_bytes(mine.pem + mine.key_pem)
    other.write_bytes(identity().key_pem)
    choices: dict[str, dict[str, Any]] = {
        "both": {"client_cert": (str(cert), str(key))},
        "one file": {"client_cert": str(both)},
        "none": {},
        "another key": {"client_cert": (str(cert), str(other))},
        "missing": {"client_cert": (str(cert), str(tmp_path / "gone.key"))},
        "no key": {"client_cert": str(cert)},
    }
    config = choices[given]
    with serving(context) as server:
        client = server.client(verify=str(tmp_path / "trusted.pem"), retries={"total_max_attempts": 1}, **config)
        for objects in (ONE, PAIR):
            if given in ("both", "one file", "none"):
                assert ask(client, objects) == {"UNKNOWN" if given == "none" else "COMPLETED"}
            else:
                with pytest.raises(LookupFailed, match=r"the client certificate cannot be used: .*client\.pem"):
                    ask(client, objects)


def test_threads_that_show_a_certificate_do_not_disturb_each_other(private: Identity, tmp_path: Path) -> None:
    """Many connections that shake hands at once, each with the client's certificate, are all trusted."""
    context = private.server(tmp_path)
    context.load_verify_locations(cadata=private.pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    mine = identity(private, name="client", ca=False)
    both, trusted = tmp_path / "both.pem", tmp_path / "trusted.pem"
    both.write_bytes(mine.pem + mine.key_pem)
    trusted.write_bytes(private.pem)
    with serving(context) as server:
        for _ in range(25):
            client = server.client(verify=str(trusted), retries={"total_max_attempts": 1}, client_cert=str(both))
            assert ask(client, [S3Object("b", f"k{n}") for n in range(30)]) == {"COMPLETED"}


@pytest.mark.parametrize("way", ["straight", "through a proxy that speaks TLS"])
def test_no_two_connections_share_a_context(
    private: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """What urllib3 changes when it connects, no other thread uses; and botocore's session makes it."""
    session: Any = httpsession.URLLib3Session
    made, make = [], session._get_ssl_context

    def making(self: Any) -> Any:
        made.append(self)
        return make(self)

    monkeypatch.setattr(session, "_get_ssl_context", making)
    monkeypatch.setattr(choice, "why_not_crt", lambda client: "this test asks for boto3")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(private.pem)
    context = private.server(tmp_path)
    config: dict[str, Any] = {}
    each = 1  # context for a connection
    with serving(context) as server, tunnelling(context) as proxy:
        if way != "straight":
            config, each = {"proxies": {"https": proxy}, "proxies_config": {"proxy_ca_bundle": str(trusted)}}, 2
        client = server.client(verify=str(trusted), **config)
        raise_for_settings(client)
        made.clear()
        assert ask(client, [S3Object("b", f"k{n}") for n in range(20)]) == {"COMPLETED"}
        assert len({request.port for request in server.heads()}) * each == len(made) > each
        client.close()


class Gatekeeper:
    """
    Passes boto3's connections on to a server, and holds the runtime's at the door.

    :param port: of the server; None to hold all.
    """

    def __init__(self, port: int | None) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._to = port
        self.held: list[socket.socket] = []
        self._relays: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                came = self._listening.accept()[0]
            except OSError:
                return
            # boto3 says in its greeting that it speaks HTTP/1.1 (RFC 7301), the runtime does not.
            if self._to is None or b"http/1.1" not in came.recv(4096, socket.MSG_PEEK):
                self.held.append(came)
                continue
            to = socket.create_connection(("127.0.0.1", self._to))
            self._relays += [came, to]
            for source, sink in ((came, to), (to, came)):
                threading.Thread(target=pass_on, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        """Hang up."""
        self._listening.shutdown(socket.SHUT_RDWR)
        for each in (self._listening, *self.held, *self._relays):
            each.close()


@pytest.mark.parametrize("objects", [2, 100])
def test_a_handshake_that_hangs_is_bounded(private: Identity, tmp_path: Path, objects: int) -> None:
    """Where the runtime's handshake does not end, boto3 asks within seconds, and the client knows it from then on."""
    (tmp_path / "trusted.pem").write_bytes(private.pem)
    with serving(private.server(tmp_path)) as server:
        door = Gatekeeper(int(server.endpoint_url.rpartition(":")[2]))
        try:
            client = _client_at(f"https://127.0.0.1:{door.port}", server, str(tmp_path / "trusted.pem"))
            assert ask(client, [S3Object("b", f"k{n}") for n in range(objects)]) == {"COMPLETED"}
            assert door.held
            held, watch = len(door.held), Stopwatch()
            assert ask(client, PAIR) == {"COMPLETED"}
            assert watch.seconds() < 2
            assert len(door.held) == held
        finally:
            door.close()


def _client_at(url: str, server: S3Server, verify: str, **config: Any) -> Any:
    """Return a client of another address of the server."""
    import boto3
    from botocore.config import Config

    key, secret = next(iter(server.secrets.items()))
    session = boto3.Session(key, secret, region_name="eu-west-1")
    return session.client("s3", endpoint_url=url, verify=verify, config=Config(**config))


def test_a_server_that_never_shakes_hands_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    """Where nobody answers at all, a stop ends the lookup while the handshake hangs."""
    door = Gatekeeper(None)
    try:
        with serving(identity().server(tmp_path)) as server:
            client = _client_at(f"https://127.0.0.1:{door.port}", server, str(tmp_path / "server.pem"))
            stop = threading.Event()
            threading.Timer(0.5, stop.set).start()
            watch = Stopwatch()
            with pytest.raises(LookupFailed, match="stopped"):
                list(choose_lookup(client)(PAIR, stop=stop))
            assert watch.seconds() < 3
    finally:
        door.close()


def test_a_certificate_that_changes_amid_the_lookups(private: Identity, tmp_path: Path) -> None:
    """A client that shook hands once does not believe a certificate that boto3 would refuse later."""
    (tmp_path / "trusted.pem").write_bytes(private.pem)
    with serving(private.server(tmp_path)) as server:
        client = server.client(verify=str(tmp_path / "trusted.pem"), retries={"total_max_attempts": 1})
        assert ask(client, PAIR) == {"COMPLETED"}
        port = int(server.endpoint_url.rpartition(":")[2])
    other = identity(days=(-3, -1))
    with _at_port(port, other.server(tmp_path)):
        assert ask(client, PAIR) == {"UNKNOWN"}


def test_what_breaks_behind_the_handshake_is_told_alike(private: Identity, tmp_path: Path) -> None:
    """Where TLS fails later, as where a server refuses the client only then, boto3 says why, for one and for many."""
    (tmp_path / "trusted.pem").write_bytes(private.pem)
    context = private.server(tmp_path)
    with serving(context) as server, _at_port(0, context, says=UNENCRYPTED) as port:
        url, verify = f"https://127.0.0.1:{port}", str(tmp_path / "trusted.pem")
        client = _client_at(url, server, verify, retries={"total_max_attempts": 1})
        for objects in (ONE, PAIR):
            found = list(choose_lookup(client)(objects))
            assert [each.state.value for each in found] == ["UNKNOWN"] * len(objects)
            assert [each.detail for each in found if "no answer: SSL validation failed" not in each.detail] == []


@contextmanager
def _at_port(port: int, context: ssl.SSLContext, says: bytes = b"") -> Iterator[int]:
    """
    Serve a certificate at a port, and hang up after the handshake.

    :param port: the port; 0 for any, which is returned.
    :param context: the certificate.
    :param says: what is sent before that, once something was asked, as it is.
    """
    listening = socket.create_server(("127.0.0.1", port))
    threads = []

    def answer(came: socket.socket) -> None:
        came.settimeout(2)
        with suppress(OSError), context.wrap_socket(came, server_side=True) as shaken:
            if says and shaken.recv(65536):
                socket.socket.sendall(shaken, says)
                socket.socket.shutdown(shaken, socket.SHUT_WR)
                while socket.socket.recv(shaken, 65536):  # closing before would throw away what was sent
                    pass
        came.close()

    def serve() -> None:
        while True:
            try:
                came = listening.accept()[0]
            except OSError:
                return
            threads.append(threading.Thread(target=answer, args=(came,)))
            threads[-1].start()

    accepting = threading.Thread(target=serve)
    accepting.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join()
        for each in threads:
            each.join()
        listening.close()
