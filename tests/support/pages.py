"""Wrong answers that may come instead of a page of a listing, and a script that lets the scripted S3 give them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.support.s3_server import Answer, Request, S3Server

HEAD = b"HTTP/1.1 200 OK\r\nx-amz-request-id: 0A49CE4060975EAC\r\n"
XHTML = (
    '<?xml version="1.0" encoding="UTF-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>Sign in</title>'
    "</head><body><p>Please</p><p>sign in</p></body></html>"
)
ERROR = "<Error{}><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"

#: The wrong answer: a body with status 200, or an answer with a body.
Spoilt = str | tuple[Answer, str]
BOTH = (1, 2)
ALL = frozenset({"objects", "folders", "versions"})


class Kind(NamedTuple):
    """
    A kind of answer that is not the page that was asked for.

    :param spoil: makes it from the right page.
    :param pages: which of two pages it can replace.
    :param listings: the kinds of listings whose pages it can replace.
    """

    spoil: Callable[[str], Spoilt]
    pages: tuple[int, ...] = BOTH
    listings: frozenset[str] = ALL


def instead(body: str, **answer: object) -> Kind:
    return Kind(lambda page: (Answer(**answer), body))  # type: ignore[arg-type]


def cut(head: bytes) -> Kind:
    return Kind(lambda page: (Answer(raw=head), ""))


def with_headers(status: int = 200, **headers: str) -> Kind:
    return Kind(lambda page: (Answer(status, headers), page))


def element(name: str, text: str, pages: tuple[int, ...] = BOTH, listings: frozenset[str] = ALL) -> Kind:
    """Replace the first element of this name by something else."""
    return Kind(lambda page: re.sub(rf"<{name}>[^<]*</{name}>|<{name}/>", text, page, count=1), pages, listings)


def added(text: str, pages: tuple[int, ...] = BOTH, listings: frozenset[str] = ALL) -> Kind:
    """Add something to the page."""
    return Kind(lambda page: page.replace("<Name>", f"{text}<Name>", 1), pages, listings)


def next_page(text: str) -> Kind:
    """Replace the elements of the first page that lead to the second one."""
    return Kind(lambda page: re.sub(r"<(Next\w+)>[^<]*</\1>", text, page), (1,))


def rooted(name: str) -> Kind:
    return Kind(lambda page: re.sub(r"List(Bucket|Versions)Result", name, page))


def other_listing(page: str) -> str:
    root, other = ("Bucket", "Versions") if "<ListBucketResult" in page else ("Versions", "Bucket")
    return page.replace(f"List{root}Result", f"List{other}Result")


NO_FOLDERS = ALL - {"folders"}
KINDS: dict[str, Kind] = {
    "empty": instead(""),
    "blank": instead("\n"),
    "FIN in the status line": cut(b"HTTP/1.1 200 OK\r\n"),
    "FIN amid a header": cut(HEAD + b"Content-Ty"),
    "FIN at the end of the headers": cut(HEAD),
    "headers and FIN": cut(HEAD + b"\r\n"),
    "half a body and FIN": Kind(lambda page: (Answer(raw=HEAD + b"\r\n" + page.encode()[: len(page) // 2]), "")),
    "half a body": Kind(lambda page: page[: len(page) // 2]),
    "without its last byte": Kind(lambda page: page[:-1]),
    "XHTML": instead(XHTML),
    "HTML": instead("<!doctype html><html><body><br>Sign in</body></html>"),
    "JSON": instead("{}"),
    "text": instead("OK"),
    "203": with_headers(203),
    "204": instead("", status=204),
    "206": with_headers(206),
    "206 and empty": instead("", status=206),
    "500 and a web page": instead(XHTML, status=500),
    "500 and text": instead("Internal Server Error", status=500),
    "503 and a web page": instead(XHTML, status=503),
    "an error": instead(ERROR.format("")),
    "an error in a namespace": instead(ERROR.format(' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"')),
    "two pages": Kind(lambda page: page + page.partition("\n")[2]),
    "a list of buckets": rooted("ListAllMyBucketsResult"),
    "a root in lower case": rooted("listbucketresult"),
    "a listing of something else": Kind(other_listing),
    "a root and nothing in it": Kind(lambda page: re.sub(r"(<List\w+Result)[^>]*>.*</List\w+Result>", r"\1/>", page)),
    "IsTruncated missing": element("IsTruncated", ""),
    "IsTruncated empty": element("IsTruncated", "<IsTruncated/>"),
    **{
        f"IsTruncated {text!r}": element("IsTruncated", f"<IsTruncated>{text}</IsTruncated>")
        for text in ("True", "TRUE", "1", "0", "False", "FALSE", "no", " false", "false ", "\ntrue\n", "null")
    },
    "IsTruncated false and true": Kind(
        lambda page: page.replace("<Name>", "<IsTruncated>false</IsTruncated><IsTruncated>true</IsTruncated><Name>", 1)
    ),
    "IsTruncated false twice": Kind(
        lambda page: re.sub(r"<IsTruncated>\w+</IsTruncated>", "<IsTruncated>false</IsTruncated>" * 2, page)
    ),
    "IsTruncated in an element of its own": element("IsTruncated", "<IsTruncated><b>false</b></IsTruncated>"),
    "isTruncated": element("IsTruncated", "<isTruncated>false</isTruncated>"),
    "false, and a next page": element("IsTruncated", "<IsTruncated>false</IsTruncated>", (1,)),
    "false, and a next page at the end": added(
        "<NextContinuationToken>n</NextContinuationToken><NextKeyMarker>n</NextKeyMarker>", (2,)
    ),
    "true, and no next page": next_page(""),
    "true, and an empty next page": next_page(r"<\1></\1>"),
    "true, and a blank next page": next_page(r"<\1> </\1>"),
    "true, and a next page of another form": next_page("<NextMarker>w/2</NextMarker>"),
    "true at the end": element("IsTruncated", "<IsTruncated>true</IsTruncated>", (2,)),
    "of another bucket": element("Name", "<Name>another</Name>"),
    "of another prefix": element("Prefix", "<Prefix>another/</Prefix>"),
    "of all prefixes": element("Prefix", "<Prefix/>"),
    "of another delimiter": added("<Delimiter>-</Delimiter>"),
    "of a later start": added("<StartAfter>w/9</StartAfter>"),
    "of another page": element(r"(?:ContinuationToken|KeyMarker)", "<ContinuationToken>x</ContinuationToken>", (2,)),
    "with keys of another prefix": Kind(lambda page: re.sub(r">w/(?=.)(?!<)", ">v/", page)),
    "with a row that has no key": added("<Contents/><Version/><CommonPrefixes/>"),
    "with a row that has an empty key": added("<Contents><Key/></Contents><Version><Key/></Version>", BOTH, NO_FOLDERS),
    "with a row that has two keys": element("Key", r"\g<0>\g<0>", BOTH, NO_FOLDERS),
    "with keys rolled up": added("<CommonPrefixes><Prefix>w/z/</Prefix></CommonPrefixes>", BOTH, NO_FOLDERS),
    "with versions that have no id": element("VersionId", "", BOTH, frozenset({"versions"})),
    "with a time that is none": element("LastModified", "<LastModified>soon</LastModified>", BOTH, NO_FOLDERS),
    "with a key that is no text": element("Key", "<Key>w/9%FF</Key>", BOTH, NO_FOLDERS),
    "with a folder that is no text": added("<CommonPrefixes><Prefix>w/9%FF/</Prefix></CommonPrefixes>"),
    "in an encoding that nobody knows": element("EncodingType", "<EncodingType>base64</EncodingType>"),
    "with fewer keys than it counts": element("KeyCount", "<KeyCount>1001</KeyCount>", BOTH, ALL - {"versions"}),
    "with a count that is none": element("KeyCount", "<KeyCount>many</KeyCount>", BOTH, ALL - {"versions"}),
    "out of a cache": with_headers(Age="30"),
    "stale": with_headers(Warning='110 - "Response is Stale"'),
}  # fmt: skip


@dataclass
class Script:
    """
    Spoils one page of each listing that a server answers.

    :param kind: how.
    :param page: which one, from 1.
    :param times: how often; None for always.
    :param prefix: only of listings whose prefix begins so.
    """

    kind: Kind
    page: int
    times: int | None = None
    prefix: str = ""
    spoilt: int = field(default=0, init=False)

    def __call__(self, request: Request, page: str) -> tuple[Answer, str]:
        number = 2 if "continuation-token" in request.query or "key-marker" in request.query else 1
        right = not request.query.get("prefix", "").startswith(self.prefix)
        if right or number != self.page or (self.times is not None and self.spoilt >= self.times):
            return Answer(), page
        self.spoilt += 1
        found = self.kind.spoil(page)
        assert found != page, "this kind spoils nothing of this page"
        return (Answer(), found) if isinstance(found, str) else found


def spoil(server: S3Server, name: str, page: int, **more: object) -> Script:
    """Have a server spoil its pages; return the script, which counts."""
    server.on_list = Script(KINDS[name], page, **more)  # type: ignore[arg-type]
    return server.on_list


def cases(listing: str) -> list[tuple[str, int]]:
    """Return each kind that a listing can meet, with each page."""
    return [(name, page) for name, kind in KINDS.items() if listing in kind.listings for page in kind.pages]
