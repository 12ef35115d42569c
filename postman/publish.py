#!/usr/bin/python3
"""Publishes the messages that the Postman collection expects.

These are valid measures with and without a sensor, a message for an experiment that does not exist
yet, and an invalid message.

Usage: publish.py [HOST:PORT] (Debian package python3-pika)
"""

import json
import sys
import time
import uuid

import pika

host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:5672").partition(":")
connection = pika.BlockingConnection(pika.ConnectionParameters(host, int(port or 5672)))
channel = connection.channel()
channel.confirm_delivery()


def publish(body):
    properties = pika.BasicProperties(
        delivery_mode=2, content_type="application/json", message_id=str(uuid.uuid4())
    )
    channel.basic_publish("mymonit", "measures", body, properties, mandatory=True)


def measures(experiment, sensor=None):
    now = time.time()
    one = {"experiment": experiment, "measure": "hertz", "sensor": sensor}
    return json.dumps([{**one, "value": value, "timestamp": now + value} for value in (1.5, 2.5)])


publish(measures("device-vibrations"))
publish(measures("device-vibrations", "thermometer-1"))
publish(measures(f"neutrino-flux {uuid.uuid4()}"))
publish("{no JSON")
connection.close()
