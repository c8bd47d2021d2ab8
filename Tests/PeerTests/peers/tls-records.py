#!/usr/bin/env python3
"""A TLS server that sends records as no ordinary library does.

usage: tls-records.py CERTIFICATE KEY VERSION KIND COUNT

VERSION is 1.2 or 1.3. KIND: `empty` is application data without a byte, `warning` the alert user_canceled (a warning),
`byte` application data of one byte. COUNT records follow the client's first byte. The port is printed first, and how
many records went out last.
"""
import socket
import sys

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.constants import AlertDescription, AlertLevel
from tlslite.messages import Alert, ApplicationData

certificate, key, version, kind, count = sys.argv[1:6]
chain = X509CertChain()
chain.parsePemList(open(certificate).read())
private = parsePEMKey(open(key).read(), private=True)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
plain, _ = listener.accept()
link = TLSConnection(plain)
settings = HandshakeSettings()
settings.minVersion = settings.maxVersion = {"1.2": (3, 3), "1.3": (3, 4)}[version]
link.handshakeServer(certChain=chain, privateKey=private, settings=settings)
link.recv(1)
sent = 0
try:
    for number in range(int(count)):
        if kind == "warning":
            message = Alert().create(AlertDescription.user_canceled, AlertLevel.warning)
        else:
            message = ApplicationData().create(bytearray(b"" if kind == "empty" else bytes([number % 251])))
        for _ in link._sendMsg(message, False):
            pass
        sent += 1
    for _ in link._sendMsg(ApplicationData().create(bytearray(b"end")), False):
        pass
    link.recv(1)
except (OSError, Exception):
    pass
print(sent, flush=True)
