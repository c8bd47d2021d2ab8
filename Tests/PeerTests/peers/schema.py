"""What `fieldgw help --schema` prints, against a validator: schema.py FIELDGW ROOT.

Every configuration that the documents and the boards show must be valid, and so must every profile.
Mistakes that a schema can tell must not be.
"""
import glob
import json
import re
import subprocess
import sys

import json5
from jsonschema import Draft202012Validator


def loads(text):
    """JSON5, with numbers as keys: `map: { 0: "off" }`."""
    return json5.loads(re.sub(r"([{,]\s*)(0x[0-9A-Fa-f]+|\d+)\s*:", r'\1"\2":', text))


def configurations(root):
    for path in [f"{root}/README.md"] + sorted(glob.glob(f"{root}/board/docs/*.md")):
        with open(path, encoding="utf-8") as file:
            blocks = re.findall(r"```json5\n(.*?)\n```", file.read(), re.S)
        for block in blocks:
            if block.startswith("{"):
                yield path, loads(block)
    for path in sorted(glob.glob(f"{root}/board/*/*.json5")):
        if "/profiles/" not in path:
            with open(path, encoding="utf-8") as file:
                yield path, loads(file.read())


MISTAKES = [
    {"bridge": {"host": "h"}, "ports": {}},
    {"bridge": {"host": "h", "gateway": "g", "hots": "x"}, "ports": {}},
    {"bridge": {"host": "h", "gateway": "g", "port": 70000}, "ports": {}},
    {"bridge": {"host": "h", "gateway": "g", "keepAlive": 60}, "ports": {}},
    {"bridge": {"host": "h", "gateway": "g"}, "ports": {"a": {"device": "/dev/a", "parity": "E", "nodes": {}}}},
    {"bridge": {"host": "h", "gateway": "g"},
     "ports": {"a": {"device": "/dev/a", "nodes": {"d": {"unit": 1, "points": {"p": {"holding": 70000}}}}}}},
    {"bridge": {"host": "h", "gateway": "g"},
     "ports": {"a": {"device": "/dev/a", "nodes": {"d": {"unit": 1, "points": {"p": {"holding": 0, "typ": "x"}}}}}}},
]


def main():
    program, root = sys.argv[1:]
    schema = json.loads(subprocess.run([program, "help", "--schema"], check=True, capture_output=True).stdout)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    count = 0
    for path, document in configurations(root):
        for error in validator.iter_errors(document):
            sys.exit(f"{path}: {error.json_path}: {error.message}"[:500])
        count += 1
    for mistake in MISTAKES:
        if validator.is_valid(mistake):
            sys.exit(f"valid: {mistake}")
    profile = Draft202012Validator({**schema, "$ref": "#/$defs/profile-file"})
    profiles = sorted(glob.glob(f"{root}/board/profiles/*.json5"))
    for path in profiles:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for error in profile.iter_errors(loads(text)):
            sys.exit(f"{path}: {error.json_path}: {error.message}"[:500])
    print(f"{count} configurations, {len(profiles)} profiles")


main()
