"""
The requests and answers of s3control, read and written by botocore's own description of them.

botocore knows only the client's side: it writes requests and reads answers. Here it is the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qs
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring, tostring

from botocore.loaders import create_loader
from botocore.model import OperationModel, ServiceModel, Shape

NAMESPACE = "http://awss3control.amazonaws.com/doc/2018-08-20/"
#: Where all operations on jobs are. Nothing of S3 itself is asked with a header that names an account.
JOBS_PATH = "/v20180820/jobs"
ACCOUNT_HEADER = "x-amz-account-id"


class ControlError(Exception):
    """
    A refusal of s3control.

    :param code: such as "InvalidRequest".
    :param message: S3's words.
    :param status: HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def body(self) -> bytes:
        """Return what is sent."""
        root = Element("ErrorResponse", xmlns=NAMESPACE)
        error = SubElement(root, "Error")
        SubElement(error, "Code").text = self.code
        SubElement(error, "Message").text = self.message
        SubElement(root, "RequestId").text = "0123456789ABCDEF"
        SubElement(root, "HostId").text = "local"
        return _document(root)


@dataclass(frozen=True, slots=True)
class Request:
    """
    One request, understood.

    :param operation: such as "CreateJob".
    :param account_id: whose jobs it is about.
    :param region: of the endpoint.
    :param access_key: of the caller; the account itself if the request is not signed.
    :param values: the parameters by the names that boto3 has for them.
    """

    operation: str
    account_id: str
    region: str
    access_key: str
    values: dict[str, Any] = field(default_factory=dict)


def read(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, region: str) -> Request:
    """
    Understand a request, or raise :class:`ControlError`.

    :param method: HTTP method.
    :param path: path of the URL, decoded.
    :param query: query of the URL, as sent.
    :param headers: by lower-case names.
    :param body: the XML, if any.
    :param region: if the signature does not say any.
    """
    operation, job_id = _operation(method, path)
    access_key, signed_region = _signer(headers)
    account_id = headers.get(ACCOUNT_HEADER) or headers.get("host", "").partition(".")[0]
    if not re.fullmatch(r"\d{12}", account_id):
        raise ControlError("InvalidRequest", "Missing account id")
    values: dict[str, Any] = {"AccountId": account_id}
    shape: Any = operation.input_shape
    texts = parse_qs(query, keep_blank_values=True)
    for name, member in shape.members.items():
        where, wire_name = member.serialization.get("location"), member.serialization.get("name", name)
        if where == "uri":
            values[name] = job_id
        elif where == "querystring" and wire_name in texts:
            said = texts[wire_name]
            values[name] = said if member.type_name == "list" else _scalar(member, said[0], name)
    if body:
        values |= _structure(shape, _root(body))
    _check(shape, values, operation.name)
    return Request(operation.name, account_id, signed_region or region, access_key or account_id, values)


def written(operation: str, values: Mapping[str, Any]) -> bytes:
    """Return the body of the answer to an operation; what is None is left out."""
    shape: Any = _model().operation_model(operation).output_shape
    root = Element(shape.name, xmlns=NAMESPACE)
    _write(shape, values, root)
    return _document(root)


@cache
def _model() -> ServiceModel:
    return ServiceModel(create_loader().load_service_model("s3control", "service-2"), "s3control")


def _operation(method: str, path: str) -> tuple[OperationModel, str]:
    job_id, _, what = path.removeprefix(JOBS_PATH).strip("/").partition("/")
    names = {
        ("POST", False, ""): "CreateJob",
        ("GET", False, ""): "ListJobs",
        ("GET", True, ""): "DescribeJob",
        ("POST", True, "status"): "UpdateJobStatus",
        ("POST", True, "priority"): "UpdateJobPriority",
    }
    name = names.get((method, bool(job_id), what))
    if name is None:
        raise ControlError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
    return _model().operation_model(name), job_id


def _signer(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return access key and Region of the signature."""
    found = re.search(r"Credential=([^/,]+)/\d+/([^/]+)/", headers.get("authorization", ""))
    return found.groups() if found else ("", "")  # type: ignore[return-value]


def _root(body: bytes) -> Element:
    try:
        return fromstring(body)
    except ParseError as error:
        raise ControlError("MalformedXML", "The XML you provided was not well-formed.") from error


def _structure(shape: Any, node: Element) -> dict[str, Any]:
    children = {child.tag.rpartition("}")[2]: child for child in node}
    return {
        name: _value(member, children[member.serialization.get("name", name)], name)
        for name, member in shape.members.items()
        if member.serialization.get("name", name) in children and "location" not in member.serialization
    }


def _value(shape: Any, node: Element, name: str) -> Any:
    if shape.type_name == "structure":
        return _structure(shape, node)
    if shape.type_name == "list":
        return [_value(shape.member, child, name) for child in node]
    if shape.type_name == "map":
        raise ControlError("NotImplemented", f"{name} is not served here", 501)
    return _scalar(shape, node.text or "", name)


def _scalar(shape: Shape, text: str, name: str) -> Any:
    try:
        if shape.type_name in ("integer", "long"):
            return int(text)
        if shape.type_name == "boolean":
            return {"true": True, "false": False}[text]
        if shape.type_name == "timestamp":
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, KeyError) as error:
        raise ControlError("MalformedXML", f"{name} is not valid: {text}") from error
    return text


def _check(shape: Any, value: Any, name: str) -> None:
    """Refuse what the description does not allow: what is missing, too long, not one of the words, not of the form."""
    if shape.type_name == "structure":
        for required in shape.required_members:
            if required not in value:
                raise ControlError("InvalidRequest", f"Missing {required}")
        for member, inner in value.items():
            if member in shape.members:
                _check(shape.members[member], inner, member)
    elif shape.type_name == "list":
        for inner in value:
            _check(shape.member, inner, name)
    elif shape.type_name == "string" and not _fits(shape, value):
        raise ControlError("InvalidRequest", f"{name} is not valid: {value}")
    elif shape.type_name in ("integer", "long"):
        limits = shape.metadata
        if not limits.get("min", value) <= value <= limits.get("max", value):
            raise ControlError("InvalidRequest", f"{name} is out of range: {value}")


def _fits(shape: Any, text: str) -> bool:
    if shape.enum and text not in shape.enum:
        return False
    if not shape.metadata.get("min", 0) <= len(text) <= shape.metadata.get("max", len(text)):
        return False
    pattern = shape.metadata.get("pattern", "")
    # Java's classes of characters are not Python's.
    return not pattern or "\\p{" in pattern or re.search(f"^(?:{pattern})$", text) is not None


def _write(shape: Any, value: Any, node: Element) -> None:
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if value.get(name) is not None:
                _write(member, value[name], SubElement(node, member.serialization.get("name", name)))
    elif shape.type_name == "list":
        _write_list(shape, value, node)
    elif shape.type_name == "boolean":
        node.text = "true" if value else "false"
    elif shape.type_name == "timestamp":
        node.text = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    else:
        node.text = str(value)


def _write_list(shape: Any, values: Iterable[Any], node: Element) -> None:
    for value in values:
        _write(shape.member, value, SubElement(node, shape.member.serialization.get("name", "member")))


def _document(root: Element) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root)
