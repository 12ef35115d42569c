import type { Browser, BrowserContextOptions } from "playwright-core";

import { bodyOf, type Message, type Publication, publish } from "./adapter.js";
import { launchBrowser, Visitor } from "./browser.js";
import { eventually } from "./eventually.js";
import { type Account, Firebase, PROJECT_ID } from "./firebase.js";
import { MariaDb } from "./mariadb.js";
import { RabbitMq } from "./rabbitmq.js";
import { type Client, Service } from "./service.js";

/** A user in the API. */
export interface User {
  user_id: string;
  name: string;
  username: string;
  email: string;
  role: "ADMIN" | "SCIENTIST";
}

/** An experiment in the API. */
export interface Experiment {
  experiment_id: number;
  name: string;
}

/** A rejected message in the API, with the fields that tests need. */
export interface RejectedMessage {
  id: number;
  message_id: string;
}

/** The administrator of the example data, with an account under the UID that is given there. */
const ADMINISTRATOR: Account = {
  uid: "5MS0kr1nE5Qm7ZNzAyHNCVfapcf2",
  email: "aalcorn@home.cern",
  password: "a long password of Allan's",
};

/** What scientists are called; several may have the same name. */
const NAMES = [
  "Lise Meitner",
  "Emmy Noether",
  "Chien-Shiung Wu 吳健雄",
  "Cecilia Payne-Gaposchkin",
  "Subrahmanyan Chandrasekhar",
  "Jocelyn Bell Burnell",
  "Abdus Salam",
];

/** The service with all its servers, as in production, and one in evaluation mode. */
export class Site {
  readonly firebase: Firebase;
  readonly mariadb: MariaDb;
  /** Signs users in with Firebase; stores in MariaDB. */
  readonly service: Service;
  /** In evaluation mode; stores in SQLite. */
  readonly evaluation: Service;
  readonly administrator = ADMINISTRATOR;
  readonly #rabbitmq: RabbitMq;
  readonly browser: Browser;
  #count = 0;

  private constructor(parts: {
    firebase: Firebase;
    mariadb: MariaDb;
    service: Service;
    evaluation: Service;
    rabbitmq: RabbitMq;
    browser: Browser;
  }) {
    this.firebase = parts.firebase;
    this.mariadb = parts.mariadb;
    this.service = parts.service;
    this.evaluation = parts.evaluation;
    this.#rabbitmq = parts.rabbitmq;
    this.browser = parts.browser;
  }

  static async start(): Promise<Site> {
    const [firebase, mariadb, rabbitmq, browser] = await Promise.all([
      Firebase.start(),
      MariaDb.start(),
      RabbitMq.start(),
      launchBrowser(),
    ]);
    await firebase.createAccount(ADMINISTRATOR);
    const [service, evaluation] = await Promise.all([
      Service.start({
        ...mariadb.environment,
        RABBIT_URL: rabbitmq.address,
        FIREBASE_PROJECT_ID: PROJECT_ID,
        FIREBASE_AUTH_EMULATOR_HOST: firebase.address,
        EXAMPLE_DATA: "true",
        ADMIN_AUTH_MAX_MINUTES: "60",
      }),
      Service.start(
        { RABBIT_URL: rabbitmq.address, RABBIT_EXCHANGE: "evaluation", RABBIT_QUEUE: "evaluation" },
        "--evaluation",
      ),
    ]);
    return new Site({ firebase, mariadb, service, evaluation, rabbitmq, browser });
  }

  async remove(): Promise<void> {
    await this.browser.close();
    await Promise.all([this.service.remove(), this.evaluation.remove()]);
    await Promise.all([this.firebase.remove(), this.mariadb.remove(), this.#rabbitmq.remove()]);
  }

  /** A user with a browser. */
  visitor(service: Service, options?: BrowserContextOptions): Promise<Visitor> {
    return Visitor.arrive(this.browser, service.url, [this.firebase.url], options);
  }

  /** The API for the administrator. */
  async asAdministrator(): Promise<Client> {
    return this.service.client(await this.firebase.idToken(ADMINISTRATOR));
  }

  /** The API for the owner of an account. */
  async as(account: Account): Promise<Client> {
    return this.service.client(await this.firebase.idToken(account));
  }

  /** A name that nothing else has in this run of the tests, and that none of them begins with. */
  fresh(kind: string): string {
    this.#count += 1;
    return `${kind}-${String(this.#count).padStart(4, "0")}`;
  }

  /** An account unknown to the service. */
  newAccount(): Promise<Account> {
    const uid = this.fresh("uid");
    return this.firebase.createAccount({
      uid,
      email: `${uid}@home.cern`,
      password: `the password of ${uid}`,
    });
  }

  /** A scientist who can sign in, and is associated with these experiments. */
  async newScientist(...experiments: Experiment[]): Promise<Account & { user: User }> {
    const account = await this.newAccount();
    const administrator = await this.asAdministrator();
    const user = await administrator.post<User>("/users/", {
      user_id: this.fresh("T"),
      name: NAMES[this.#count % NAMES.length] as string,
      username: account.uid,
      email: account.email,
      role: "SCIENTIST",
    });
    for (const { experiment_id } of experiments) {
      await administrator.post(`/scientists-experiments/${experiment_id}/${user.user_id}`);
    }
    return { ...account, user };
  }

  async newExperiment(kind = "experiment"): Promise<Experiment> {
    const administrator = await this.asAdministrator();
    return administrator.post<Experiment>("/experiments/", { name: this.fresh(kind) });
  }

  /** Publishes measures in one message to the service that stores in MariaDB. */
  publish(measures: Message | Message[]): Promise<void> {
    return this.publishAll([{ body: bodyOf(measures) }]);
  }

  /** Publishes messages with any bodies. */
  publishAll(publications: Publication[]): Promise<void> {
    return publish(this.#rabbitmq.address, "mymonit", publications);
  }

  /** Publishes bytes that cannot be stored, and waits until they are a rejected message. */
  async rejected(body: Buffer): Promise<RejectedMessage> {
    const messageId = this.fresh("message");
    await this.publishAll([{ body, messageId }]);
    const administrator = await this.asAdministrator();
    return eventually(async () => {
      const messages = await administrator.get<RejectedMessage[]>("/rejected-messages/?limit=100");
      return messages.find(({ message_id }) => message_id === messageId);
    });
  }
}
