"""``airflow crr summarize``: an inventory report by replication status."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from airflow_provider_crr.cli.objects import connect
from airflow_provider_crr.cli.process import ExitCode, command, to_json
from airflow_provider_crr.errors import InvalidArgument, of_disk
from airflow_provider_crr.s3.objects import is_s3_uri, split_uri
from airflow_provider_crr.text import humanize

if TYPE_CHECKING:
    from airflow_provider_crr.inventory.manifest import Manifest

_FETCHES = "before-parameter-build.s3.GetObject"


@command
def summarize(args: Namespace, out: TextIO) -> ExitCode:
    """Summarize one report. The exit code does not depend on what it says."""
    from airflow_provider_crr.inventory.engines.choice import choose_summarizer
    from airflow_provider_crr.inventory.engines.summarizer import SummaryRequest
    from airflow_provider_crr.inventory.render import render
    from airflow_provider_crr.inventory.report import manifest_uri_of, read_manifest

    page = _writable(args.html) if args.html else None
    if not is_s3_uri(args.inventory):
        split_uri(args.inventory)
    client = connect(args).get_conn()
    manifest = read_manifest(client, manifest_uri_of(client, args.inventory))
    with _progress(client, manifest, sys.stderr):
        request = SummaryRequest(prefix_depth=args.prefix_depth, versions=args.versions)
        summary = choose_summarizer("local", client).summarize(manifest, request)
    if page:
        summary = summary.written_to(report_uri=page.as_uri())
        try:
            page.write_text(render(summary, "html"), encoding="utf-8")
        except OSError as error:
            raise of_disk(error.errno)(
                f"cannot write {page}: {error.strerror}", remedy="Give --html another file"
            ) from error
    print(to_json(summary.to_dict(), indent=2) if args.json else render(summary, "text").rstrip("\n"), file=out)
    return ExitCode.DONE


def _writable(file: str) -> Path:
    """Return the path of the page; refuse it before the report is read if nothing can be written there."""
    path = Path(file).absolute()
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InvalidArgument(f"cannot write {file!r}", remedy="Give --html a file in a directory that is there")
    return path


@contextmanager
def _progress(client: Any, manifest: Manifest, terminal: TextIO) -> Iterator[None]:
    """
    Show on a terminal how many data files are read.

    :param client: the S3 client that fetches the data files.
    :param manifest: the report.
    :param terminal: the terminal. If it is not one, nothing is shown.
    """
    if not terminal.isatty():
        yield
        return
    sizes = {file.key: file.size for file in manifest.files}
    begun: dict[str, int] = {}

    def note(params: dict[str, Any], **_: Any) -> None:
        begun[params["Key"]] = sizes.get(params["Key"], 0)
        files = f"{humanize.count(len(begun))} of {humanize.count(len(sizes))} data files"
        volume = f"{humanize.size(sum(begun.values()))} of {humanize.size(sum(sizes.values()))}"
        terminal.write(f"\r\x1b[Kreading {files}, {volume}")
        terminal.flush()

    client.meta.events.register(_FETCHES, note)
    try:
        yield
    finally:
        client.meta.events.unregister(_FETCHES, note)
        terminal.write("\r\x1b[K")
        terminal.flush()
