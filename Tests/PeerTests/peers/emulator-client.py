"""A stranger's tooling against the bridge emulator: Google's API client library provisions it over HTTP,
paho-mqtt connects over TLS. Usage:
  emulator-client.py alone ADMIN_URL MQTT_PORT CA KEY.pem PUBLIC.pem
  emulator-client.py gateway ADMIN_URL PUBLIC.pem DEVICE...     provisions gw-py, binds, prints telemetry
Every check that fails ends the program with its words."""

import base64
import json
import queue
import ssl
import sys
import threading
import time
import urllib.request

import jwt
import paho.mqtt.client as mqtt
from google.auth.credentials import AnonymousCredentials
from googleapiclient import discovery
from googleapiclient.errors import HttpError

PARENT = "projects/acme/locations/us-central1"
REGISTRY = PARENT + "/registries/strangers"


def check(condition, words):
    if not condition:
        sys.exit("failed: " + words)
    print("ok:", words, flush=True)


def encoded(text):
    return base64.b64encode(text.encode()).decode()


class Admin:
    def __init__(self, url):
        self.url = url
        service = discovery.build("cloudiot", "v1", credentials=AnonymousCredentials(),
                                  client_options={"api_endpoint": url}, static_discovery=True)
        self.registries = service.projects().locations().registries()
        self.devices = self.registries.devices()

    def gateway(self, name, public):
        return self.devices.create(parent=REGISTRY, body={
            "id": name, "gatewayConfig": {"gatewayType": "GATEWAY", "gatewayAuthMethod": "ASSOCIATION_ONLY"},
            "credentials": [{"publicKey": {"format": "ES256_PEM", "key": open(public).read()}}]}).execute()

    def bind(self, gateway, device):
        self.registries.bindDeviceToGateway(
            parent=REGISTRY, body={"gatewayId": gateway, "deviceId": device}).execute()

    def messages(self, first):
        with urllib.request.urlopen(f"{self.url}/emulator/messages?from={first}") as answer:
            return json.load(answer)

    def command(self, device, text):
        return self.devices.sendCommandToDevice(
            name=f"{REGISTRY}/devices/{device}", body={"binaryData": encoded(text)}).execute()


def status_of(call):
    try:
        call()
    except HttpError as error:
        return json.loads(error.content)["error"]["status"]
    return "OK"


def token(key):
    now = int(time.time())
    return jwt.encode({"iat": now, "exp": now + 600, "aud": "acme"}, open(key).read(), algorithm="ES256")


