"""Clients of the HTTP door: well-behaved and not. Each command ends with 0 and "ok" lines, or says what is wrong."""
import http.client
import json
import re
import socket
import ssl
import sys
import time
import urllib.parse
import urllib.request


def demand(holds, words):
    if not holds:
        sys.exit(f"not so: {words}")


def ask(port, path, method="GET", headers=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, headers or {})
    reply = connection.getresponse()
    answer = reply.status, reply.read()
    connection.close()
    return answer


def raw(port, data, wait=15):
    """What comes back for these bytes, until the door closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as link:
        got = b""
        try:
            link.sendall(data)
            while chunk := link.recv(65536):
                got += chunk
        except OSError:
            pass
        return got


def code(answer):
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def abuse(port, token):
    bearer = {"Authorization": "Bearer " + token}
    demand(ask(port, "/api/v1/status", headers=bearer)[0] == 200, "the token lets in")
    demand(ask(port, "/metrics")[0] == 401, "without a token nobody is let in")
    for data, wanted in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", 505),
        (b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"POST /api/v1/actions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"GET /livez HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 403),
    ]:
        found = code(raw(port, data))
        demand(found == wanted, f"{data[:40]} is answered with {wanted}, not {found}")
    # Guesses are answered late; whoever knows the token waits for nobody meanwhile.
    began = time.monotonic()
    guess = socket.create_connection(("127.0.0.1", port), timeout=20)
    guess.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer guess\r\nConnection: close\r\n\r\n")
    demand(ask(port, "/metrics", headers=bearer)[0] == 200, "the token lets in beside guesses")
    demand(time.monotonic() - began < 0.9, "nobody waits for a guess")
    demand(code(guess.recv(4096)) == 401 and time.monotonic() - began > 0.9, "a guess waits")
    action = json.dumps({"action": "resume", "port": "bus-a"})
    demand(ask(port, "/api/v1/actions", "POST", {**bearer, "Origin": "http://evil.example"}, action)[0] == 403, "no foreign page acts")
    demand(ask(port, "/api/v1/actions", "POST", bearer, action)[0] == 200, "an action is carried out")
    # A hundred connections: those beyond are turned away, and slow headers are cut.
    links = []
    for _ in range(100):
        link = socket.create_connection(("127.0.0.1", port), timeout=20)
        try:
            link.sendall(b"GET /livez HTTP/1.1\r\nHost: loc")
        except OSError:
            pass
        links.append(link)
    time.sleep(1)
    answers = {503: 0, 408: 0}
    for link in links:
        try:
            found = code(link.recv(4096))
        except OSError:
            found = 503  # Its answer was lost in the reset that answers bytes behind it.
        answers[found or 503] += 1
        link.close()
    demand(answers[408] == 32 and answers[503] == 68, f"32 of 100 are let in and time out: {answers}")
    demand(ask(port, "/livez")[0] == 200, "there is room again")
    print("ok: 100 connections")
    # A client that asks for much and takes nothing: it is cut, and the others are served.
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", port))
    slow.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token.encode() + b"\r\n\r\n")
    for _ in range(20):
        demand(ask(port, "/metrics", headers=bearer)[0] == 200, "the others are served")
    slow.close()
    print("ok: a slow reader")


def stream(port):
    reply = urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/events", timeout=20)
    demand(reply.headers["Content-Type"].startswith("text/event-stream"), "it is a stream")
    seen, name, last, ages = set(), "", None, []
    end = time.monotonic() + 30
    while time.monotonic() < end and len(ages) < 20:
        line = reply.readline().decode().rstrip("\n")
        if line.startswith("event: "):
            name = line[7:]
            seen.add(name)
        elif line.startswith("id: "):
            last = line[4:]
        elif line.startswith("data: ") and name == "values":
            device = json.loads(line[6:])["devices"].get("meter-1")
            if device and device["values"]["count"][1] is not None:
                ages.append(device["values"]["count"][1])
    demand({"overview", "ports", "values"} <= seen, f"events of every kind: {seen}")
    demand(len(ages) == 20 and sorted(ages)[-2] < 1, f"values are younger than a second: {ages}")
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/events", headers={"Last-Event-ID": last})
    demand(urllib.request.urlopen(request, timeout=20).readline(), "it goes on")
    print("ok")


def tls(port, certificate):
    context = ssl.create_default_context(cafile=certificate)
    reply = urllib.request.urlopen(f"https://localhost:{port}/metrics", context=context, timeout=20)
    demand(reply.status == 200 and b"fieldgw_build_info" in reply.read(), "it is served over TLS")
    demand(code(raw(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")) == 0, "nothing is told without TLS")
    print("ok")


def renewed(port, certificate):
    """Until the door has this certificate; then it has room for as many clients as ever."""
    context = ssl.create_default_context(cafile=certificate)
    end = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(f"https://localhost:{port}/livez", context=context, timeout=5)
            break
        except OSError as error:
            demand(time.monotonic() < end, f"the renewed certificate is served: {error}")
            time.sleep(0.1)
    links = [context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") for _ in range(32)]
    links[-1].sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    demand(code(links[-1].recv(4096)) == 200, "the 32nd client is served")
    for link in links:
        link.close()
    print("ok")


def prometheus(port, query, wanted=None):
    end = time.monotonic() + 60
    found = None
    while time.monotonic() < end:
        try:
            url = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(query)}"
            found = json.load(urllib.request.urlopen(url, timeout=5))["data"]["result"]
        except OSError:
            found = None
        if found and (wanted is None or found[0]["value"][1] == wanted):
            print("ok", found[0]["value"][1])
            return
        time.sleep(0.2)
    sys.exit(f"not so: {query} is {found}")


def dashboard(port, folder, metrics):
    """Queries of the dashboard and names in the alerts, against a real Prometheus and real metrics."""
    known = {line.split()[2] for line in open(metrics) if line.startswith("# TYPE")}
    texts = [open(folder + "/fieldgw.rules.yml").read()]
    panels = json.load(open(folder + "/fieldgw.dashboard.json"))["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    demand(len(queries) > 10, "the dashboard asks for something")
    for query in queries:
        plain = query.replace("$__rate_interval", "1m")
        for name in ("instance", "port", "device", "point"):
            plain = plain.replace("$" + name, ".*")
        url = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(plain)}"
        demand(json.load(urllib.request.urlopen(url, timeout=5))["status"] == "success", plain)
    for name in re.findall(r"fieldgw_[a-z_]+", " ".join(texts + queries)):
        base = re.sub("_(bucket|sum|count)$", "", name)
        demand(name in known or base in known, f"there is a metric {name}")
    print("ok")


def get(port, path):
    print(ask(port, path)[1].decode())


commands = {
    "get": get,
    "abuse": abuse, "stream": stream, "tls": tls, "renewed": renewed, "prometheus": prometheus, "dashboard": dashboard,
}
command, port, rest = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
commands[command](port, *rest)
