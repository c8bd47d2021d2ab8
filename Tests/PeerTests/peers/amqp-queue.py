"""A durable quorum queue behind RabbitMQ's MQTT plugin.

amqp-queue.py declare PORT SIZE   makes the queue "readings" with SIZE replicas, bound to every device
amqp-queue.py drain PORT          takes everything out of it: one line "ROUTING-KEY PAYLOAD" a message
"""
import sys

import pika

verb, port = sys.argv[1], int(sys.argv[2])
connection = pika.BlockingConnection(
    pika.ConnectionParameters("127.0.0.1", port, credentials=pika.PlainCredentials("guest", "guest")))
channel = connection.channel()
if verb == "declare":
    arguments = {"x-queue-type": "quorum", "x-quorum-initial-group-size": int(sys.argv[3])}
    channel.queue_declare("readings", durable=True, arguments=arguments)
    channel.queue_bind("readings", "amq.topic", routing_key="#")
    print("ready", flush=True)
else:
    for method, _, body in channel.consume("readings", inactivity_timeout=3):
        if method is None:
            break
        print(method.routing_key, body.decode())
        channel.basic_ack(method.delivery_tag)
    print("end", flush=True)
connection.close()
