"""Why S3 answered 400 or 403: a HEAD has no body, so the first object of a bucket is asked once more by GET."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_crr.replication.boto import S3Client
from airflow_provider_crr.replication.status import ObjectReplication, ObjectState

#: Errors of the moment, not of the object: it can be asked again with new credentials or a right clock.
PASSING = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeTooSkewed", "TokenRefreshRequired"}


class Reasons:
    """
    Adds to answers what S3 says about refusing them, for one sweep.

    :param client: a boto3 S3 client.
    """

    def __init__(self, client: S3Client) -> None:
        self._client = client
        self._codes: dict[tuple[str, int], str] = {}

    def explain(self, found: ObjectReplication) -> ObjectReplication:
        """
        Return the answer, with the error that S3 names if it is the first of its bucket and status.

        Expired credentials or a clock that is off concern every object: their answers become UNKNOWN.
        """
        if found.http_status not in (400, 403):
            return found
        refused = (found.object.bucket, found.http_status)
        if refused not in self._codes:
            self._codes[refused], detail = self._ask(found)
            found = replace(found, detail=detail)
        code = self._codes[refused]
        if code in PASSING:
            found = replace(found, state=ObjectState.UNKNOWN, detail=found.detail or f"S3 answered {code}")
        return found

    def _ask(self, found: ObjectReplication) -> tuple[str, str]:
        from botocore.exceptions import BotoCoreError, ClientError

        obj = found.object
        version = {"VersionId": obj.version_id} if obj.version_id else {}
        try:
            answer = self._client.get_object(Bucket=obj.bucket, Key=obj.key, Range="bytes=0-0", **version)
            answer["Body"].close()
        except ClientError as error:
            code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
            return code, f"S3 answered {code}: {message}"
        except BotoCoreError:
            pass
        return "", found.detail
