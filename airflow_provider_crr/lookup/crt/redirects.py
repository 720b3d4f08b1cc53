"""Buckets that are in another region than the one that they were asked in."""

from __future__ import annotations

import time
from typing import NamedTuple

from airflow_provider_crr.lookup.asker import Answer, NotAsked
from airflow_provider_crr.lookup.crt.boto3_fallback import Boto3Fallback
from airflow_provider_crr.lookup.crt.questions import Question
from airflow_provider_crr.lookup.crt.queues import Queues
from airflow_provider_crr.lookup.crt.request_template import RequestTemplates
from airflow_provider_crr.s3.objects import S3Object

#: Seconds for which it is known of a bucket that boto3 found no other region.
_SETTLED = 60.0


class _Followed(NamedTuple):
    """The object that boto3 is asked about, and the questions about its bucket that wait for the answer."""

    first: S3Object
    waiting: list[Question]


class Redirects:
    """
    Follows buckets to their regions: boto3 is asked about one object of each, and finds the region.

    Until then nothing else is asked of the bucket, for it would be sent to where the bucket is not.

    :param queues: where the questions are that wait no more.
    :param templates: how each bucket is asked.
    :param boto3: finds the region.
    """

    def __init__(self, queues: Queues, templates: RequestTemplates, boto3: Boto3Fallback) -> None:
        self._queues = queues
        self._templates = templates
        self._boto3 = boto3
        self._followed: dict[str, _Followed] = {}
        #: Buckets for which boto3 found no other region, and until when what they answer is final.
        self._settled: dict[str, float] = {}

    def __repr__(self) -> str:
        waiting = sum(len(each.waiting) for each in self._followed.values())
        return f"followed={len(self._followed)} waiting_for_region={waiting}"

    def is_elsewhere(self, question: Question) -> bool:
        """Return whether the answer to a question says that its bucket is in another region."""
        if question.again or time.monotonic() < self._settled.get(question.obj.bucket, 0.0):
            return False
        if 300 <= question.http_status < 400:
            return True
        # A HEAD that is signed for another region is answered 400, without a word in its body.
        region = question.template.region
        return question.http_status == 400 and question.headers.get("x-amz-bucket-region", region) != region

    def hold(self, question: Question) -> bool:
        """Let a question wait if the region of its bucket is being looked for; return whether it is."""
        followed = self._followed.get(question.obj.bucket)
        if followed is None:
            return False
        followed.waiting.append(question)
        return True

    def follow(self, question: Question) -> None:
        """Ask boto3 where a question's bucket is, unless that is being asked, or was learnt since it was sent."""
        if not self._templates.is_current(question.template, question.obj):
            self._queues.add(question.anew())
        elif not self.hold(question):
            self._followed[question.obj.bucket] = _Followed(question.obj, [])
            self._boto3.ask(question.obj)

    def learn(self, answer: Answer) -> None:
        """
        Take note of where boto3 found a bucket, if it was asked for that, and ask there for those that waited.

        If boto3 could not ask, these are not asked either: where the bucket is stays unknown.
        """
        obj = answer.object
        followed = self._followed.get(obj.bucket)
        if followed is None or followed.first != obj:
            return
        del self._followed[obj.bucket]
        now = time.monotonic()
        self._settled = {bucket: until for bucket, until in self._settled.items() if now < until}
        try:
            if isinstance(answer, NotAsked):
                raise answer.error
            if not self._templates.renew_for_region(obj):
                self._settled[obj.bucket] = now + _SETTLED
        except Exception as error:
            for question in followed.waiting:
                self._queues.conclude(NotAsked(question.obj, error))
        else:
            for question in followed.waiting:
                self._queues.add(question.anew())
