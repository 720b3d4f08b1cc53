"""The event trigger with which an asset is watched for inventory reports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Hashable
from datetime import UTC, datetime, timedelta
from functools import reduce
from hashlib import sha256
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_crr.errors import InvalidArgument
from airflow_provider_crr.hooks.sharing.content import connection_key
from airflow_provider_crr.hooks.sharing.lazy_hook import LazyHook
from airflow_provider_crr.inventory.delivery import NEWEST, Announced, both, report_event
from airflow_provider_crr.inventory.location import InventoryLocation
from airflow_provider_crr.s3.deadline import Deadline
from airflow_provider_crr.s3.objects import text
from airflow_provider_crr.tasks import asset_state
from airflow_provider_crr.tasks.arguments import moment, seconds
from airflow_provider_crr.tasks.connection import HOOK_FIELDS, hook_arguments
from airflow_provider_crr.tasks.threads import in_thread
from airflow_provider_crr.text.legible import told

#: Longest time between two looks while S3 cannot be asked, in seconds, unless the interval itself is longer.
_LONGEST_WAIT = 3600.0
#: Longest time that one look may take, in seconds, with the making of the client.
_LONGEST_LOOK = 600.0


class S3InventoryReportTrigger(BaseEventTrigger):
    """
    Announce each S3 Inventory report once it is fully delivered, for an ``AssetWatcher``.

    The payload of an event is what :func:`~airflow_provider_crr.inventory.delivery.report_event` returns. Its
    ``manifest`` is the S3 URI for :class:`~airflow_provider_crr.operators.inventory.S3InventorySummaryOperator`.
    Reports are announced in the order in which S3 began them. A report is delivered when S3 has written
    ``manifest.checksum``. Whether it can be trusted is checked by the task that reads it, where somebody sees it fail.
    Airflow may start one run for several events.

    From Airflow 3.3 on, the asset's state store remembers what was announced. A report is noted there *before* its
    event is handed to Airflow, so none is announced twice. What is delivered while no triggerer runs is announced by
    the next one. One thing can be lost: the event that a triggerer was about to hand over when it was killed. Watchers
    of one inventory share one LIST loop.

    Before Airflow 3.3 nothing is remembered. What is complete when a triggerer starts is not announced, so that none is
    announced twice; what is delivered while no triggerer runs is missed.

    If S3 cannot be asked, the triggerer logs the error and asks again after twice the time, at most after an hour.

    :param inventory: folder of the inventory configuration, ``s3://dest/prefix/source-bucket/config-id/``.
    :param newer_than: announce reports that S3 began after this moment; a datetime with time zone, or its ISO 8601
        text. From Airflow 3.3 on, this includes those of the newest 32 that are complete when the asset is first
        watched. None announces what is delivered from then on.
    :param poke_interval: time between two looks; seconds or a timedelta.
    :param aws_conn_id: Airflow connection; None for boto3's own way to find credentials.
    :param region_name: AWS Region, None for the connection's.
    :param verify: whether to verify TLS certificates, or the path of a CA bundle.
    :param botocore_config: settings of ``botocore.config.Config``, as a mapping, or as its JSON text.
    :param expected_bucket_owner: account id that must own the bucket.
    :param requester_pays: accept the request costs of a requester-pays bucket.
    :raises InvalidArgument: for arguments that can never work.
    """

    def __init__(
        self,
        *,
        inventory: str,
        newer_than: datetime | str | None = None,
        poke_interval: timedelta | float = 300.0,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | str | None = None,
        expected_bucket_owner: str | None = None,
        requester_pays: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.inventory = str(InventoryLocation.parse(text(inventory, "inventory")))
        after = moment(newer_than, "newer_than")
        self.newer_than = after.astimezone(UTC) if after else None
        interval = seconds(poke_interval, "poke_interval")
        if not interval:
            raise InvalidArgument(f"poke_interval is {poke_interval!r}", remedy="Give seconds, more than 0")
        self.poke_interval = float(interval)
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = _mapping(botocore_config)
        self.expected_bucket_owner = expected_bucket_owner
        self.requester_pays = requester_pays
        self._hook_arguments = hook_arguments(self, for_trigger=True)
        for name in HOOK_FIELDS:  # in one spelling, so that equal watchers are stored alike
            setattr(self, name, self._hook_arguments[name])
        self._way = LazyHook(self._hook_arguments)
        self._unstored: Announced | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the kwargs, in one spelling: Airflow tells watchers apart by them."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "inventory": self.inventory,
                "newer_than": self.newer_than.isoformat() if self.newer_than else None,
                "poke_interval": self.poke_interval,
                "aws_conn_id": self.aws_conn_id,
                "region_name": self.region_name,
                "verify": self.verify,
                # As text, because Airflow 3.0 does not give back a mapping within a mapping.
                "botocore_config": json.dumps(self.botocore_config, sort_keys=True) if self.botocore_config else None,
                "expected_bucket_owner": self.expected_bucket_owner,
                "requester_pays": self.requester_pays,
            },
        )

    def shared_stream_key(self) -> Hashable | None:
        """Return a key that is equal for watchers that differ in ``newer_than`` only: these share one loop."""
        kwargs = self.serialize()[1]
        del kwargs["newer_than"]
        return (type(self).__qualname__, json.dumps(kwargs, sort_keys=True))

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[list[str]]:
        """Yield the manifests of the newest complete reports after each look; never end, and never raise."""
        looking = cls(**kwargs)
        delivered: list[str] = []
        wait = looking.poke_interval
        # Of the bucket, too: a bucket whose LIST takes long holds up nobody who asks for something else.
        key = (connection_key(looking._hook_arguments), InventoryLocation.parse(looking.inventory).bucket)
        while True:
            try:
                delivered = await in_thread(looking._look, delivered, key=key, stop=Deadline(_LONGEST_LOOK))
            except Exception as error:  # if it were raised, Airflow would start the trigger again at once
                wait = min(2 * wait, max(looking.poke_interval, _LONGEST_WAIT))
                looking.log.error("cannot look for inventory reports, again in %d seconds: %s", wait, told(error))
            else:
                wait = looking.poke_interval
                yield delivered
            await asyncio.sleep(wait)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[list[str]]) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each report that was not announced yet."""
        async for delivered in shared_stream:
            try:
                news = await self._news(delivered)
            except Exception:
                self.log.exception(
                    "cannot read which reports of %s were announced; nothing is, for now", self.inventory
                )
                continue
            for manifest in news:
                try:
                    mine = await self._claim(manifest)
                except Exception:
                    self.log.exception("cannot note that %s is announced; it is not, for now", manifest)
                    break  # later reports must not be announced before this one
                if mine:
                    self.log.info("inventory report %s is delivered", manifest)
                    yield TriggerEvent(report_event(manifest))  # type: ignore[no-untyped-call]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the same events without sharing the loop, as Airflow before 3.3 needs it."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    def _look(self, known: list[str]) -> list[str]:
        from airflow_provider_crr.inventory.report import complete_manifest_uris

        if self._way.has_moved():
            self._way = LazyHook(self._hook_arguments)
        client = self._way.get().get_conn()
        found = complete_manifest_uris(client, self.inventory, at_most=NEWEST, known=set(known))
        self._way.check()
        return found

    async def _news(self, delivered: list[str]) -> list[str]:
        announced = await self._recall()
        if announced is None:
            newer_than = self.newer_than if self._stores() else None
            announced = Announced.before_first_look(delivered, newer_than)
            await self._remember(announced)
        return both(announced, Announced(until=self.newer_than)).news(delivered)

    async def _claim(self, manifest: str) -> bool:
        """
        Note that a report is announced; return False if that was noted before.

        Airflow's stores cannot compare and set in one step. So two different triggers that watch one asset may both
        claim a report.
        """
        announced = await self._recall()
        if announced is None or not announced.news([manifest]):
            return False
        await self._remember(announced.plus(manifest))
        return True

    async def _recall(self) -> Announced | None:
        stores = self._stores()
        if not stores:
            return self._unstored
        stored = [value for store in stores if (value := await asset_state.recall(store, self._key)) is not None]
        known = [Announced.from_dict(value) for value in stored]
        return reduce(both, known) if known else None

    async def _remember(self, announced: Announced) -> None:
        """Note what is announced, in every store. One is enough: what any store knows counts as announced."""
        self._unstored = announced
        failed: Exception | None = None
        noted = False
        for store in self._stores():
            try:
                await asset_state.remember(store, self._key, announced.to_dict(self.inventory))
                noted = True
            except Exception as error:
                failed = error
                self.log.warning("one asset's store cannot note what is announced: %s", error)
        if failed and not noted:
            raise failed

    def _stores(self) -> list[Any]:
        """Return the state store of each asset that is watched by this trigger; none before Airflow 3.3."""
        accessors = getattr(self, "asset_state_store", None)
        if accessors is None:
            return []
        # Airflow makes one trigger of equal watchers, and does not tell it which asset is meant.
        return [*getattr(accessors, "_by_name", {}).values()] or [accessors]

    @property
    def _key(self) -> str:
        # An asset may be watched for several inventories. The URI itself may be longer than a key can be.
        return f"s3_inventory_reports_{sha256(self.inventory.encode()).hexdigest()[:16]}"


def _mapping(config: dict[str, Any] | str | None) -> dict[str, Any] | None:
    try:
        mapping: dict[str, Any] | None = json.loads(config) if isinstance(config, str) else config
    except ValueError as error:
        raise InvalidArgument(f"botocore_config is {config!r}", remedy="Give its settings as a mapping") from error
    return mapping
