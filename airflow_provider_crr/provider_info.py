"""What Airflow's provider manager reads of this package."""

from __future__ import annotations

from typing import Any

from airflow_provider_crr import __version__

_CONFIGURATION = {
    "description": "Gates on Amazon S3 replication. What a DAG means stands in the DAG; here is how it is run.",
    "options": {
        "max_requests_per_second": {
            "description": (
                "Most HEAD requests that a task sends in a second, if it is not given max_requests_per_second."
                " S3 allows 5,500 a second and prefix, which replication itself uses, too; inf is no limit."
            ),
            "version_added": "0.1.0",
            "type": "float",
            "example": "200",
            "default": "1000",
        },
        "prices": {
            "description": (
                "What HEAD requests cost, by which a gate's log says what its wait costs: US dollars for 1,000 of them,"
                " as JSON. Empty for the price of S3 Standard in us-east-1."
            ),
            "version_added": "0.1.0",
            "type": "string",
            "example": '{"head": 0.00044}',
            "default": "",  # no braces: Airflow fills in what stands between them
        },
        "show_tab": {
            "description": (
                "Whether Airflow shows the Replication tab and the page Gates waiting now. Read when the API server"
                " starts."
            ),
            "version_added": "0.1.0",
            "type": "boolean",
            "example": "False",
            "default": "True",
        },
    },
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the form of Airflow's ``provider_info.schema.json``."""
    name = "Amazon S3 Replication"
    return {
        "package-name": "airflow-provider-crr",
        "name": name,
        "description": (
            "Gate tasks on `Amazon S3 replication"
            " <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html>`__,"
            " summarize S3 Inventory by replication status, and repair what failed."
        ),
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": name,
                "external-doc-url": "https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html",
                "tags": ["aws"],
            }
        ],
        "hooks": [_modules(name, "hooks.replication", "hooks.batch_operations")],
        "sensors": [_modules(name, "sensors.replication", "sensors.inventory")],
        "triggers": [
            _modules(
                name,
                *("triggers.replication", "triggers.inventory", "triggers.inventory_report"),
                "triggers.batch_replication",
            )
        ],
        "operators": [
            _modules(name, *(f"operators.{each}" for each in ("deletion", "inventory", "rules", "batch_replication")))
        ],
        "notifications": ["airflow_provider_crr.notifications.replication.ReplicationNotifier"],
        "config": {"crr": _CONFIGURATION},
        # Read by Airflow 3.2 and later; before, there is `python -m airflow_provider_crr.cli`.
        "cli": ["airflow_provider_crr.cli.definition.get_crr_commands"],
        "extra-links": [
            "airflow_provider_crr.links.batch_job.BatchJobLink",
            *(
                f"airflow_provider_crr.links.console.{link}"
                for link in ("S3ConsoleLink", "InventoryManifestLink", "WrittenReportLink")
            ),
        ],
    }


def _modules(name: str, *modules: str) -> dict[str, Any]:
    return {
        "integration-name": name,
        "python-modules": [f"airflow_provider_crr.{module}" for module in modules],
    }
