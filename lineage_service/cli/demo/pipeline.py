"""The feature pipeline: it writes the applicants' table anew and tells with the official OpenLineage client."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lineage_service.cli.demo.world import APPLICANTS, COLUMNS, LAKE, RAW, Month


def run_pipeline(url: str, token: str, month: Month, table: Path) -> None:
    """Send START and COMPLETE of the run that wrote one version of the table."""
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport
    from openlineage.client.uuid import generate_new_uuid

    config = HttpConfig(url=url, auth=ApiKeyTokenProvider({"apiKey": token}))
    client = OpenLineageClient(transport=HttpTransport(config))
    execution, job = Run(runId=str(generate_new_uuid())), Job(namespace="demo-airflow", name="build_applicants")
    read = [InputDataset(namespace=LAKE, name=RAW)]
    facets, counted = _facets(month, table)
    written = [OutputDataset(namespace=LAKE, name=APPLICANTS, facets=facets, outputFacets=counted)]
    for state, outputs in ((RunState.START, []), (RunState.COMPLETE, written)):
        client.emit(
            RunEvent(
                eventTime=datetime.now(UTC).isoformat(),
                producer="https://demo.example/pipeline",
                run=execution,
                job=job,
                eventType=state,
                inputs=read,
                outputs=outputs,
            )
        )


def _facets(month: Month, table: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the pipeline says of the table: its version and columns, and how much was written."""
    from openlineage.client.facet_v2 import dataset_version_dataset, output_statistics_output_dataset, schema_dataset

    fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type="double") for name in COLUMNS]
    return {
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=month.version),
        "schema": schema_dataset.SchemaDatasetFacet(fields=fields),
    }, {
        "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=month.rows, size=table.stat().st_size
        )
    }
