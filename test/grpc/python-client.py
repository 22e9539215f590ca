"""A gRPC client in Python for the tests of gRPC without proxies: reads commands as JSON lines and answers each.

call: COUNT calls, CONCURRENCY at a time. load: calls without a pause until stop. The answer counts outcomes: the
status, followed by the body of those that succeeded. The bootstrap comes by GRPC_XDS_BOOTSTRAP.
"""

import collections
import concurrent.futures
import json
import sys
import threading
import time

import grpc

channels = {}
loads = {}
output = threading.Lock()


def method(target):
    if target not in channels:
        channel = grpc.insecure_channel(target)
        channels[target] = channel.unary_unary("/demo.Backend/Call")
    return channels[target]


def call(command):
    metadata = tuple(command.get("metadata", {}).items())
    try:
        body = method(command["target"])(
            b"", metadata=metadata, timeout=command.get("timeoutMs", 5000) / 1000
        )
        return "OK " + body.decode()
    except grpc.RpcError as error:
        details = (error.details() or "").split("\n")[0]
        return error.code().name + (" " + details if command.get("details") else "")


def calls(command):
    count = command.get("count", 1)
    with concurrent.futures.ThreadPoolExecutor(command.get("concurrency", 1)) as pool:
        return collections.Counter(pool.map(lambda _: call(command), range(count)))


def load(command, stopped):
    outcomes = collections.Counter()
    while not stopped.is_set():
        outcomes[call(command)] += 1
        time.sleep(command.get("gapMs", 2) / 1000)
    return outcomes


def run(command):
    started = time.monotonic()
    operation = command["op"]
    if operation == "load":
        stopped = threading.Event()
        pool = concurrent.futures.ThreadPoolExecutor(1)
        loads[command["target"]] = (stopped, pool.submit(load, command, stopped))
        outcomes = {}
    elif operation == "stop":
        stopped, result = loads.pop(command["target"])
        stopped.set()
        outcomes = result.result()
    else:
        outcomes = calls(command)
    answer = {"id": command["id"], "outcomes": outcomes, "ms": (time.monotonic() - started) * 1000}
    with output:
        print(json.dumps(answer), flush=True)


for line in sys.stdin:
    threading.Thread(target=run, args=(json.loads(line),), daemon=True).start()
