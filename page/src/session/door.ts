/** A way to sign in: Firebase's, or evaluation mode's. */
export interface Door {
  /** A token of whoever is signed in; a new one if `renew` is set, or if the last one is about to expire. */
  token(renew: boolean): Promise<string>;
  signOut(): Promise<void>;
}

/** Who has come through a door: not yet necessarily somebody whom MyMONIT knows. */
export interface Visitor {
  /** What MyMONIT calls the `username`. */
  uid: string;
  email: string | null;
}
