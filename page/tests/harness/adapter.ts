import { randomUUID } from "node:crypto";

import { connect } from "amqplib";

/** One measure as publishers send it. */
export interface Message {
  experiment: string;
  measure: string;
  sensor?: string;
  value: number;
  timestamp: number | string;
}

/** A body, with a name for the message where that matters. */
export interface Publication {
  body: Buffer;
  messageId?: string;
}

/**
 * Publishes like an adapter, with confirms and message ids, to an exchange that a service has
 * declared; returns when the broker has confirmed everything.
 */
export async function publish(address: string, exchange: string, publications: Publication[]): Promise<void> {
  const connection = await connect(`amqp://${address}`);
  try {
    const channel = await connection.createConfirmChannel();
    for (const { body, messageId } of publications) {
      channel.publish(exchange, "measures", body, { persistent: true, messageId: messageId ?? randomUUID() });
    }
    await channel.waitForConfirms();
  } finally {
    await connection.close();
  }
}

/** Measures as the body of a message. */
export function bodyOf(measures: Message | Message[]): Buffer {
  return Buffer.from(JSON.stringify(measures));
}
