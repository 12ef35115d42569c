"""An adapter in Python: publishes its standard input as one message.

Takes the AMQP URL as its argument, and declares exchange and queue, as existing adapters do.
"""

import sys

import pika

connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
channel.exchange_declare(exchange="mymonit", exchange_type="direct", durable=True)
channel.queue_declare(queue="measures", durable=True)
channel.queue_bind(queue="measures", exchange="mymonit", routing_key="measures")
channel.confirm_delivery()
channel.basic_publish(exchange="mymonit", routing_key="measures", body=sys.stdin.buffer.read(), mandatory=True)
connection.close()
