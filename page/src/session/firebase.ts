import { initializeApp } from "firebase/app";
import {
  type Auth,
  browserLocalPersistence,
  connectAuthEmulator,
  createUserWithEmailAndPassword,
  EmailAuthProvider,
  indexedDBLocalPersistence,
  initializeAuth,
  onAuthStateChanged,
  reauthenticateWithCredential,
  sendPasswordResetEmail,
  signInWithEmailAndPassword,
  signOut,
  type User,
} from "firebase/auth";
import type { FirebaseConfiguration } from "./configuration.ts";
import type { Credentials, Visitor } from "./credentials.ts";
import { inWords } from "./firebase-errors.ts";
import { isAboutToExpire } from "./token.ts";

/** Firebase Authentication, with e-mail addresses and passwords. Loaded only where it is used. */
export class FirebaseEntrance {
  private constructor(private readonly auth: Auth) {}

  static create(configuration: FirebaseConfiguration, apiKey: string): FirebaseEntrance {
    const app = initializeApp({
      apiKey,
      projectId: configuration.project_id,
      authDomain: configuration.auth_domain,
    });
    // Without the default resolvers for pop-ups and redirects, which would load script from
    // elsewhere.
    const auth = initializeAuth(app, { persistence: [indexedDBLocalPersistence, browserLocalPersistence] });
    if (configuration.emulator) {
      connectAuthEmulator(auth, configuration.emulator, { disableWarnings: true });
    }
    return new FirebaseEntrance(auth);
  }

  /** Reports who is signed in: now, and whenever that changes, also in another tab. */
  follow(tell: (who: [Credentials, Visitor] | null) => void): () => void {
    return onAuthStateChanged(this.auth, (user) =>
      tell(user && [new FirebaseCredentials(this.auth, user), visitor(user)]),
    );
  }

  async signIn(email: string, password: string): Promise<void> {
    await signInWithEmailAndPassword(this.auth, email, password);
  }

  async register(email: string, password: string): Promise<void> {
    await createUserWithEmailAndPassword(this.auth, email, password);
  }

  /** Sends a message with which a new password can be set, if that address is registered. */
  async resetPassword(email: string): Promise<void> {
    try {
      await sendPasswordResetEmail(this.auth, email);
    } catch (failure) {
      // Without Firebase's e-mail enumeration protection a project reveals registered addresses;
      // this page does not.
      if ((failure as { code?: unknown } | null)?.code !== "auth/user-not-found") {
        throw failure;
      }
    }
  }
}

class FirebaseCredentials implements Credentials {
  constructor(
    private readonly auth: Auth,
    private readonly user: User,
  ) {}

  async token(renew: boolean): Promise<string> {
    const token = await inWords(this.user.getIdToken(renew));
    return !renew && isAboutToExpire(token) ? inWords(this.user.getIdToken(true)) : token;
  }

  readonly needsPassword = true;

  async reauthenticate(password: string): Promise<void> {
    const credential = EmailAuthProvider.credential(this.user.email ?? "", password);
    await inWords(reauthenticateWithCredential(this.user, credential));
  }

  async signOut(): Promise<void> {
    await signOut(this.auth);
  }
}

function visitor(user: User): Visitor {
  return { uid: user.uid, email: user.email };
}
