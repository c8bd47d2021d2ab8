"""The page of the real daemon in a real browser, with a simulated bus and bridge behind it.

page.py FIELDGW FIELDSIM CHROMEDRIVER CHROMIUM FOLDER SCREENSHOTS: ends with 0 and a line "ok: …" for each part, or says
what is wrong. Everything that it starts is ended with it."""
import json
import os
import subprocess
import sys
import time
import urllib.request

from webdriver import Browser, free_port

TOKEN = "0123456789abcdef-page"


def demand(holds, words):
    if not holds:
        sys.exit(f"not so: {words}")


def until(what, holds, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.05)
    sys.exit(f"not so within {seconds} s: {what}")


class Site:
    """Bus, bridge and gateway in a folder of their own."""

    def __init__(self, fieldgw, fieldsim, folder, nodes, bus):
        os.makedirs(folder)
        self.fieldgw, self.fieldsim, self.folder = fieldgw, fieldsim, folder
        self.port = free_port()
        self.children = []
        self.gateway = None
        self.write("bus.json5", json.dumps(bus))
        self.start(fieldsim, "bus", "--config", self.path("bus.json5"), "--link", self.path("bus"))
        key = subprocess.run(
            [fieldgw, "key", "generate", "--type", "ec", self.path("gw.pem")], capture_output=True, check=True).stdout
        self.write("gw.pub.pem", key.decode())
        self.write("registry.json5", json.dumps({
            "project": "acme", "region": "us-central1", "registry": "plant",
            "gateways": {"gw-7": {"keys": [self.path("gw.pub.pem")], "authMethod": "ASSOCIATION_ONLY", "bound": list(nodes)}},
            "devices": {name: {} for name in nodes}}))
        bridge, self.admin = free_port(), free_port()
        self.start(
            fieldsim, "bridge", "--registry", self.path("registry.json5"), "--make-certificates", self.path("certs"),
            "--port", str(bridge), "--admin-port", str(self.admin))
        until("bus and bridge are there", lambda: os.path.exists(self.path("bus")) and self.orders("accept"))
        self.write("gateway.json5", json.dumps({
            "bridge": {"host": "localhost", "port": bridge, "ca": "certs/ca.pem", "project": "acme", "region": "us-central1",
                       "registry": "plant", "gateway": "gw-7", "privateKey": "gw.pem"},
            "spool": {"directory": "spool"}, "state": "state", "clock": "trust",
            "http": {"listen": f"127.0.0.1:{self.port}", "token": TOKEN, "actions": True},
            "ports": {"bus-a": {"device": self.path("bus"), "driver": "modbus-rtu", "baud": 115200, "every": "500ms",
                                "nodes": nodes}}}))
        self.run()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), 0o600)

    def start(self, *words):
        child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.children.append(child)
        return child

    def run(self):
        self.gateway = self.start(self.fieldgw, "run", "--config", self.path("gateway.json5"))
        until("the door is open", lambda: self.get("/livez"))

    def halt(self):
        self.gateway.terminate()
        demand(self.gateway.wait(30) == 0, "the gateway ends well")

    def get(self, path):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": "Bearer " + TOKEN})
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return reply.read()
        except OSError:
            return None

    def value(self, device, point):
        found = json.loads(self.get("/api/v1/values?device=" + device))["devices"][device]["values"][point]
        return found.get("value"), found.get("age")

    def orders(self, text):
        try:
            request = urllib.request.Request(f"http://localhost:{self.admin}/emulator/orders", text.encode())
            return urllib.request.urlopen(request, timeout=5).status == 200
        except OSError:
            return False

    def end(self):
        for child in reversed(self.children):
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(20)
                except subprocess.TimeoutExpired:
                    child.kill()


ROW = """const row = [...document.querySelectorAll('#devices tr')].find((one) => one.textContent.startsWith(arguments[0]));
return row && row.innerText"""
CONTRAST = """
const part = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255;
  return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ground = (node) => { for (; node; node = node.parentElement) { const c = part(getComputedStyle(node).backgroundColor);
  if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
const bad = [];
for (const node of document.querySelectorAll('main *, header *, footer *')) {
  const own = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
  if (!own || !node.offsetParent || node.closest('svg') || node.disabled) continue;
  const [a, b] = [light(part(getComputedStyle(node).color)), light(ground(node))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) bad.push(node.tagName + ' ' + node.className + ' ' + node.textContent.slice(0, 30) + ' ' + ratio.toFixed(2));
}
return bad"""


