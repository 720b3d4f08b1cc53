"""``python -m local_aws``: serve the local AWS on 127.0.0.1 until interrupted, and print where, as one line of JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import select
import socket
import sys
import threading

HOST = "127.0.0.1"


def main() -> None:
    """Bind, start MiniStack, say where it listens."""
    arguments = _arguments()
    if arguments.owned:
        _end_with(os.getppid())
    # Bound here and passed on as a descriptor, so that the port that is printed is the one that is served.
    listener = socket.create_server((HOST, arguments.port), backlog=1024)
    port = listener.getsockname()[1]
    _configure(port, arguments.region, arguments.auth)

    # Imported only now, because MiniStack reads its environment while it is imported.
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app as ministack

    from local_aws.app import LocalAwsApp
    from local_aws.batch.service import BatchOperations
    from local_aws.batch.store import Store
    from local_aws.pending import PendingPhase

    def announce() -> None:
        print(json.dumps({"endpoint_url": f"http://{HOST}:{port}", "region": arguments.region}), flush=True)

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "ERROR"
    config.keep_alive_timeout = 75
    # One connection of a bulk lookup may carry any number of HEADs.
    config.keep_alive_max_requests = 1_000_000_000
    phase = PendingPhase(arguments.pending_seconds)
    app = LocalAwsApp(ministack, phase, BatchOperations(arguments.region, Store(phase)), announce)
    asyncio.run(serve(app, config))  # type: ignore[arg-type]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local_aws", description="MiniStack with a PENDING phase.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--region", default="eu-west-1")
    parser.add_argument("--pending-seconds", type=float, default=0.0, help="age at which a replication ends")
    parser.add_argument("--auth", action="store_true", help="check signatures and IAM policies")
    parser.add_argument("--owned", action="store_true", help="end when standard input ends, or the parent process")
    return parser.parse_args()


def _configure(port: int, region: str, auth: bool) -> None:
    """Tell MiniStack to be S3, SQS, STS and the like in memory: no listeners of its own, no Docker, no disk."""
    os.environ.update(
        {
            "GATEWAY_PORT": str(port),
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": region,
            "AUTH": str(auth).lower(),
            "LOG_LEVEL": "ERROR",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            # A socket that does not exist is how MiniStack knows that there is no Docker to talk to.
            "DOCKER_HOST": "unix:///nonexistent/docker.sock",
            "PERSIST_STATE": "0",
            "S3_PERSIST": "0",
        }
    )


def _end_with(parent: int) -> None:
    """
    End this process when its parent ends.

    Standard input ends with the parent, unless a process that the parent forked still holds the other end. So the
    parent's id is watched, too. ``PR_SET_PDEATHSIG`` would not do: it follows the *thread* which started this process.
    """

    def watch() -> None:
        while os.getppid() == parent:
            readable, _, _ = select.select([sys.stdin], [], [], 0.5)
            if readable and not os.read(sys.stdin.fileno(), 1024):
                break
        os._exit(0)

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


if __name__ == "__main__":
    main()
