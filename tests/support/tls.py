"""A private authority, for servers that speak HTTPS."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key, both as the library has them."""

    certificate: Any
    key: Any

    @property
    def pem(self) -> bytes:
        """The certificate."""
        from cryptography.hazmat.primitives import serialization

        return bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    @property
    def key_pem(self) -> bytes:
        """The private key."""
        from cryptography.hazmat.primitives import serialization

        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return bytes(self.key.private_bytes(pem, pkcs8, serialization.NoEncryption()))

    def server(self, folder: Path, *chain: Identity) -> ssl.SSLContext:
        """
        Return the context of a server.

        :param folder: where the files are written that OpenSSL reads.
        :param chain: whose certificates are sent along.
        """
        (folder / "server.pem").write_bytes(b"".join(each.pem for each in (self, *chain)))
        (folder / "server.key").write_bytes(self.key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
        return context


def identity(
    issuer: Identity | None = None,
    *,
    kind: str = "ec",
    name: str = "a private S3",
    host: str = "127.0.0.1",
    ca: bool = True,
    days: tuple[int, int] = (-1, 1),
) -> Identity:
    """
    Return a new identity.

    :param issuer: who signs it; itself by default.
    :param kind: of its key: ``ec``, ``rsa`` or ``ed25519``.
    :param host: for which host name or address it is.
    :param ca: whether it may sign others.
    :param days: the days from now between which it is valid.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    key = _key(kind)
    signer = issuer.key if issuer else key
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    try:
        alternative: Any = x509.IPAddress(ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([alternative]), False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), True)
        .sign(signer, None if "Ed25519" in type(signer).__name__ else hashes.SHA256())
    )
    return Identity(certificate, key)


def _key(kind: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())


def authority(folder: Path) -> ssl.SSLContext:
    """Return the context of a server on 127.0.0.1; the certificate to trust is written to the folder's ``cert.pem``."""
    made = identity()
    (folder / "cert.pem").write_bytes(made.pem)
    return made.server(folder)
