"""What .ci/shop asks: the README's own text, and functions as Lambda starts them.

    shop.py block README NAME          prints the block of code behind `<!-- shop: NAME -->`
    shop.py curl README BASE           types the README's curl lines, and compares the answers that it shows
    shop.py functions BUILT DATABASE   calls the functions that `sam build` has built, each class of access by each caller
"""

import importlib.util
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def block(readme, name):
    text = pathlib.Path(readme).read_text()
    marked = "<!-- shop: %s -->\n```" % name
    if text.count(marked) != 1:
        raise SystemExit("the README has no block for %s, or two" % name)
    return text.split(marked)[1].split("\n", 1)[1].split("```\n")[0]


def curl(readme, base):
    lines = block(readme, "curl").splitlines()
    if sum(line.startswith("curl ") for line in lines) < 4:
        raise SystemExit("the README asks too little: %s" % lines)
    for number, line in enumerate(lines):
        if line.startswith("#"):
            continue
        command = line.replace("localhost:3000", base).replace("curl ", "curl --silent --show-error --max-time 30 ", 1)
        said = subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True).stdout.strip()
        shown = lines[number + 1] if number + 1 < len(lines) else ""
        if not shown.startswith("# "):
            continue
        shown = shown[2:]
        fits = said.startswith(shown.split("…")[0].rstrip(",")) if "…" in shown else said == shown
        if not fits:
            raise SystemExit("%s\nanswered %s\nand the README shows %s" % (line, said, shown))
        print(line, "->", said)


def cold_start():
    spec = importlib.util.spec_from_file_location("cold_start", HERE / "cold-start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Function:
    """A bootstrap in the runtime interface of Lambda, which answers one event after the other."""

    def __init__(self, bootstrap, database):
        environment = {
            "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_DYNAMODB": database, "AWS_ENDPOINT_URL_SQS": database, "TABLE_NAME": "leasebox",
            "USERS": "verified", "WAKE_QUEUE_URL": "http://127.0.0.1:1/wakes",
        }
        self.runtime = cold_start().Runtime(str(bootstrap), environment)
        self.runtime.waits()
        self.calls = 0

    def call(self, event):
        if self.calls:
            self.runtime.accept()
            self.runtime.waits()
        self.calls += 1
        self.runtime.invoke(json.dumps(event).encode(), self.calls)
        return json.loads(self.runtime.body)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.runtime.end()


def event(like, method, path, variables, caller, body=None):
    """An event of an HTTP API, of the route with this path, by this caller."""
    filled = path
    for name, value in variables.items():
        filled = filled.replace("{%s}" % name, value)
    made = json.loads(json.dumps(like))
    made.update(routeKey="%s %s" % (method, path), rawPath=filled, pathParameters=variables)
    made["requestContext"].update(routeKey=made["routeKey"], authorizer=caller)
    made["requestContext"]["http"].update(method=method, path=filled)
    if body is not None:
        made["body"] = json.dumps(body)
    return made


def functions(built, database):
    built = pathlib.Path(built)
    like = json.loads(pathlib.Path("events/status-stock.json").read_text())
    signed = {"iam": {"userArn": "arn:aws:iam::123456789012:user/backend"}}
    token = lambda user: {"jwt": {"claims": {"sub": user}, "scopes": None}}
    nobody, shoes, hats = None, token("shoes"), token("hats")
    with Function(built / "IngestFunction/bootstrap", database) as ingest:
        path, variables = "/stock/{id}/reserve/{pieces}", {"id": "shoes", "pieces": "1"}
        for caller, status in [(nobody, 403), (shoes, 403), (signed, 200)]:
            answer = ingest.call(event(like, "POST", path, variables, caller))
            if answer["statusCode"] != status:
                raise SystemExit("%s by %s: %s instead of %s" % (path, caller, answer, status))
    with Function(built / "StatusFunction/bootstrap", database) as status_function:
        for name, expected in {
            "public": [200, 200, 200, 200], "own": [401, 200, 403, 200], "any": [401, 200, 200, 200],
            "signed": [403, 403, 403, 200], "operators": [403, 403, 403, 200],
        }.items():
            path = "/stock/{id}/%s" % name
            asked = [status_function.call(event(like, "GET", path, {"id": "shoes"}, who))
                     for who in (nobody, shoes, hats, signed)]
            came = [answer["statusCode"] for answer in asked]
            if came != expected:
                raise SystemExit("%s by nobody, shoes, hats, a signer: %s instead of %s" % (path, came, expected))
        state = json.loads(asked[-1]["body"])
        if state != {"available": 1}:
            raise SystemExit("what was reserved by the function is not in what is read: %s" % state)
    with Function(built / "DrainFunction/bootstrap", database) as drain:
        record = {"eventSource": "aws:dynamodb", "dynamodb": {
            "SequenceNumber": "1", "Keys": {"pk": {"S": "stock/shoes"}, "sk": {"S": "mailbox"}}}}
        answer = drain.call({"Records": [record]})
        if answer != {"batchItemFailures": []}:
            raise SystemExit("drain answered %s" % answer)


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "block":
        print(block(*arguments), end="")
    else:
        {"curl": curl, "functions": functions}[command](*arguments)
