"""Ask a lineage service from a notebook, a script or a pipeline, and hand facts to it.

    from lineage_service.client import LineageClient

    LineageClient("http://127.0.0.1:8765", token).provenance("model_version:credit/3")

Lives in other people's environments, so it needs httpx and ``graph_schema`` only (pandas if a frame is asked for).
"""

from lineage_service.client.credential import Credential
from lineage_service.client.errors import (
    AbsentPackageError,
    AnswerError,
    BadRequestError,
    ClientError,
    CredentialError,
    DamageError,
    NobodyError,
    ProblemError,
    RefusedError,
    RolledBackError,
    UnavailableError,
    UnknownNameError,
)
from lineage_service.client.head import SeenHead
from lineage_service.client.lineage_client import DEFAULT_URL, LineageClient, Receipt
from lineage_service.client.result import Result

__all__ = [
    "DEFAULT_URL",
    "AbsentPackageError",
    "AnswerError",
    "BadRequestError",
    "ClientError",
    "Credential",
    "CredentialError",
    "DamageError",
    "LineageClient",
    "NobodyError",
    "ProblemError",
    "Receipt",
    "RefusedError",
    "Result",
    "RolledBackError",
    "SeenHead",
    "UnavailableError",
    "UnknownNameError",
]
