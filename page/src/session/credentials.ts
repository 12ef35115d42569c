/** The credentials of a signed-in user: Firebase's, or evaluation mode's. */
export interface Credentials {
  /** A token; a new one if `renew` is set, or if the last one is about to expire. */
  token(renew: boolean): Promise<string>;
  /** Whether signing in again takes the password. */
  readonly needsPassword: boolean;
  /** Signs in again; tokens from now on tell so. */
  reauthenticate(password: string): Promise<void>;
  signOut(): Promise<void>;
}

/** A user who is authenticated, but may have no record in MyMONIT yet. */
export interface Visitor {
  /** What MyMONIT calls the `username`. */
  uid: string;
  email: string | null;
}
