"""Write ``event.schema.json``: ``python -m graph_schema.publish FILE``. A test compares it with the models."""

import json
import sys
from pathlib import Path

from graph_schema.events import json_schema

if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(json_schema(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