def alone(url, port, ca, key, public):
    admin = Admin(url)
    admin.registries.create(parent=PARENT, body={"id": "strangers"}).execute()
    made = admin.gateway("gw-py", public)
    check(made["name"].endswith(made["numId"]), "a gateway was created; its name ends in its numeric id")
    admin.devices.create(parent=REGISTRY, body={"id": "sensor-1"}).execute()
    check(status_of(lambda: admin.devices.create(parent=REGISTRY, body={"id": "sensor-1"}).execute())
          == "ALREADY_EXISTS", "the same device again is ALREADY_EXISTS")
    admin.bind("gw-py", "sensor-1")
    listed = admin.devices.list(parent=REGISTRY, gatewayListOptions_associationsGatewayId="gw-py").execute()
    check([device["id"] for device in listed["devices"]] == ["sensor-1"], "the bound device is listed")
    check(status_of(lambda: admin.command("sensor-1", "x")) == "FAILED_PRECONDITION", "nobody hears a command yet")

    inbox, answers = queue.Queue(), queue.Queue()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=REGISTRY + "/devices/gw-py",
                         protocol=mqtt.MQTTv311)
    client.username_pw_set("unused", token(key))
    client.tls_set(ca_certs=ca, tls_version=ssl.PROTOCOL_TLS_CLIENT)
    client.on_connect = lambda c, u, flags, code, p: answers.put(("connect", code.value))
    client.on_subscribe = lambda c, u, mid, codes, p: answers.put(("subscribe", [code.value for code in codes]))
    client.on_message = lambda c, u, message: inbox.put((message.topic, message.payload.decode()))
    client.connect("localhost", int(port), 60)
    client.loop_start()
    check(answers.get(timeout=20) == ("connect", 0), "connected over TLS with a JWT")
    client.subscribe("/devices/gw-py/errors", 0)
    check(answers.get(timeout=20) == ("subscribe", [0]), "the errors topic is subscribed")
    client.publish("/devices/sensor-1/attach", "{}", qos=1).wait_for_publish(20)
    client.subscribe([("/devices/sensor-1/config", 1), ("/devices/sensor-1/commands/#", 1)])
    check(answers.get(timeout=20) == ("subscribe", [1, 1]), "attached; config and commands are subscribed")
    check(inbox.get(timeout=20) == ("/devices/sensor-1/config", ""), "a new device has an empty config")
    changed = admin.devices.modifyCloudToDeviceConfig(
        name=REGISTRY + "/devices/sensor-1", body={"versionToUpdate": "1", "binaryData": encoded("faster")}).execute()
    check(changed["version"] == "2", "the config has version 2")
    check(inbox.get(timeout=20) == ("/devices/sensor-1/config", "faster"), "and came over MQTT")
    check(admin.command("sensor-1", "open") == {}, "a command was sent and acknowledged")
    check(inbox.get(timeout=20) == ("/devices/sensor-1/commands", "open"), "and came over MQTT")
    for number in range(5):
        client.publish("/devices/sensor-1/events", json.dumps({"n": number}), qos=1).wait_for_publish(20)
    client.publish("/devices/sensor-1/state", "fine", qos=1).wait_for_publish(20)
    page = admin.messages(1)
    events = [m["payload"]["n"] for m in page["messages"] if m["kind"] == "event" and m["device"] == "sensor-1"]
    check(events == list(range(5)), "five readings arrived in order")
    states = admin.devices.states().list(name=REGISTRY + "/devices/sensor-1").execute()["deviceStates"]
    check(base64.b64decode(states[0]["binaryData"]) == b"fine", "the state is kept")
    admin.registries.unbindDeviceFromGateway(
        parent=REGISTRY, body={"gatewayId": "gw-py", "deviceId": "sensor-1"}).execute()
    topic, payload = inbox.get(timeout=20)
    check(topic.endswith("/errors") and json.loads(payload)["error_type"] == "GATEWAY_DETACHMENT_DEVICE_ERROR",
          "unbinding detaches, with an error")
    client.disconnect()
    client.loop_stop()


def gateway(url, public, devices):
    admin = Admin(url)
    admin.registries.create(parent=PARENT, body={"id": "strangers"}).execute()
    admin.gateway("gw-py", public)
    for device in devices:
        admin.devices.create(parent=REGISTRY, body={"id": device}).execute()
        admin.bind("gw-py", device)
    print("provisioned", flush=True)
    first, seen, deadline = 1, {device: [] for device in devices}, time.time() + 60
    while min(len(numbers) for numbers in seen.values()) < 5:
        check_time = time.time() < deadline
        if not check_time:
            sys.exit(f"failed: only {seen} after a minute")
        page = admin.messages(first)
        first = page["next"]
        for message in page["messages"]:
            if message["kind"] == "event" and message["subfolder"] == "" and message["device"] in seen:
                seen[message["device"]].append(message["payload"]["seq"])
        time.sleep(0.1)
    for device, numbers in seen.items():
        check(numbers == sorted(set(numbers)), f"{device}: {len(numbers)} readings, each once and in order")
    result = []
    sender = threading.Thread(target=lambda: result.append(
        status_of(lambda: admin.command(devices[0], '{"id":"c-1","write":{"nothing":1}}'))))
    sender.start()
    sender.join(40)
    check(result == ["OK"], "the gateway acknowledged a command")


if sys.argv[1] == "alone":
    alone(*sys.argv[2:7])
else:
    gateway(sys.argv[2], sys.argv[3], sys.argv[4:])