def shoot(browser, folder, name, whole=False):
    if whole:
        height = browser.run("return document.documentElement.scrollHeight")
        width = browser.run("return innerWidth")
        browser.cdp("Emulation.setDeviceMetricsOverride", width=width, height=min(height, 3000), deviceScaleFactor=1, mobile=False)
        browser.screenshot(os.path.join(folder, name + ".png"))
        browser.cdp("Emulation.clearDeviceMetricsOverride")
    else:
        browser.screenshot(os.path.join(folder, name + ".png"))


def look(browser, site, shots):
    """The views, their keys, and what they show."""
    home = f"http://localhost:{site.port}/"
    browser.go(home)
    browser.until("a token is asked for", "return document.querySelector('input[type=password]')")
    shoot(browser, shots, "login")
    browser.run("document.querySelector('input').value = arguments[0]; document.querySelector('form').submit()", TOKEN)
    browser.until("the page is live", "return document.getElementById('state')?.textContent.includes('live')")
    demand("fieldgw=" not in browser.run("return document.cookie"), "no script sees the cookie")
    browser.until("the bridge is connected", "return document.body.innerText.includes('connected to')")
    # A value is on the page within a second of the wire: the register counts up all the time.
    for _ in range(5):
        value, age = site.value("meter-1", "count")
        browser.until(
            f"{value} is shown a second after it was read",
            ROW.replace("return row && row.innerText", """
                const shown = Number((row.innerText.replace(/\\u2009/g, '').match(/count (\\d+)/) || [])[1]);
                return shown >= arguments[1]"""), "meter-1", value, seconds=max(0.2, 1.2 - age))
    browser.until("the silent unit is told", "return document.getElementById('problems').innerText.includes('dead-9')", seconds=60)
    browser.until("trouble comes first", "return document.querySelector('#devices tr')?.innerText.startsWith('dead-9')")
    shoot(browser, shots, "overview", whole=True)
    print("ok: values within a second, problems first")
    # Keys.
    browser.key("/")
    demand(browser.run("return document.activeElement.id") == "filter", "/ leads to the filter")
    for letter in "meter-1":
        browser.key(letter)
    browser.until("one device is left", "return document.querySelectorAll('#devices tr').length === 1")
    browser.key("\ue00c")
    browser.until("Esc takes the filter away", "return document.querySelectorAll('#devices tr').length === 4")
    browser.key("k")
    # The line, the dead device that is trouble, the first meter.
    for _ in range(2):
        browser.key("j")
    browser.key("\ue007")
    browser.until("Enter opens the device", "return location.hash === '#/device/meter-1'")
    browser.key("\ue00c")
    browser.until("Esc leads back", "return location.hash === '#/'")
    print("ok: keys")
    return home


def line_and_log(browser, site, shots, home):
    browser.go(home + "#/port/bus-a")
    browser.until("frames are decoded", "return document.getElementById('p-frames')?.innerText.includes('read holding 0')")
    demand(browser.run("return document.querySelectorAll('#p-units tr').length") == 4, "every unit has a row")
    browser.run("[...document.querySelectorAll('button')].find((one) => one.textContent.startsWith('Pause')).click()")
    browser.until("the line is paused", "return document.getElementById('p-outcome').textContent === 'pause: done'")
    browser.until("it says so", "return document.getElementById('p-state').textContent.startsWith('paused')")
    browser.run("[...document.querySelectorAll('button')].find((one) => one.textContent === 'Resume').click()")
    browser.until("it is open again", "return document.getElementById('p-state').textContent.startsWith('open')")
    shoot(browser, shots, "port", whole=True)
    browser.go(home + "#/log")
    browser.until("the log tells of it", "return document.getElementById('log')?.innerText.includes('asks for: pause bus-a')")
    shoot(browser, shots, "log")
    print("ok: a line and the log")


