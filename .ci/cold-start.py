"""Starts functions as Lambda does and takes the time: a stand-in for the Lambda Runtime API on loopback.

    cold-start.py ENVIRONMENT RUNS NAME=BOOTSTRAP=EVENT...

ENVIRONMENT is the file that `leasebox sam` writes. Each run starts every bootstrap once, one after the other, gives it the
event twice and ends it; so what else the machine does meets all of them alike.
"""

import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TIMEOUT = 30


def unchunked(body):
    """What a body consists of that came in chunks."""
    parts = []
    while True:
        size, body = body.split(b"\r\n", 1)
        length = int(size.split(b";")[0], 16)
        if length == 0:
            return b"".join(parts)
        parts.append(body[:length])
        body = body[length + 2:]


class Runtime:
    """One bootstrap, from its start to its end, as the Runtime API sees it."""

    def __init__(self, bootstrap, environment):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(TIMEOUT)
        self.output = tempfile.TemporaryFile()
        self.connection, self.rest, self.body = None, b"", b""
        variables = {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % self.listener.getsockname()[1],
            "AWS_LAMBDA_FUNCTION_NAME": "measured",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": "measured",
            "AWS_LAMBDA_LOG_STREAM_NAME": "measured",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "LEASE_SECONDS": "30",
            "RUST_LOG": "info",
            **environment,
        }
        self.started = time.perf_counter()
        self.process = subprocess.Popen([bootstrap], env=variables, stdout=self.output, stderr=self.output)

    def request(self):
        """The method and the path of the next request, when all of it is here; its body is kept."""
        while b"\r\n\r\n" not in self.rest:
            self.receive()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            while not self.rest.endswith(b"0\r\n\r\n"):
                self.receive()
            self.body, self.rest = unchunked(self.rest), b""
        else:
            length = int(headers.get("content-length", 0))
            while len(self.rest) < length:
                self.receive()
            self.body, self.rest = self.rest[:length], self.rest[length:]
        method, path, _ = lines[0].split(" ", 2)
        return method, path

    def receive(self):
        if self.connection is None:
            self.connection, _ = self.listener.accept()
            self.connection.settimeout(TIMEOUT)
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        part = self.connection.recv(65536)
        if not part:
            # The client opened another connection.
            self.connection.close()
            self.connection, self.rest = None, b""
            return
        self.rest += part

    def answer(self, status, body=b"", headers=()):
        lines = ["HTTP/1.1 " + status, "content-type: application/json", "content-length: %d" % len(body), *headers]
        self.connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def now(self):
        """Since the start: milliseconds, milliseconds of processor, and bytes that were written."""
        elapsed = (time.perf_counter() - self.started) * 1e3
        tasks = pathlib.Path("/proc/%d/task" % self.process.pid).iterdir()
        running = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6
        return elapsed, running, os.fstat(self.output.fileno()).st_size

    def waits(self):
        method, path = self.request()
        if (method, path) != ("GET", "/2018-06-01/runtime/invocation/next"):
            raise SystemExit("not asked for the next event: %s %s\n%s" % (method, path, self.said()))

    def invoke(self, event, number):
        """Gives the function an event and takes its answer."""
        self.answer("200 OK", event, [
            "lambda-runtime-aws-request-id: 00000000-0000-4000-8000-%012d" % number,
            "lambda-runtime-deadline-ms: %d" % ((time.time() + 25) * 1000),
            "lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:measured",
            "lambda-runtime-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
        ])
        method, path = self.request()
        if method != "POST" or not path.endswith("/response"):
            raise SystemExit("no answer: %s %s\n%s" % (method, path, self.said()))

    def accept(self):
        self.answer("202 Accepted")

    def memory(self):
        """The most memory that it had at once, in KB."""
        status = pathlib.Path("/proc/%d/status" % self.process.pid).read_text()
        return int(status.split("VmHWM:")[1].split()[0])

    def said(self):
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def end(self):
        self.process.kill()
        self.process.wait()
        self.listener.close()
        if self.connection is not None:
            self.connection.close()


def measure(bootstrap, environment, event):
    runtime = Runtime(bootstrap, environment)
    try:
        runtime.waits()
        ready = runtime.now()
        runtime.invoke(event, 1)
        first = runtime.now()
        runtime.accept()
        runtime.waits()
        between = runtime.now()
        runtime.invoke(event, 2)
        second = runtime.now()
        runtime.accept()
        runtime.waits()
        return {
            "to `next`": ready[0],
            "first answer": first[0] - ready[0],
            "second answer": second[0] - between[0],
            "CPU to `next`": ready[1],
            "CPU to first answer": first[1],
            "memory": runtime.memory() / 1024,
            "log": runtime.now()[2] - between[2],
        }
    finally:
        runtime.end()


def main(environment, runs, *functions):
    environment = json.loads(pathlib.Path(environment).read_text())
    functions = [function.split("=") for function in functions]
    figures = {name: [] for name, _, _ in functions}
    for run in range(-1, int(runs)):
        for name, bootstrap, event in functions:
            variables = environment.get(name.split("/")[0].capitalize() + "Function", {})
            figure = measure(bootstrap, variables, pathlib.Path(event).read_bytes())
            # The first of each only brings the file into memory.
            if run >= 0:
                figures[name].append(figure)
    show(functions, figures)


def show(functions, figures):
    columns = ["to `next`", "first answer", "second answer", "CPU to `next`", "CPU to first answer"]
    print("| function | MB | " + " | ".join(columns) + " | memory, MB | log of an event, bytes |")
    print("|---|" + "---:|" * (len(columns) + 3))
    for name, bootstrap, _ in functions:
        cells = ["%.2f" % (os.path.getsize(bootstrap) / 1e6)]
        for column in columns:
            values = sorted(figure[column] for figure in figures[name])
            median, p90 = statistics.median(values), values[int(0.9 * (len(values) - 1))]
            cells.append("%.1f (%.1f)" % (median, p90))
        for column in ("memory", "log"):
            cells.append("%.0f" % statistics.median(figure[column] for figure in figures[name]))
        print("| %s | %s |" % (name, " | ".join(cells)))
    base = figures.get("nothing")
    if base:
        middle = lambda name, column: statistics.median(figure[column] for figure in figures[name])
        for name in figures:
            if name != "nothing":
                ratio = [middle(name, column) / middle("nothing", column) for column in ("to `next`", "CPU to `next`")]
                print("%s: %.1f times the time and %.1f times the processor of a function that does nothing, to `next`"
                      % (name, *ratio), file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
