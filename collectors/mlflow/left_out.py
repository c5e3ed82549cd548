"""The routes of MLflow that could change something and are not recorded: each with the reason why.

A test reads MLflow's own rules at run time, and the plugin does so at every start: a rule that is neither here nor in
``routes`` is said aloud. Names are those of ``routes.action_of``: method and path, without ``/api/2.0/mlflow``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_BY_REASON: Final[Mapping[str, str]] = {
    "logged in loops, and read once when the run ends": """
        POST runs/log-metric
        POST runs/log-batch
        POST runs/log-parameter
        POST runs/log-model
        POST runs/set-tag
        POST runs/delete-tag
    """,
    "asks, and changes nothing": """
        POST /graphql
        POST registered-models/get-latest-versions
        POST experiments/search
        POST experiments/search-datasets
        POST runs/search
        POST logged-models/search
        POST datasets/search
        POST issues/search
        POST jobs/search
        POST prompt-optimization/jobs/search
        POST traces/batchGetInfos
        POST traces/calculate-filter-correlation
        POST traces/metrics
        POST traces/search
        POST webhooks/<webhook_id>/test
        POST artifacts/presigned-download-url
        POST ui-telemetry
    """,
    "names and tags of an experiment, which is a folder of runs and no thing of the graph": """
        POST experiments/create
        POST experiments/update
        POST experiments/set-experiment-tag
        POST experiments/delete-experiment-tag
    """,
    "bytes of artifacts; what they are is read from the artifact store, and checked there": """
        POST upload-artifact
        POST artifacts/presigned-upload-url
        PUT mlflow-artifacts/artifacts/<artifact_path>
        DELETE mlflow-artifacts/artifacts/<artifact_path>
        POST mlflow-artifacts/mpu/create/<artifact_path>
        POST mlflow-artifacts/mpu/complete/<artifact_path>
        POST mlflow-artifacts/mpu/abort/<artifact_path>
    """,
    "traces of single requests to a model: many, personal, and no lineage of a model": """
        POST traces
        POST /v1/traces
        PATCH traces/<request_id>
        PATCH traces/<request_id>/tags
        DELETE traces/<request_id>/tags
        PATCH traces/<trace_id>/tags
        DELETE traces/<trace_id>/tags
        POST traces/<trace_id>/assessments
        PATCH traces/<trace_id>/assessments/<assessment_id>
        DELETE traces/<trace_id>/assessments/<assessment_id>
        POST traces/delete-traces
        POST traces/link-prompts
        POST traces/link-to-run
    """,
    "evaluation of applications (records, labels, reviews, issues, scorers), which the graph has no kinds for": """
        POST datasets/create
        DELETE datasets/<dataset_id>
        POST datasets/<dataset_id>/records
        DELETE datasets/<dataset_id>/records
        PATCH datasets/<dataset_id>/tags
        DELETE datasets/<dataset_id>/tags/<key>
        POST datasets/<dataset_id>/add-experiments
        POST datasets/<dataset_id>/remove-experiments
        POST issues
        PATCH issues/<issue_id>
        POST issues/invoke
        POST genai/evaluate/invoke
        POST label-schemas/create
        PATCH label-schemas/update
        DELETE label-schemas/delete
        POST review-queues/create
        POST review-queues/update
        POST review-queues/delete
        POST review-queues/get-or-create-user
        POST review-queues/items/add
        POST review-queues/items/remove
        POST review-queues/items/set-status
        POST scorer/invoke
        POST scorers/register
        DELETE scorers/delete
        PUT scorers/online-config
    """,
    "a job of the server's own, whose writes come back through the recorded routes": """
        POST jobs/
        PATCH jobs/cancel/<job_id>
        POST prompt-optimization/jobs
        POST prompt-optimization/jobs/<job_id>/cancel
        DELETE prompt-optimization/jobs/<job_id>
    """,
    "MLflow's demonstration data, made and removed by the server itself; nobody's model": """
        POST demo/generate
        POST demo/delete
    """,
    "where the registry sends news, with secrets; it changes no model": """
        POST webhooks
        PATCH webhooks/<webhook_id>
        DELETE webhooks/<webhook_id>
    """,
    "the gateway to other people's models, with their keys": """
        POST gateway-proxy
        POST gateway/budgets/create
        POST gateway/budgets/update
        DELETE gateway/budgets/delete
        POST gateway/endpoints/create
        POST gateway/endpoints/update
        DELETE gateway/endpoints/delete
        POST gateway/endpoints/set-tag
        DELETE gateway/endpoints/delete-tag
        POST gateway/endpoints/bindings/create
        DELETE gateway/endpoints/bindings/delete
        POST gateway/endpoints/models/attach
        POST gateway/endpoints/models/detach
        POST gateway/guardrails/create
        DELETE gateway/guardrails/delete
        POST gateway/guardrails/add-to-endpoint
        DELETE gateway/guardrails/remove-from-endpoint
        PATCH gateway/guardrails/update-config
        POST gateway/model-definitions/create
        POST gateway/model-definitions/update
        DELETE gateway/model-definitions/delete
        POST gateway/secrets/create
        POST gateway/secrets/update
        DELETE gateway/secrets/delete
        POST /gateway/anthropic/v1/messages
        POST /gateway/gemini/v1beta/models/<endpoint_name>:generateContent
        POST /gateway/gemini/v1beta/models/<endpoint_name>:streamGenerateContent
        POST /gateway/mlflow/v1/chat/completions
        POST /gateway/openai/v1/chat/completions
        POST /gateway/openai/v1/embeddings
        POST /gateway/openai/v1/responses
        POST /gateway/openai/v1/responses/compact
        POST /gateway/proxy/<endpoint_name>/<path>
        POST /gateway/typesafe/v1/systemone
        POST /gateway/<endpoint_name>/mlflow/invocations
    """,
    "a registry of tool servers, which are no models": """
        POST mcp-servers
        PATCH mcp-servers/<name>
        DELETE mcp-servers/<name>
        POST mcp-servers/<name>/aliases
        DELETE mcp-servers/<name>/aliases/<alias>
        POST mcp-servers/<name>/endpoints
        PATCH mcp-servers/<name>/endpoints/<endpoint_id>
        DELETE mcp-servers/<name>/endpoints/<endpoint_id>
        POST mcp-servers/<name>/tags
        DELETE mcp-servers/<name>/tags/<key>
        POST mcp-servers/<name>/versions
        PATCH mcp-servers/<name>/versions/<version>
        DELETE mcp-servers/<name>/versions/<version>
        POST mcp-servers/<name>/versions/<version>/tags
        DELETE mcp-servers/<name>/versions/<version>/tags/<key>
    """,
    "a conversation with MLflow's assistant on its own machine": """
        POST assistant/message
        PUT assistant/config
        PATCH assistant/sessions/<session_id>
        POST assistant/sessions/<session_id>/permission
        POST assistant/sessions/<session_id>/tool-result
        POST assistant/skills/install
    """,
    "settings of a workspace, which is nothing but a part of every name in it": """
        POST workspaces
        PATCH workspaces/<workspace_name>
    """,
}

_SINCE_3_18: Final[Mapping[str, str]] = {
    "a registry of skills for assistants, which are no models": """
        POST skills
        POST skills/bulk-register
        PATCH skills/<name>
        DELETE skills/<name>
        POST skills/<name>/aliases
        DELETE skills/<name>/aliases/<alias>
        POST skills/<name>/tags
        DELETE skills/<name>/tags/<key>
        POST skills/<name>/versions
        PATCH skills/<name>/versions/<version>
        DELETE skills/<name>/versions/<version>
        POST skills/<name>/versions/<version>/tags
        DELETE skills/<name>/versions/<version>/tags/<key>
        PATCH skills/@<organization>/<name>
        DELETE skills/@<organization>/<name>
        POST skills/@<organization>/<name>/aliases
        DELETE skills/@<organization>/<name>/aliases/<alias>
        POST skills/@<organization>/<name>/tags
        DELETE skills/@<organization>/<name>/tags/<key>
        POST skills/@<organization>/<name>/versions
        PATCH skills/@<organization>/<name>/versions/<version>
        DELETE skills/@<organization>/<name>/versions/<version>
        POST skills/@<organization>/<name>/versions/<version>/tags
        DELETE skills/@<organization>/<name>/versions/<version>/tags/<key>
    """,
    "when MLflow looks for issues in traces, which the graph has no kinds for": """
        POST issues/schedule/state
    """,
}


def _reasons(by_reason: Mapping[str, str]) -> dict[str, str]:
    return {action.strip(): reason for reason, actions in by_reason.items() for action in actions.strip().splitlines()}


OF_NEWER_RELEASES: Final[Mapping[str, str]] = _reasons(_SINCE_3_18)
"""Those that the newest release which the tests run has not."""

LEFT_OUT: Final[Mapping[str, str]] = {**_reasons(_BY_REASON), **OF_NEWER_RELEASES}
"""Reason by action."""