def device(browser, site, shots, home):
    browser.go(home + "#/device/meter-1")
    browser.until("a chart is there", "return document.querySelectorAll('[data-chart]').length", seconds=40)
    # What is read out is what the history serves.
    shown = browser.run("""const svg = document.querySelector('[data-chart=count]'); svg.focus();
        svg.dispatchEvent(new KeyboardEvent('keydown', { key: 'Home', bubbles: true }));
        return svg.closest('figure').querySelector('[role=status]').textContent""")
    past = json.loads(site.get("/api/v1/history?device=meter-1&point=count"))["points"]["count"]["buckets"]
    wanted = [f"{row[1]:,.0f}".replace(",", "\u2009") for row in past]
    demand(any(word in shown for word in wanted), f"the chart reads out what was served: {shown} of {wanted}")
    browser.run("""const field = document.querySelector('input[type=number]'); field.value = 42;
        field.closest('form').requestSubmit()""")
    browser.until("it asks first", "return document.querySelector('dialog[open]')?.textContent.includes('write setpoint = 42')")
    shoot(browser, shots, "confirm")
    browser.run("document.querySelector('dialog button[value=yes]').click()")
    browser.until("it is written", "return document.getElementById('d-outcome').textContent === 'write setpoint = 42 %: done'")
    browser.until("it is shown", """return [...document.querySelectorAll('#d-points tr')].some((row) =>
        /^setpoint\\s+42\\s*%/.test(row.innerText))""")
    demand(site.value("meter-1", "setpoint")[0] == 42, "the register holds it")
    shoot(browser, shots, "device", whole=True)
    print("ok: chart and command")


def outages(browser, site, shots, home):
    browser.go(home + "#/")
    demand(site.orders("away"), "the bridge goes")
    browser.until("the bridge is missed", """return [...document.querySelectorAll('#problems li')].some((one) =>
        one.innerText.includes('bridge'))""", seconds=30)
    shoot(browser, shots, "bridge-away")
    demand(site.orders("back"), "the bridge comes back")
    browser.until("it is back", """return ![...document.querySelectorAll('#problems li strong')].some((one) =>
        one.textContent === 'bridge')""", seconds=90)
    browser.log("browser")
    site.halt()
    browser.until("the page says that it is alone", "return !document.getElementById('away').hidden", seconds=20)
    shoot(browser, shots, "gateway-away")
    site.run()
    browser.until("it goes on by itself", "return document.getElementById('state').textContent.includes('live')", seconds=30)
    browser.until("values are there again", ROW + ".includes('online')", "meter-1", seconds=30)
    print("ok: outages")


def appearance(browser, site, shots, home):
    for scheme in ("light", "dark"):
        browser.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for view in ("", "port/bus-a", "device/meter-1", "log"):
            browser.go(home + "#/" + view)
            browser.until("the view is there", "return document.querySelector('main h2')")
            time.sleep(0.7)
            demand(not (found := browser.run(CONTRAST)), f"contrast of {scheme} {view}: {found}")
        browser.go(home + "#/")
        time.sleep(0.7)
        shoot(browser, shots, scheme, whole=True)
    browser.cdp("Emulation.setDeviceMetricsOverride", width=360, height=780, deviceScaleFactor=1, mobile=True)
    for name, view in (("overview", ""), ("port", "port/bus-a"), ("device", "device/meter-1"), ("log", "log")):
        browser.go(home + "#/" + view)
        time.sleep(1.2)
        widths = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
        demand(widths[0] <= widths[1] == 360, f"nothing scrolls sideways in {view} on a phone: {widths}")
        height = min(2400, browser.run("return document.documentElement.scrollHeight"))
        browser.cdp("Emulation.setDeviceMetricsOverride", width=360, height=height, deviceScaleFactor=1, mobile=True)
        browser.screenshot(os.path.join(shots, f"phone-{name}.png"))
        browser.cdp("Emulation.setDeviceMetricsOverride", width=360, height=780, deviceScaleFactor=1, mobile=True)
    browser.cdp("Emulation.clearDeviceMetricsOverride")
    browser.cdp("Emulation.setEmulatedMedia", features=[])
    browser.cdp("Emulation.setScriptExecutionDisabled", value=True)
    browser.go(home)
    source = browser.call("GET", "/source")
    browser.cdp("Emulation.setScriptExecutionDisabled", value=False)
    demand("meter-1" in source and "connected to" in source and 'id="devices"' not in source, "the overview needs no script")
    shoot(browser, shots, "without-script")
    print("ok: dark, light, phone, without a script")


