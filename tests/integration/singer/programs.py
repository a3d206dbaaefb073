"""A tap and a target that do what their configurations say, installed as the deployer installs others."""

from pathlib import Path

TAP = """
import argparse, json, os, sys, time

def main():
    words = argparse.ArgumentParser()
    words.add_argument("--config", required=True)
    words.add_argument("--state")
    words.add_argument("--catalog")
    words.add_argument("--discover", action="store_true")
    told = words.parse_args()
    config = json.load(open(told.config))
    print(config.get("says", "INFO begins"), file=sys.stderr)
    if told.discover:
        if "discover_status" in config:
            return config["discover_status"]
        streams = [{"stream": name, "tap_stream_id": name, "schema": {}, "metadata": []} for name in config["streams"]]
        print(json.dumps({"streams": streams}))
        return 0
    state = json.load(open(told.state)) if told.state else {}
    streams = list(config["streams"])
    word = "RECORD" if "wants" in config else "record"  # targets take it in one case only, this one or the other
    if told.catalog:
        catalog = json.load(open(told.catalog))["streams"]
        streams = [one["stream"] for one in catalog if one["metadata"][0]["metadata"]["selected"]]
    if "first_state" in config:
        print(json.dumps({"type": "STATE", "value": config["first_state"]}))
    for name in streams:
        columns = {"id": {"type": config["wants"]}, "bad": {"type": "boolean"}} if "wants" in config else {"id": {}}
        print(json.dumps({"type": "SCHEMA", "stream": name, "schema": {"properties": columns}, "key_properties": []}))
        for row in config["streams"][name]:
            if row["id"] > state.get(name, 0):
                print(json.dumps({"type": word, "stream": name, "record": row}), flush="pause" in config)
                time.sleep(config.get("pause", 0))
        if config["streams"][name]:
            state[name] = max(row["id"] for row in config["streams"][name])
    if config.get("bad_line"):
        print(json.dumps({"type": "RECORD", "stream": "rows"}))
    if config.get("environment"):
        json.dump(dict(os.environ), open("environment.json", "w"))
    if "fails" in config:
        print("Traceback (most recent call last):\\nValueError: " + config["fails"], file=sys.stderr)
        return 3
    if not config.get("stateless"):
        print(json.dumps({"type": "STATE", "value": state}))
    if "garbage" in config:
        print(config["garbage"])
    return 0
"""

TARGET = """
import argparse, json, os, signal, sys

def main():
    words = argparse.ArgumentParser()
    words.add_argument("--config", required=True)
    config = json.load(open(words.parse_args().config))
    asked = []
    if config.get("listens"):
        # As targets of hotglue's SDK do that are not told the job's id.
        signal.signal(signal.SIGUSR1, lambda *_: asked.append(1))
        open("../.secrets/user_signal.listener", "w").write("here")
    if config.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    state, bookmarks, summary = None, {}, {}
    for number, line in enumerate(sys.stdin, 1):
        message = json.loads(line)
        kind, name = message["type"].upper(), message.get("stream")
        if kind == "STATE":
            state = message["value"]
        if kind == "RECORD":
            row = message["record"]
            open(name + ".jsonl", "a").write(json.dumps(row) + "\\n")
            bad = row.get("bad", False)
            bookmarks.setdefault(name, []).append({"success": not bad, "id": str(row["id"]), "mapped_record": row})
            counts = summary.setdefault(name, {"success": 0, "fail": 0, "existing": 0, "updated": 0})
            counts["fail" if bad else "success"] += 1
            state = None
        own = {"bookmarks": bookmarks, "summary": summary}
        if asked or row_of(config, "crash_at") == number:
            json.dump(own, open("../.secrets/incremental_target_state.json", "w"))
            if not asked:
                raise RuntimeError("the destination went away, secret " + config.get("password", ""))
            print(json.dumps(own))
            return 0
        if row_of(config, "leave_at") == number:
            return 0
    if config.get("sdk"):
        print(json.dumps({"tap": state or {}, "target": own} if os.environ["STREAMING_JOB"] == "True" else own))
    elif state is not None:
        print(json.dumps(state))
    return config.get("status", 0)

def row_of(config, name):
    return config.get(name)
"""

BY_NAME = {"tap-rows": TAP, "target-rows": TARGET}


def install(home: Path, name: str, version: str = "1.0", folder: str | None = None) -> None:
    """Lay a package down as ``pip install --target`` does."""
    place = home / (folder or name)
    describe(place, name, version)
    (place / f"{name.replace('-', '_')}.py").write_text(BY_NAME[name])


def describe(place: Path, name: str, version: str) -> None:
    """Say which package and which program lie in a folder."""
    module = name.replace("-", "_")
    described = place / f"{module}-{version}.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (described / "entry_points.txt").write_text(f"[console_scripts]\n{name} = {module}:main\n")
