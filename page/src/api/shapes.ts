/** What the REST API takes and gives (specification §5). */

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
}

/** The users of each experiment, by the experiment's id. */
export type Associations = Record<string, { users: User[] }>;

export interface MeasureType {
  measure_type_id: number;
  name: string;
  symbol: string;
  quantity: string;
}

export interface Measure {
  experiment: string;
  measure_type: string;
  timestamp: string;
  value: number;
}

/** What stands for the measures of one type in one bin of time. */
export interface Bin {
  experiment: string;
  measure_type: string;
  timestamp: string;
  count: number;
  min: number;
  max: number;
  mean: number;
  std: number;
}

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
