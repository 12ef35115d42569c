import { randomUUID } from "node:crypto";

import { type ChannelModel, type ConfirmChannel, connect } from "amqplib";

/** One measure as publishers send it. */
export interface Message {
  experiment: string;
  measure: string;
  value: number;
  timestamp: number | string;
}

/** Publishes as experiments' adapters do, with confirms and message ids. */
export class Adapter {
  readonly #connection: ChannelModel;
  readonly #channel: ConfirmChannel;
  readonly #exchange: string;

  private constructor(connection: ChannelModel, channel: ConfirmChannel, exchange: string) {
    this.#connection = connection;
    this.#channel = channel;
    this.#exchange = exchange;
  }

  /** Connects to the broker; a service with this exchange has to have declared it. */
  static async connect(address: string, exchange: string): Promise<Adapter> {
    const connection = await connect(`amqp://${address}`);
    return new Adapter(connection, await connection.createConfirmChannel(), exchange);
  }

  /** Publishes measures as one message. */
  publish(measures: Message | Message[], messageId?: string): Promise<void> {
    return this.publishBytes(Buffer.from(JSON.stringify(measures)), messageId);
  }

  /** Publishes any bytes as one message, and waits for the broker to have taken it. */
  async publishBytes(body: Buffer, messageId: string = randomUUID()): Promise<void> {
    this.#channel.publish(this.#exchange, "measures", body, { persistent: true, messageId });
    await this.#channel.waitForConfirms();
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}