def strangers(browser, home):
    """Nothing went elsewhere, and nothing was complained about."""
    host = home.split("/")[2]
    for entry in browser.log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            demand(url.startswith(("data:", "blob:", "chrome:")) or url.split("/")[2] == host, f"a request to {url}")
    expected = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "status of 401")  # The outage, the question.
    complaints = [entry["message"] for entry in browser.log("browser") if entry["level"] == "SEVERE"]
    complaints = [one for one in complaints if not any(word in one for word in expected)]
    demand(not complaints, f"the console is empty: {complaints}")
    print("ok: no strangers, no complaints")


def many(browser, site, shots):
    """Fifty devices of thirty points stay fluid."""
    browser.go(f"http://localhost:{site.port}/")
    browser.run("if (document.querySelector('input[type=password]')) { document.querySelector('input').value = arguments[0]; "
                "document.querySelector('form').submit(); }", TOKEN)
    browser.until("all devices are there", "return document.querySelectorAll('#devices tr').length === 50", seconds=30)
    browser.until("and read", "return document.getElementById('devices').innerText.split('online').length > 45", seconds=60)
    browser.run("""window.frames = []; let last = performance.now();
        const step = (now) => { window.frames.push(now - last); last = now; requestAnimationFrame(step); };
        requestAnimationFrame(step)""")
    browser.until("five seconds pass", "return window.frames.reduce((sum, one) => sum + one, 0) > 5000", seconds=30)
    gaps = sorted(browser.run("return window.frames"))
    middle, slow = gaps[len(gaps) // 2], gaps[int(len(gaps) * 0.98)]
    shoot(browser, shots, "fifty-devices")
    demand(middle < 60 and slow < 250, f"it stays fluid: {middle:.0f} ms in the middle, {slow:.0f} ms at 98 %")
    print(f"ok: 50 x 30, a frame in {middle:.0f} ms, 98 % within {slow:.0f} ms")


def main(fieldgw, fieldsim, driver, chromium, folder, shots):
    os.makedirs(shots, exist_ok=True)
    ramp = {"kind": "ramp", "from": 0, "to": 60000, "period": "6000s"}
    unit = {"holding": {"0": ramp, "1": 2301, "2": {"kind": "sine", "from": 0, "to": 1000, "period": "60s"}, "3": 20}}
    points = {"count": {"holding": 0, "units": "Wh"}, "voltage": {"holding": 1, "scale": 0.1, "units": "V"},
              "wave": {"holding": 2, "scale": 0.01, "units": "m"},
              "setpoint": {"holding": 3, "units": "%", "writable": {"min": 0, "max": 100, "step": 1}}}
    nodes = {f"meter-{number}": {"unit": number, "points": points} for number in (1, 2, 3)}
    nodes["dead-9"] = {"unit": 9, "points": {"count": {"holding": 0}}}
    bus = {"baud": 115200, "parity": "none", "units": {str(number): unit for number in (1, 2, 3)}}
    site = Site(fieldgw, fieldsim, os.path.join(folder, "few"), nodes, bus)
    try:
        with Browser(driver, chromium, os.path.join(folder, "profile")) as browser:
            home = look(browser, site, shots)
            line_and_log(browser, site, shots, home)
            device(browser, site, shots, home)
            outages(browser, site, shots, home)
            appearance(browser, site, shots, home)
            strangers(browser, home)
            site.end()
            registers = {str(place): place * 100 for place in range(30)}
            registers["0"] = ramp
            bus["units"] = {str(number): {"holding": registers} for number in range(1, 51)}
            thirty = {f"p{place}": {"holding": place, "units": "W"} for place in range(30)}
            nodes = {f"meter-{number}": {"unit": number, "every": "2s", "points": thirty} for number in range(1, 51)}
            site = Site(fieldgw, fieldsim, os.path.join(folder, "many"), nodes, bus)
            many(browser, site, shots)
    finally:
        site.end()


main(*sys.argv[1:])
