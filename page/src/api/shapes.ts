/** What the REST API takes and gives. */

export type Role = "ADMIN" | "SCIENTIST";

export interface User {
  user_id: string;
  name: string;
  username: string;
  email: string;
  role: Role;
}

export interface Experiment {
  experiment_id: number;
  name: string;
  description: string;
  /** Whether it is over: it takes no new measures. */
  archived: boolean;
}

export type NewExperiment = Pick<Experiment, "name" | "description">;

/** One source of measures within an experiment. */
export interface Sensor {
  name: string;
  description: string;
}

/** The measures of one type of one sensor, or without a sensor. */
export interface ListedSeries {
  sensor: string | null;
  measure_type: string;
  symbol: string;
  first: string;
  last: string;
  latest_value: number;
}

export interface ApiToken {
  token_id: number;
  name: string;
  created_at: string;
  expires_at: string;
  /** `null`: all that the user may read. */
  experiments: number[] | null;
  last_used_at: string | null;
}

export interface CreatedApiToken extends ApiToken {
  secret: string;
}

export interface NewApiToken {
  name: string;
  expires_in_days?: number;
  experiments?: readonly number[];
}

/** The users of each experiment, by the experiment's id. */
export type Associations = Record<string, { users: User[] }>;

export interface MeasureType {
  measure_type_id: number;
  name: string;
  symbol: string;
  quantity: string;
}

export type NewMeasureType = Omit<MeasureType, "measure_type_id">;

export interface Measure {
  experiment: string;
  measure_type: string;
  timestamp: string;
  value: number;
  /** Absent without one. */
  sensor?: string;
}

/** The summary of one series in one bin of time. */
export interface Bin {
  experiment: string;
  measure_type: string;
  timestamp: string;
  count: number;
  min: number;
  max: number;
  mean: number;
  std: number;
  sensor?: string;
}

/** A statement that measures are not to be used. */
export interface Flag {
  flag_id: number;
  from: string;
  /** Excluded. */
  to: string;
  /** Empty: measures without one; `null`: every sensor. */
  sensor: string | null;
  /** `null`: every type. */
  measure_type: string | null;
  reason: string;
  user_id: string;
  created_at: string;
}

export type NewFlag = Pick<Flag, "from" | "to" | "sensor" | "measure_type" | "reason">;

export interface RejectedMessage {
  id: number;
  reason: string;
  detail: string;
  received_at: string;
  /** Bytes that are no text are given in base64. */
  message_id: string | { $base64: string } | null;
  properties: Record<string, unknown>;
  size: number;
  body?: string;
  body_encoding?: "utf-8" | "base64";
}
