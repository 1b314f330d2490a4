"""Reads a dashboard by the types that Grafana makes of its schemas, and fails where they leave something out."""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def differences(written, read, path=""):
    """Where what was read is not what is written."""
    if isinstance(written, dict) and isinstance(read, dict):
        for key, value in written.items():
            if key in read:
                yield from differences(value, read[key], f"{path}/{key}")
            else:
                yield f"{path}/{key}: no schema has it"
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        for i, (one, other) in enumerate(zip(written, read)):
            yield from differences(one, other, f"{path}/{i}")
    elif written != read:
        yield f"{path}: {written!r} is read as {read!r}"


register_default_plugins()
with open(sys.argv[1], encoding="utf-8") as file:
    dashboard = json.load(file)
found = list(differences(dashboard, json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))))
sys.exit("\n".join(found) or 0)
